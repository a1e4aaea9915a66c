package espalier.engine.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.weights.ByteSource;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.DurableFiles;
import espalier.engine.weights.FolderWriter;
import espalier.engine.weights.StrictJson;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Stream;

/// What lies in the folder of a run.
///
/// @param out the folder X, as the user calls it
record RunContents(Path out) {
    private static final Logger LOG = System.getLogger(RunContents.class.getName());

    static final String RUN = "run";
    static final String CONFIG = "config.json";
    static final String CHANGES = "changes.jsonl";
    static final String METRICS = "metrics.jsonl";
    static final String RESULT = "result.json";
    static final String RESULT_FOLDER = "result";
    static final String BASE = "base";
    static final String SNAPSHOTS = "snapshots";

    static final String BASE_RESULT = "base-result.json";

    private static final String BASE_ORIGIN = "base.json";

    private static final int LAYOUT = 1;

    /// While this is in X/run, all of X but the lock is on its way out.
    private static final String DISCARDED = ".espalier-discarded";

    private static final Set<String> BEFORE_CONFIG = Set.of(RunLock.NAME, DISCARDED, BASE, BASE_ORIGIN, BASE_RESULT);

    private static final Set<String> KEPT_WHILE_DISCARDED = Set.of(RunLock.NAME, DISCARDED);

    Path run() {
        return out.resolve(RUN);
    }

    Path inRun(String name) {
        return run().resolve(name);
    }

    RunMetrics metrics() {
        return new RunMetrics(inRun(METRICS));
    }

    boolean hasRun() {
        return Files.exists(inRun(CONFIG));
    }

    boolean isFinished() {
        return Files.exists(inRun(RESULT));
    }

    boolean isDiscarded() {
        return Files.exists(inRun(DISCARDED));
    }

    /// @return whether there is anything beside `run`
    boolean hasOther() throws IOException {
        return list(out).stream().anyMatch(path -> !path.getFileName().toString().equals(RUN));
    }

    /// @return whether the folder looks like a checkpoint's
    boolean isCheckpoint() throws IOException {
        return FolderWriter.Kind.CHECKPOINT.isKindOf(out);
    }

    /// @return whether X/run is what this program made: a run, or the very beginning of one
    boolean isOurs() throws IOException {
        if (!Files.isDirectory(run())) {
            return false;
        }
        if (hasRun()) {
            return StrictJson.readObject(inRun(CONFIG)).has(RunConfig.MARKER);
        }
        return isDiscarded()
                || list(run()).stream()
                        .allMatch(path -> BEFORE_CONFIG.contains(path.getFileName().toString())
                                || DurableFiles.isTemporary(path));
    }

    /// @return the configuration without its marker
    /// @throws CheckpointException if it was written for another layout
    ObjectNode config() throws IOException {
        ObjectNode config = StrictJson.readObject(inRun(CONFIG));
        int layout = config.path(RunConfig.MARKER).asInt();
        if (layout != LAYOUT) {
            throw new CheckpointException("%s: %s is %d, expected %d: another version of the program began this run"
                    .formatted(inRun(CONFIG), RunConfig.MARKER, layout, LAYOUT));
        }
        config.remove(RunConfig.MARKER);
        return config;
    }

    void writeConfig(RunConfig config) throws IOException {
        ObjectNode marked = config.json().objectNode().put(RunConfig.MARKER, LAYOUT);
        marked.setAll(config.json());
        DurableFiles.replace(inRun(CONFIG), marked);
    }

    Optional<ObjectNode> baseOrigin() throws IOException {
        return read(BASE_ORIGIN);
    }

    /// What was kept of the making of a base; empty unless it is complete.
    Optional<ObjectNode> baseResult() throws IOException {
        return read(BASE_RESULT);
    }

    private Optional<ObjectNode> read(String name) throws IOException {
        return Files.exists(inRun(name)) ? Optional.of(StrictJson.readObject(inRun(name))) : Optional.empty();
    }

