package espalier.engine.train;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.weights.DurableFiles;
import espalier.engine.weights.JsonLines;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/// The rules by which a run begins, goes on, or is refused.
///
/// @param contents of the folder
/// @param opening what the user asked for
record RunOpening(RunContents contents, RunFolder.Opening opening) {
    /// More than a few are not a coincidence: the file system gives a file another identity each time.
    private static final int ATTEMPTS = 20;

    private static final String ACCEPT_CHANGES = "--accept-changes goes on all the same";

    /// What becomes of a base that is not complete.
    enum Unfinished {
        /// It may be half written, so it is made again from the beginning.
        DELETED,
        /// It is a run of its own, which goes on from its last state.
        CONTINUED
    }

    /// @return the lock, held; what is there is as it was
    RunLock claim() throws IOException {
        requireUsable();
        RunLock lock = lock();
        try {
            if (contents.isDiscarded()) {
                contents.discard();
            }
            // What was looked at before the lock may have changed.
            requireUsable();
            requireNoRun();
            return lock;
        } catch (Throwable e) {
            lock.close();
            throw e;
        }
    }

    /// Deletes what is to be replaced. Only for the holder of the lock.
    void discardOld() throws IOException {
        if (opening == RunFolder.Opening.OVERWRITE
                && (contents.hasRun() || contents.baseOrigin().isPresent() || contents.hasOther())) {
            contents.discard();
        }
    }

    /// Makes the folder ready for the first or the next step. Only for the holder of the lock.
    ///
    /// @param config of this command
    void configure(RunConfig config) throws IOException {
        if (contents.hasRun()) {
            resume(config);
        } else {
            contents.writeConfig(config);
        }
        contents.deleteLeftovers();
    }

    /// Makes the folder ready for a base, if it has not the one that is asked for. Only for the holder of the lock.
    /// Another base takes the place of the old one only while nothing was learnt on that.
    ///
    /// @param origin what decides about the base
    /// @param unfinished what becomes of one that is not complete, or whose other origin is accepted
    /// @return what was kept of its making, if it is there
    /// @throws IllegalArgumentException if the run has a base of another origin that may not be replaced
    Optional<ObjectNode> base(RunConfig origin, Unfinished unfinished) throws IOException {
        Optional<ObjectNode> before = contents.baseOrigin();
        if (before.isPresent()) {
            List<RunConfig.Difference> differences = origin.bindingDifferencesTo(before.get());
            if (!differences.isEmpty() && contents.newestStep().isPresent()) {
                throw differs(differences, "only --overwrite starts again from another base");
            }
            if (!differences.isEmpty() && opening == RunFolder.Opening.RESUME) {
                throw differs(differences, ACCEPT_CHANGES);
            }
            if (differences.isEmpty() && contents.baseResult().isPresent()) {
                return contents.baseResult();
            }
        }
        switch (unfinished) {
            case DELETED -> contents.deleteBase();
            case CONTINUED -> contents.deleteBaseUnlessRun();
        }
        contents.noteBase(origin);
        return Optional.empty();
    }

    /// Refuses to go on with a run that was begun in another way: with or without a run in its base.
    ///
    /// @param wanted whether the base is to have a run
    /// @throws IllegalArgumentException if it is the other way round
    void requireRunInBase(boolean wanted) throws IOException {
        boolean begun = wanted ? contents.hasRun() : contents.isBaseRun();
        boolean goesOn = opening == RunFolder.Opening.RESUME || opening == RunFolder.Opening.RESUME_WITH_CHANGES;
        if (goesOn && begun && wanted != contents.isBaseRun()) {
            throw new IllegalArgumentException("the run at %s was begun %s a run in its base, this command is %s; only "
                    .formatted(contents.out(), wanted ? "without" : "with", wanted ? "with one" : "without")
                    + "--overwrite starts again");
        }
    }

    /// @return how the run in the base is opened: what is to be replaced has been deleted with this one's
    RunFolder.Opening ofBase() {
        return switch (opening) {
            case NEW, OVERWRITE, RESUME -> RunFolder.Opening.RESUME;
            case RESUME_WITH_CHANGES -> RunFolder.Opening.RESUME_WITH_CHANGES;
        };
    }

    /// Refuses what must not even get a lock file.
    private void requireUsable() throws IOException {
        Path out = contents.out();
        if (Files.exists(out)) {
            if (!Files.isDirectory(out)) {
                throw refused("is not a folder");
            }
            if (Files.exists(contents.run()) && !contents.isOurs()) {
                throw refused("has a folder run that is not a training run's, so nothing is written there");
            }
            if (contents.hasOther() && !contents.hasRun() && !contents.isDiscarded()) {
                requireReplaceableCheckpoint();
            }
        } else {
            Path parent = out.toAbsolutePath().getParent();
            if (parent == null || !Files.isDirectory(parent)) {
                throw new NoSuchFileException(out.toString(), null, "the folder around it does not exist");
            }
        }
    }

