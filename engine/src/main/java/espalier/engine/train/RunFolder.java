package espalier.engine.train;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.weights.CannotWriteException;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.DurableFiles;
import espalier.engine.weights.JsonLines;
import espalier.engine.weights.StrictJson;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Consumer;

/// The directory of a training run, X/run, made so that the run can be stopped at any moment, by kill -9 as well, and
/// goes on from its last checkpoint as if it had never stopped.
///
/// - `lock`: held while this is open; one process at a time, and the system lifts it when that ends
/// - `base/`: the model that adapters are trained on, where it had to be made first, with a run of its own where it
///   was trained; `base.json`: from what
/// - `config.json`: the [RunConfig]; `changes.jsonl`: where it was changed on the way
/// - `state-<step>.safetensors`: the last [RunState]; the one before is deleted once the disk has the new one
/// - `metrics.jsonl`: a line for each step that was measured
/// - `snapshots/`: what the caller keeps of the run for itself, from step to step
/// - `result/`: where the caller builds what [#publish] moves to X; `published.json`: what was moved
/// - `result.json`: the run is finished
///
/// After a kill, whoever opens it next deletes what was half written.
public final class RunFolder implements RunRecord, AutoCloseable {
    private final RunContents contents;
    private final RunOpening opening;
    private final RunLock lock;
    private boolean isBegun;
    private boolean hasRunInBase;
    /// Null before the run is configured.
    private JsonLines metrics;
    private long lastMetric;

    /// What to do with what is there.
    public enum Opening {
        /// Start; refuse a folder that has anything in it.
        NEW,
        /// Start, and delete a run or checkpoint that is there.
        OVERWRITE,
        /// Go on with the same configuration; start if there is no run yet.
        RESUME,
        /// Go on, and record where the configuration is another.
        RESUME_WITH_CHANGES
    }

    private RunFolder(RunContents contents, RunOpening opening, RunLock lock) {
        this.contents = contents;
        this.opening = opening;
        this.lock = lock;
    }

    /// Starts a run or goes on with one, and locks its folder.
    ///
    /// @param out X; the folder around it must exist
    /// @param config of this command
    /// @param opening what to do with what is there
    /// @return to be closed
    /// @throws FileAlreadyExistsException if the folder has something that may not be continued or replaced
    /// @throws IllegalArgumentException if the run is resumed with another configuration; lists all differences
    /// @throws CheckpointException if a file of the run is damaged, or its metrics lack a step up to the checkpoint
    /// @throws CannotWriteException if the disk is full, or the folder may not be written to
    /// @throws IOException if another process, or another instance, has the folder open, whose process is named
    public static RunFolder open(Path out, RunConfig config, Opening opening) throws IOException {
        RunFolder folder = claim(out, opening);
        try {
            folder.configure(config, state -> {});
            return folder;
        } catch (Throwable e) {
            folder.close();
            throw e;
        }
    }

    /// Locks a folder for a run whose configuration is not known yet. What is to be replaced stays until the run is
    /// configured or its base is asked for; a claim that comes to neither leaves no trace.
    ///
    /// @param out X; the folder around it must exist
    /// @param opening what to do with what is there
    /// @return to be configured before anything is saved, and closed
    /// @throws IOException as [#open]
    public static RunFolder claim(Path out, Opening opening) throws IOException {
        RunContents contents = new RunContents(out);
        RunOpening rules = new RunOpening(contents, opening);
        return new RunFolder(contents, rules, rules.claim());
    }

    /// Starts the run or goes on with it.
    ///
    /// @param config of this command
    /// @param check of the state that the run goes on from, where it does; what it throws leaves the run as it was
    /// @throws IllegalArgumentException if the run is resumed with another configuration; lists all differences; or if
    ///     its base has a run that this command did not ask for
    /// @throws IOException as [#open]
    public void configure(RunConfig config, Consumer<RunState> check) throws IOException {
        if (!hasRunInBase) {
            opening.requireRunInBase(false);
        }
        if (opening.continues()) {
            opening.requireSame(config);
            Optional<RunState> state = latest();
            if (state.isPresent()) {
                check.accept(state.get());
                contents.metrics().requireWhole(state.get());
            }
        }
        begin();
        opening.configure(config);
        List<ObjectNode> lines = metrics();
        lastMetric = lines.isEmpty() ? -1 : lines.getLast().path("step").asLong();
        metrics = JsonLines.open(contents.inRun(RunContents.METRICS));
    }

    /// Asks for the base of the run, a model made from another one before training begins.
    ///
    /// @param origin all that decides about it
    /// @return what [#baseMade] was told, if [#baseFolder] has that base; if not, the caller writes it there
    /// @throws IllegalArgumentException if the run is resumed with a base of another origin, and that is not accepted
    ///     or a checkpoint was saved, which belongs to the old one; lists all differences; or if the base has a run,
    ///     which accepted changes do not delete
    /// @throws IOException if something cannot be read or written
    public Optional<ObjectNode> base(ObjectNode origin) throws IOException {
        opening.requireRunInBase(false);
        begin();
        return opening.base(new RunConfig(origin, Set.of()), RunOpening.Unfinished.DELETED);
    }