    /// Deletes a base, its claim to completeness first.
    void deleteBase() throws IOException {
        for (String name : List.of(BASE_RESULT, BASE_ORIGIN, BASE)) {
            DurableFiles.deleteTree(inRun(name));
        }
    }

    /// @return whether there is a run in the base
    boolean isBaseRun() throws IOException {
        RunContents base = new RunContents(inRun(BASE));
        return base.hasRun() && base.isOurs();
    }

    /// Deletes a base's claim to completeness, and the base if there is no run in it.
    void deleteBaseUnlessRun() throws IOException {
        if (isBaseRun()) {
            DurableFiles.deleteTree(inRun(BASE_RESULT));
        } else {
            deleteBase();
        }
    }

    /// Notes what the base is made from.
    void noteBase(RunConfig origin) throws IOException {
        DurableFiles.replace(inRun(BASE_ORIGIN), origin.json());
    }

    /// Deletes what a claim has made, if nothing came of it. Only for the holder of the lock, which ends with its file:
    /// another process may come from then on, and keeps its own.
    void deleteIfEmpty() throws IOException {
        if (!list(run()).stream().allMatch(path -> path.getFileName().toString().equals(RunLock.NAME))) {
            return;
        }
        try {
            Files.delete(inRun(RunLock.NAME));
            Files.delete(run());
            if (list(out).isEmpty()) {
                Files.delete(out);
            }
        } catch (DirectoryNotEmptyException | NoSuchFileException e) {
            LOG.log(Level.DEBUG, "another process uses " + out, e);
        }
    }

    List<Path> states() throws IOException {
        return list(run()).stream()
                .filter(file -> RunStateFile.step(file).isPresent())
                .toList();
    }

    OptionalLong newestStep() throws IOException {
        return states().stream().mapToLong(file -> RunStateFile.step(file).orElseThrow()).max();
    }

    /// Deletes all states but the newest.
    void deleteOlderStates() throws IOException {
        long newest = newestStep().orElse(-1);
        for (Path state : states()) {
            if (RunStateFile.step(state).orElseThrow() < newest) {
                DurableFiles.deleteTree(state);
            }
        }
    }

    /// Deletes what a killed process was writing, and the states that it had no more time to delete: the newest is there
    /// whole, or it would not have its name. Only for the holder of the lock.
    void deleteLeftovers() throws IOException {
        deleteOlderStates();
        deleteTemporary(run());
        if (Files.isDirectory(inRun(SNAPSHOTS))) {
            deleteTemporary(inRun(SNAPSHOTS));
        }
        DurableFiles.deleteTree(inRun(RESULT_FOLDER));
    }

    private static void deleteTemporary(Path folder) throws IOException {
        for (Path path : list(folder)) {
            if (DurableFiles.isTemporary(path)) {
                DurableFiles.deleteTree(path);
            }
        }
    }

    /// @return where this run has its snapshots, or the run that made its base; empty if neither has any
    Optional<Path> snapshots() {
        Path ofBase = new RunContents(inRun(BASE)).inRun(SNAPSHOTS);
        return Stream.of(inRun(SNAPSHOTS), ofBase).filter(Files::isDirectory).findFirst();
    }

    /// Deletes everything but the lock. A kill in between leaves a folder that the next one to open it goes on with.
    void discard() throws IOException {
        DurableFiles.replace(inRun(DISCARDED), ByteSource.of(MemorySegment.NULL));
        for (Path path : list(out)) {
            if (!path.getFileName().toString().equals(RUN)) {
                DurableFiles.deleteTree(path);
            }
        }
        for (Path path : list(run())) {
            if (!KEPT_WHILE_DISCARDED.contains(path.getFileName().toString())) {
                DurableFiles.deleteTree(path);
            }
        }
        DurableFiles.syncFolder(out.toAbsolutePath());
        DurableFiles.syncFolder(run());
        Files.delete(inRun(DISCARDED));
        DurableFiles.syncFolder(run());
    }

    static List<Path> list(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        }
    }
}