    private void requireReplaceableCheckpoint() throws IOException {
        switch (opening) {
            case NEW -> throw refused("exists already; --overwrite replaces it");
            case RESUME, RESUME_WITH_CHANGES -> throw refused("has no run to continue, but other files");
            case OVERWRITE -> {
                if (!contents.isCheckpoint()) {
                    throw refused("is not a run's or a checkpoint folder, so it is not replaced");
                }
            }
        }
    }

    private RunLock lock() throws IOException {
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            createFolders();
            Optional<RunLock> lock = RunLock.take(contents.out(), contents.run());
            if (lock.isPresent()) {
                return lock.get();
            }
        }
        throw new IOException("the run at " + contents.out() + " cannot be locked: its file "
                + contents.inRun(RunLock.NAME) + " was replaced " + ATTEMPTS + " times meanwhile");
    }

    private void createFolders() throws IOException {
        try {
            Path run = contents.run().toAbsolutePath();
            if (!Files.isDirectory(run)) {
                Files.createDirectories(run);
                DurableFiles.syncFolder(run.getParent());
                DurableFiles.syncFolder(run.getParent().getParent());
            }
        } catch (IOException e) {
            throw DurableFiles.cannotWrite(contents.out(), e);
        }
    }

    private void requireNoRun() throws IOException {
        if (opening == RunFolder.Opening.NEW
                && (contents.hasRun() || contents.baseOrigin().isPresent())) {
            throw exists();
        }
    }

    private FileAlreadyExistsException exists() throws IOException {
        if (contents.isFinished()) {
            return refused("exists already; --overwrite replaces it");
        }
        long step = contents.newestStep().orElse(0);
        return refused("has an unfinished run (step " + step
                + "); --resume continues it, --overwrite starts again");
    }

    /// @return whether a run may go on with other settings
    boolean acceptsChanges() {
        return opening == RunFolder.Opening.RESUME_WITH_CHANGES;
    }

    /// @return whether there is a run that goes on
    boolean continues() {
        return (opening == RunFolder.Opening.RESUME || opening == RunFolder.Opening.RESUME_WITH_CHANGES)
                && contents.hasRun();
    }

    /// @throws IllegalArgumentException if the configuration is another one and that is not accepted
    void requireSame(RunConfig config) throws IOException {
        List<RunConfig.Difference> differences = differences(config);
        if (!differences.isEmpty() && opening == RunFolder.Opening.RESUME) {
            throw differs(differences, ACCEPT_CHANGES);
        }
    }

    private List<RunConfig.Difference> differences(RunConfig config) throws IOException {
        return config.bindingDifferencesTo(contents.config());
    }

    private void resume(RunConfig config) throws IOException {
        requireSame(config);
        List<RunConfig.Difference> all = config.differencesTo(contents.config());
        List<RunConfig.Difference> differences = differences(config);
        if (!differences.isEmpty()) {
            record(config, differences);
            Files.deleteIfExists(contents.inRun(RunContents.RESULT));
        }
        if (!all.isEmpty()) {
            contents.writeConfig(config);
        }
        long step = contents.newestStep().orElse(-1);
        contents.metrics().cutAfter(step);
    }

    private IllegalArgumentException differs(List<RunConfig.Difference> differences, String hint) {
        return new IllegalArgumentException("the run at %s differs from this command: %s; %s".formatted(
                contents.out(),
                differences.stream().map(Object::toString).collect(Collectors.joining("; ")),
                hint));
    }

    private void record(RunConfig config, List<RunConfig.Difference> differences) throws IOException {
        ObjectNode change = config.json().objectNode();
        change.put("step", contents.newestStep().orElse(0));
        ArrayNode list = change.putArray("differences");
        for (RunConfig.Difference difference : differences) {
            list.addObject()
                    .put("path", difference.path())
                    .put("was", difference.was())
                    .put("is", difference.is());
        }
        Path file = contents.inRun(RunContents.CHANGES);
        List<ObjectNode> earlier = JsonLines.read(file);
        if (!earlier.isEmpty() && earlier.getLast().toString().equals(change.toString())) {
            // The process was killed after it recorded the change and before it wrote the configuration.
            return;
        }
        try (JsonLines changes = JsonLines.open(file)) {
            changes.append(change);
            changes.force();
        }
    }

    private FileAlreadyExistsException refused(String reason) {
        return new FileAlreadyExistsException(contents.out().toString(), null, reason);
    }
}