    /// Asks for a base that a run of its own makes, in X/run/base/run: [#claimBase]. As [#base], but what such a run
    /// has done is kept for it to go on with, and so is a run whose other configuration is accepted. Whether another
    /// machine may go on with it is asked where that run is configured; to a base that is complete it makes no
    /// difference.
    ///
    /// @param config that the run in the base gets
    /// @param check of the state that it goes on from with changes; what it throws leaves the folder as it was
    /// @return what [#baseMade] was told, if [#baseFolder] has that base; if not, the caller goes on with its run
    /// @throws IllegalArgumentException as [#base], but for settings that are free; or if the run is resumed and was
    ///     begun without a run in its base
    /// @throws IOException if something cannot be read or written
    public Optional<ObjectNode> baseOfRun(RunConfig config, Consumer<RunState> check) throws IOException {
        opening.requireRunInBase(true);
        RunContents base = new RunContents(baseFolder());
        // Without changes the configurations tell what is wrong, and better.
        if (opening.acceptsChanges() && base.hasRun()) {
            latest(base).ifPresent(check);
        }
        hasRunInBase = true;
        begin();
        return opening.base(config.withoutMachine(), RunOpening.Unfinished.CONTINUED);
    }

    /// Locks the base for the run that makes it, which begins, or goes on as this one does.
    ///
    /// @return to be configured, and closed before the base is used
    /// @throws IOException as [#open]
    public RunFolder claimBase() throws IOException {
        return claim(baseFolder(), opening.ofBase());
    }

    /// What is to be replaced stays until something takes its place.
    private void begin() throws IOException {
        if (!isBegun) {
            opening.discardOld();
            isBegun = true;
        }
    }

    /// Says that the base is complete.
    ///
    /// @param result what to keep of its making
    /// @throws IOException if it cannot be written
    public void baseMade(ObjectNode result) throws IOException {
        DurableFiles.replace(contents.inRun(RunContents.BASE_RESULT), result);
    }

    /// @return X/run/base
    public Path baseFolder() {
        return contents.inRun(RunContents.BASE);
    }

    /// @param out X
    /// @return where X/run/base is, after a run that made one
    public static Path baseFolder(Path out) {
        return new RunContents(out).inRun(RunContents.BASE);
    }

    /// @return X
    public Path out() {
        return contents.out();
    }

    /// @return X/run
    public Path path() {
        return contents.run();
    }

    /// @return X/run/result, for the result before it is published; absent, also after a kill
    public Path resultFolder() {
        return contents.inRun(RunContents.RESULT_FOLDER);
    }

    /// @return X/run/snapshots, for what the run itself reads later; absent until the caller makes it, and kept as
    ///     long as the run
    public Path snapshotsFolder() {
        return contents.inRun(RunContents.SNAPSHOTS);
    }

    /// @param out X
    /// @return X/run/snapshots, or that of the run that made the base in X/run/base; empty if there is neither
    public static Optional<Path> findSnapshots(Path out) {
        return new RunContents(out).snapshots();
    }

    /// @param folder any
    /// @return X, if the folder is X/run of a run
    /// @throws IOException if it cannot be read
    public static Optional<Path> outOf(Path folder) throws IOException {
        Path absolute = folder.toAbsolutePath().normalize();
        if (!absolute.endsWith(RunContents.RUN) || absolute.getParent() == null) {
            return Optional.empty();
        }
        RunContents contents = new RunContents(absolute.getParent());
        boolean isRun = contents.isOurs() && !RunContents.list(absolute).isEmpty();
        return isRun ? Optional.of(contents.out()) : Optional.empty();
    }

    /// @return the configuration in the folder
    /// @throws IOException if it cannot be read
    public ObjectNode config() throws IOException {
        return contents.config();
    }

    /// @return one for each time the run went on with another configuration: `step` done before, and `differences`,
    ///     each with `path`, `was`, `is`
    /// @throws IOException if they cannot be read
    public List<ObjectNode> changes() throws IOException {
        return JsonLines.read(contents.inRun(RunContents.CHANGES));
    }

    /// @return the last checkpoint, its tensors in order of their names; empty before the first
    /// @throws CheckpointException naming the file if it is damaged: it was written whole, so the disk failed it
    /// @throws IOException if it cannot be read
    public Optional<RunState> latest() throws IOException {
        return latest(contents);
    }

    private static Optional<RunState> latest(RunContents contents) throws IOException {
        OptionalLong step = contents.newestStep();
        return step.isEmpty()
                ? Optional.empty()
                : Optional.of(RunStateFile.read(RunStateFile.path(contents.run(), step.getAsLong())));
    }

    /// Saves a checkpoint. The metrics up to its step must have been appended: they reach the disk first, and only
    /// they are kept when the run goes on from here.
    ///
    /// @param state not of an earlier step than the last one saved
    /// @throws CannotWriteException if it cannot be written, naming the step that the run can go on from: the last
    ///     checkpoint stays; or if an older one cannot be deleted
    public void save(RunState state) throws IOException {
        OptionalLong before = contents.newestStep();
        if (before.isPresent() && state.step() < before.getAsLong()) {
            throw new IllegalArgumentException(
                    "a state of step " + state.step() + " comes after one of step " + before.getAsLong());
        }
        try {
            metrics.force();
            RunStateFile.write(RunStateFile.path(contents.run(), state.step()), state);
        } catch (CannotWriteException e) {
            throw resumable(e);
        }
        contents.deleteOlderStates();
    }

    /// Appends a line to the metrics; the system has it afterwards, so it survives a kill of the process.
    ///
    /// @param line has an integer `step`, not below that of the line before
    /// @throws CannotWriteException if it cannot be written, naming the step that the run can go on from
    public void append(ObjectNode line) throws IOException {
        JsonNode step = line.path("step");
        if (!step.isIntegralNumber() || step.asLong() < lastMetric) {
            throw new IllegalArgumentException(
                    "a line of the metrics has step " + step + ", expected at least " + lastMetric);
        }
        try {
            metrics.append(line);
        } catch (CannotWriteException e) {
            throw resumable(e);
        }
        lastMetric = step.asLong();
    }

    /// @return all lines of the metrics, those of earlier processes first; no step is missing or twice, wherever the
    ///     run was stopped
    /// @throws IOException if they cannot be read
    public List<ObjectNode> metrics() throws IOException {
        return JsonLines.read(contents.inRun(RunContents.METRICS));
    }

    /// Moves a finished result into X: `config.json` last, so that X is a model only when it is complete.
    ///
    /// After a failure or a kill this is called again, with a result that was built anew from the last state.
    ///
    /// @param complete a folder in X/run, all of it on the disk, as [espalier.engine.weights.FolderWriter] leaves it;
    ///     gone afterwards. Its entries replace those of their name in X, and what an earlier result had published is
    ///     deleted
    /// @throws CannotWriteException naming X if something cannot be moved
    /// @throws IOException if the folder is not there
    public void publish(Path complete) throws IOException {
        if (!contents.run().toAbsolutePath().equals(complete.toAbsolutePath().getParent())) {
            throw new IllegalArgumentException(complete + " does not lie in " + contents.run());
        }
        if (!Files.isDirectory(complete)) {
            throw new NoSuchFileException(complete.toString(), null, "is not a folder with a result");
        }
        try {
            RunPublisher.of(contents).publish(complete);
        } catch (IOException e) {
            throw resumable(DurableFiles.cannotWrite(contents.out(), e));
        }
    }

    /// Writes a result into [#resultFolder].
    @FunctionalInterface
    public interface ResultWriter {
        /// @param folder to make
        /// @param result what to keep of it, added to
        /// @throws IOException if it cannot be written
        void write(Path folder, ObjectNode result) throws IOException;
    }

    /// Writes a result, publishes it and finishes the run.
    ///
    /// @param result what to keep of it
    /// @param writer writes it
    /// @return what is kept of it
    /// @throws CannotWriteException naming the step that the run can go on from
    /// @throws IOException if something cannot be read
    public ObjectNode publish(ObjectNode result, ResultWriter writer) throws IOException {
        Path folder = resultFolder();
        try {
            writer.write(folder, result);
        } catch (CannotWriteException e) {
            throw resumable(e);
        }
        publish(folder);
        finish(result);
        return result;
    }

    /// @return whether [#finish] was called, by this or an earlier process, and nothing was changed since
    public boolean isFinished() {
        return contents.isFinished();
    }

    /// Marks the run as finished.
    ///
    /// @param result what to keep of it
    /// @throws CannotWriteException if it cannot be written, naming the step that the run can go on from
    /// @throws IOException if it cannot be encoded
    public void finish(ObjectNode result) throws IOException {
        try {
            metrics.force();
            DurableFiles.replace(contents.inRun(RunContents.RESULT), result);
        } catch (CannotWriteException e) {
            throw resumable(e);
        }
    }

    /// @return what [#finish] was given; empty while the run is not finished
    /// @throws IOException if it cannot be read
    public Optional<ObjectNode> result() throws IOException {
        return isFinished()
                ? Optional.of(StrictJson.readObject(contents.inRun(RunContents.RESULT)))
                : Optional.empty();
    }

    /// @param e a failure while the result was written
    /// @return the same with how to go on
    private CannotWriteException resumable(CannotWriteException e) throws IOException {
        OptionalLong step = contents.newestStep();
        String hint = step.isPresent()
                ? "; the run can be continued with --resume from step " + step.getAsLong()
                : "; no checkpoint was saved yet, so --resume starts again";
        return new CannotWriteException(e.getMessage() + hint, e);
    }

    /// Lets others open the folder.
    @Override
    public void close() throws IOException {
        try (lock) {
            if (metrics == null) {
                contents.deleteIfEmpty();
            } else {
                metrics.close();
            }
        }
    }
}
