package espalier.engine.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.train.RunFolder.Opening;
import espalier.engine.weights.CheckpointException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Runs that begin, stop, go on and are replaced.
class RunFolderTest extends RunFolderCase {
    private static final String ONE_EACH = ", expected 5, one for each in order";

    @Test
    void theBindingSettingsAreThoseThatAreNotFree() {
        ObjectNode json = config(8, 10).json();
        json.remove("output");
        assertEquals(json, config(8, 10).binding());
        assertEquals(10, config(8, 10).json().get("output").get("save_every").intValue());
        ((ObjectNode) json.get("lora")).remove("rank");
        assertEquals(json, new RunConfig(config(8, 10).json(), Set.of("output", "lora.rank")).binding());
    }

    @ParameterizedTest
    @EnumSource(Opening.class)
    void startsWhereThereIsNothing(Opening opening) throws IOException {
        assertFresh(opening);
    }

    @ParameterizedTest
    @EnumSource(Opening.class)
    void startsInAnEmptyFolder(Opening opening) throws IOException {
        Files.createDirectory(out);
        assertFresh(opening);
    }

    /// The process was killed between taking the lock and writing the configuration.
    @ParameterizedTest
    @EnumSource(Opening.class)
    void startsWhereARunHardlyBegan(Opening opening) throws IOException {
        Files.createDirectories(out.resolve("run"));
        Files.writeString(out.resolve("run/lock"), "1\n");
        Files.writeString(out.resolve("run/.config.json.1-1.tmp"), "{");
        assertFresh(opening);
    }

    @Test
    void needsTheFolderAround() {
        Path deep = folder.resolve("no/x");
        var e = assertThrows(NoSuchFileException.class, () -> RunFolder.open(deep, config(8, 1), Opening.NEW));
        assertEquals(deep + ": the folder around it does not exist", e.getMessage());
    }

    @ParameterizedTest
    @EnumSource(Opening.class)
    void aFileIsNoFolder(Opening opening) throws IOException {
        Files.writeString(out, "text");
        assertRefused(opening, "is not a folder");
        assertEquals("text", Files.readString(out));
    }

    @ParameterizedTest
    @EnumSource(Opening.class)
    void leavesOtherFilesAlone(Opening opening) throws IOException {
        Files.createDirectory(out);
        Files.writeString(out.resolve("thesis.tex"), "text");
        String reason = switch (opening) {
            case NEW -> "exists already; --overwrite replaces it";
            case OVERWRITE -> "is not a run's or a checkpoint folder, so it is not replaced";
            case RESUME, RESUME_WITH_CHANGES -> "has no run to continue, but other files";
        };
        assertRefused(opening, reason);
        assertEquals(Set.of("thesis.tex"), names(out));
        Files.createDirectory(out.resolve("run"));
        assertRefused(opening, reason);
        assertEquals(Set.of("thesis.tex", "run"), names(out));
        assertEquals(Set.of(), names(out.resolve("run")));
        Files.writeString(out.resolve("run/config.json"), "{\"of\": \"another program\"}");
        assertRefused(opening, "has a folder run that is not a training run's, so nothing is written there");
        assertEquals(Set.of("config.json"), names(out.resolve("run")));
    }

    @Test
    void replacesACheckpointOnDemand() throws IOException {
        Files.createDirectories(out.resolve("adapter"));
        Files.writeString(out.resolve("adapter/x"), "");
        Files.writeString(out.resolve("config.json"), "{\"model_type\": \"llama\"}");
        assertRefused(Opening.NEW, "exists already; --overwrite replaces it");
        assertRefused(Opening.RESUME, "has no run to continue, but other files");
        assertEquals(Set.of("adapter", "config.json"), names(out));
        assertFresh(Opening.OVERWRITE);
    }

    @Test
    void anUnfinishedRunIsContinuedOrReplaced() throws IOException {
        unfinished();
        assertRefused(
                Opening.NEW, "has an unfinished run (step 5); --resume continues it, --overwrite starts again");
        try (RunFolder run = open(Opening.RESUME)) {
            assertEquals(5, run.latest().orElseThrow().step());
        }
        assertFresh(Opening.OVERWRITE);
    }

    @Test
    void aFinishedRunStaysAsItIs() throws IOException {
        finished();
        assertRefused(Opening.NEW, "exists already; --overwrite replaces it");
        try (RunFolder run = open(Opening.RESUME)) {
            assertTrue(run.isFinished());
            assertEquals(5, run.result().orElseThrow().path("steps").asInt());
        }
        assertEquals(Set.of("run", "config.json", "model.safetensors"), names(out));
        assertFresh(Opening.OVERWRITE);
    }

    @Test
    void aFinishedRunGoesOnWithOtherSettings() throws IOException {
        finished();
        try (RunFolder run = RunFolder.open(out, config(8, 99), Opening.RESUME)) {
            assertTrue(run.isFinished());
        }
        try (RunFolder run = RunFolder.open(out, config(9, 99), Opening.RESUME_WITH_CHANGES)) {
            assertFalse(run.isFinished());
            assertEquals(5, run.latest().orElseThrow().step());
        }
        assertTrue(Files.exists(out.resolve("config.json")), "the old model stays until there is a new one");
    }

    /// Killed after the marker, after the checkpoint's marker was deleted, and before the end.
    @ParameterizedTest
    @EnumSource(Opening.class)
    void anInterruptedReplacementIsCompleted(Opening opening) throws IOException {
        for (int left = 0; left < 3; left++) {
            nameOut();
            out = out.resolveSibling("x" + left);
            finished();
            Files.createFile(out.resolve("run/.espalier-discarded"));
            if (left < 2) {
                Files.delete(out.resolve("config.json"));
            }
            if (left < 1) {
                Files.delete(out.resolve("run/config.json"));
            }
            assertFresh(opening);
        }
    }

    @Test
    void keepsTheLastStateOnly() throws IOException {
        unfinished();
        assertEquals(
                Set.of("lock", "config.json", "metrics.jsonl", "state-000000005.safetensors"),
                names(out.resolve("run")));
        try (RunFolder run = open(Opening.RESUME)) {
            var e = assertThrows(IllegalArgumentException.class, () -> run.save(state(4)));
            assertEquals("a state of step 4 comes after one of step 5", e.getMessage());
            run.save(state(5));
            assertThrows(IllegalArgumentException.class, () -> run.save(state(1_000_000_000)));
        }
    }

    /// Killed between the rename of the new state and the deletion of the old one.
    @Test
    void theNewestStateCounts() throws IOException {
        unfinished();
        RunStateFile.write(out.resolve("run/state-000000002.safetensors"), state(2));
        try (RunFolder run = open(Opening.RESUME)) {
            assertEquals(5, run.latest().orElseThrow().step());
            assertEquals(Set.of("state-000000005.safetensors"), states(run));
            run.save(state(6));
            assertEquals(Set.of("state-000000006.safetensors"), states(run));
        }
    }

    @Test
    void aDamagedStateIsAnError() throws IOException {
        unfinished();
        Path state = out.resolve("run/state-000000005.safetensors");
        Files.write(state, new byte[] {1, 2, 3});
        Path older = out.resolve("run/state-000000002.safetensors");
        RunStateFile.write(older, state(2));
        var e = assertThrows(CheckpointException.class, () -> open(Opening.RESUME));
        assertTrue(Files.exists(older), "someone may want to go on from there");
        assertEquals(state + ": has 3 bytes, expected at least 8: the header's length", e.getMessage());
    }

    @Test
    void metricsAreThoseOfARunThatNeverStopped() throws IOException {
        unfinished();
        // Steps 6 and 7 come after the checkpoint; the last line was being written.
        Files.writeString(out.resolve("run/metrics.jsonl"), "{\"step\": 8, \"lo", StandardOpenOption.APPEND);
        try (RunFolder run = open(Opening.RESUME)) {
            var e = assertThrows(IllegalArgumentException.class, () -> run.append(metric(4)));
            assertEquals("a line of the metrics has step 4, expected at least 5", e.getMessage());
            for (int step = 6; step <= 9; step++) {
                run.append(metric(step));
            }
            assertThrows(IllegalArgumentException.class, () -> run.append(metric(1).put("step", "ten")));
            assertEquals(
                    Stream.of(1, 2, 3, 4, 5, 6, 7, 8, 9).map(step -> metric(step).toString()).toList(),
                    run.metrics().stream().map(ObjectNode::toString).toList());
        }
    }

    @Test
    void metricsThatAPowerCutDamagedAreThoseOfTheCheckpoint() throws IOException {
        unfinished();
        Path file = out.resolve("run/metrics.jsonl");
        Files.writeString(file, Files.readString(file).replace("{\"step\":6", "\0\0\0\0"));
        try (RunFolder run = open(Opening.RESUME)) {
            assertEquals(5, run.metrics().size());
            run.append(metric(6));
        }
        Files.writeString(file, Files.readString(file).replace("{\"step\":4", "\0\0\0\0"));
        var e = assertThrows(CheckpointException.class, () -> open(Opening.RESUME));
        assertTrue(e.getMessage().startsWith(file + " line 4: "), e.getMessage());
    }

    /// What a state was saved after was on the disk before it, so a run whose metrics lack it lost them.
    @Test
    void metricsThatLackAStepAreRefused() throws IOException {
        unfinished();
        Path file = out.resolve("run/metrics.jsonl");
        List<String> lines = Files.readAllLines(file);
        assertLacks(file, lines.subList(0, 4), "lines of steps up to the saved state are 4" + ONE_EACH);
        assertLacks(file, List.of(), "lines of steps up to the saved state are 0" + ONE_EACH);
        assertLacks(file, lines.subList(1, 7), "lines of steps up to the saved state are 4" + ONE_EACH);
        List<String> twice = new ArrayList<>(lines);
        twice.set(1, lines.getFirst());
        assertLacks(file, twice, "lines of steps up to the saved state are 5" + ONE_EACH);
        twice = new ArrayList<>(lines);
        twice.add(5, lines.get(4));
        assertLacks(file, twice, "lines of steps up to the saved state are 6" + ONE_EACH);
        Files.delete(file);
        assertLacks("lines of steps up to the saved state are 0" + ONE_EACH);
        assertFalse(Files.exists(file), "a refused command changes nothing");
        Files.write(file, lines.subList(0, 5));
        open(Opening.RESUME).close();
    }

    private void assertLacks(Path file, List<String> lines, String what) throws IOException {
        Files.write(file, lines);
        assertLacks(what);
        assertEquals(lines, Files.readAllLines(file), "a refused command changes nothing");
    }

    private void assertLacks(String what) {
        for (Opening opening : List.of(Opening.RESUME, Opening.RESUME_WITH_CHANGES)) {
            var e = assertThrows(CheckpointException.class, () -> open(opening));
            assertEquals(
                    out.resolve("run/metrics.jsonl") + ": " + what
                            + "; only --overwrite starts again without them",
                    e.getMessage());
        }
    }

    @Test
    void metricsThatLackAValidationAreRefused() throws IOException {
        try (RunFolder run = open(Opening.NEW)) {
            run.append(validation(0));
            run.append(metric(1).putNull("loss").put("skipped", true));
            run.append(metric(2));
            run.append(JsonNodeFactory.instance.objectNode().put("step", 2).put("sample", "Once"));
            run.append(validation(2));
            run.append(metric(3));
            run.save(new RunState(3, Map.of("evaluated_step", "2"), List.of()));
        }
        Path file = out.resolve("run/metrics.jsonl");
        List<String> lines = Files.readAllLines(file);
        open(Opening.RESUME).close();
        assertEquals(lines, Files.readAllLines(file));
        List<String> fewer = new ArrayList<>(lines);
        fewer.remove(4);
        assertLacks(file, fewer, "has no validation of step 2, which the saved state of step 3 has seen");
    }

    private static ObjectNode validation(long step) {
        return JsonNodeFactory.instance.objectNode().put("step", step).put("validation_loss", 0.5);
    }

    @Test
    void withoutACheckpointMetricsBeginAgain() throws IOException {
        try (RunFolder run = open(Opening.NEW)) {
            run.append(metric(0));
        }
        try (RunFolder run = open(Opening.RESUME)) {
            assertEquals(List.of(), run.metrics());
        }
    }

    @Test
    void deletesWhatWasHalfWritten() throws IOException {
        unfinished();
        Files.writeString(out.resolve("run/.state-000000009.safetensors.77-1.tmp"), "half");
        Files.createDirectories(out.resolve("run/.result.77-2.tmp/adapter"));
        Files.createDirectories(out.resolve("run/result/adapter"));
        open(Opening.RESUME).close();
        assertEquals(
                Set.of("lock", "config.json", "metrics.jsonl", "state-000000005.safetensors"),
                names(out.resolve("run")));
    }

    @Test
    void snapshotsAreKeptUntilTheRunIsReplaced() throws IOException {
        unfinished();
        try (RunFolder run = open(Opening.RESUME)) {
            assertEquals(out.resolve("run/snapshots"), run.snapshotsFolder());
            assertFalse(Files.exists(run.snapshotsFolder()));
            assertEquals(Optional.empty(), RunFolder.findSnapshots(out));
            Files.createDirectory(run.snapshotsFolder());
            Files.writeString(run.snapshotsFolder().resolve("snapshot-0000.safetensors"), "whole");
            Files.writeString(run.snapshotsFolder().resolve(".snapshot-0001.safetensors.77-1.tmp"), "half");
        }
        try (RunFolder run = open(Opening.RESUME)) {
            assertEquals(Set.of("snapshot-0000.safetensors"), names(run.snapshotsFolder()));
            assertEquals(Optional.of(run.snapshotsFolder()), RunFolder.findSnapshots(out));
        }
        assertFresh(Opening.OVERWRITE);
    }

    @Test
    void snapshotsOfTheRunThatMadeTheBaseAreFound() throws IOException {
        Path ofBase = Files.createDirectories(out.resolve("run/base/run/snapshots"));
        assertEquals(Optional.of(ofBase), RunFolder.findSnapshots(out));
        Path own = Files.createDirectories(out.resolve("run/snapshots"));
        assertEquals(Optional.of(own), RunFolder.findSnapshots(out));
    }

    @Test
    void aRunIsKnownByItsFolder() throws IOException {
        Path run = out.resolve("run");
        assertEquals(Optional.empty(), RunFolder.outOf(run));
        Files.createDirectories(run);
        assertEquals(Optional.empty(), RunFolder.outOf(run));
        Files.writeString(run.resolve("config.json"), "{}");
        assertEquals(Optional.empty(), RunFolder.outOf(run), "a model that is called run");
        Files.delete(run.resolve("config.json"));
        Files.createDirectory(run.resolve("base"));
        assertEquals(Optional.of(out.toAbsolutePath()), RunFolder.outOf(run), "its base is being made");
        unfinished();
        assertEquals(Optional.of(out.toAbsolutePath()), RunFolder.outOf(run));
        assertEquals(Optional.empty(), RunFolder.outOf(out));
        assertEquals(Optional.of(out.toAbsolutePath()), RunFolder.outOf(out.resolve("run/../run/.")));
    }

    @Test
    void listsAllDifferences() throws IOException {
        unfinished();
        ObjectNode other = config(16, 77).json();
        ((ObjectNode) other.get("lora")).remove("alpha");
        ((ObjectNode) other.get("lora")).putArray("targets").add("q_proj").add("v_proj");
        other.put("seed", 3);
        RunConfig changed = new RunConfig(other, Set.of("output"));
        var e = assertThrows(IllegalArgumentException.class, () -> RunFolder.open(out, changed, Opening.RESUME));
        assertEquals(
                "the run at " + out + " differs from this command: lora.rank is 16, was 8;"
                        + " lora.targets is [\"q_proj\",\"v_proj\"], was [\"q_proj\"];"
                        + " machine.lane_bits is 512, was 256; seed is 3, was absent; lora.alpha is absent, was 16.0;"
                        + " --accept-changes goes on all the same",
                e.getMessage());
        try (RunFolder run = open(Opening.RESUME)) {
            assertEquals(config(8, 10).json(), run.config(), "a refused command changes nothing");
            assertEquals(5, run.metrics().size());
        }
    }

    @Test
    void recordsAcceptedChanges() throws IOException {
        unfinished();
        try (RunFolder run = RunFolder.open(out, config(16, 10), Opening.RESUME_WITH_CHANGES)) {
            assertEquals(config(16, 10).json(), run.config());
            done(run, 6, 6);
        }
        RunFolder.open(out, config(16, 10), Opening.RESUME_WITH_CHANGES).close();
        RunFolder.open(out, config(8, 10), Opening.RESUME_WITH_CHANGES).close();
        RunFolder.open(out, config(8, 55), Opening.RESUME_WITH_CHANGES).close();
        try (RunFolder run = RunFolder.open(out, config(8, 10), Opening.RESUME)) {
            assertEquals(
                    List.of(
                            "{\"step\":5,\"differences\":[{\"path\":\"lora.rank\",\"was\":\"8\",\"is\":\"16\"},"
                                    + "{\"path\":\"machine.lane_bits\",\"was\":\"256\",\"is\":\"512\"}]}",
                            "{\"step\":6,\"differences\":[{\"path\":\"lora.rank\",\"was\":\"16\",\"is\":\"8\"},"
                                    + "{\"path\":\"machine.lane_bits\",\"was\":\"512\",\"is\":\"256\"}]}"),
                    run.changes().stream().map(ObjectNode::toString).toList());
        }
    }

    /// Killed after the change was recorded, before the new configuration was written.
    @Test
    void aChangeIsRecordedOnce() throws IOException {
        unfinished();
        byte[] old = Files.readAllBytes(out.resolve("run/config.json"));
        RunFolder.open(out, config(16, 10), Opening.RESUME_WITH_CHANGES).close();
        Files.write(out.resolve("run/config.json"), old);
        try (RunFolder run = RunFolder.open(out, config(16, 10), Opening.RESUME_WITH_CHANGES)) {
            assertEquals(1, run.changes().size());
            assertEquals(config(16, 10).json(), run.config());
        }
    }

    @Test
    void freeSettingsMayChange() throws IOException {
        unfinished();
        try (RunFolder run = RunFolder.open(out, config(8, 1), Opening.RESUME)) {
            assertEquals(config(8, 1).json(), run.config());
            assertEquals(List.of(), run.changes());
        }
    }

    @Test
    void anotherLayoutIsRefused() throws IOException {
        unfinished();
        Path file = out.resolve("run/config.json");
        Files.writeString(file, Files.readString(file).replace("\"espalier_run\": 1", "\"espalier_run\": 2"));
        var e = assertThrows(CheckpointException.class, () -> open(Opening.RESUME));
        assertEquals(
                file + ": espalier_run is 2, expected 1: another version of the program began this run",
                e.getMessage());
        var reserved = JsonNodeFactory.instance.objectNode().put("espalier_run", 1);
        assertThrows(IllegalArgumentException.class, () -> new RunConfig(reserved, Set.of()));
    }

    @ParameterizedTest
    @EnumSource(Opening.class)
    void isLockedAgainstAnotherInstance(Opening opening) throws IOException {
        try (RunFolder run = open(Opening.NEW)) {
            var e = assertThrows(IOException.class, () -> open(opening));
            assertEquals(
                    "the run at " + out + " is in use by process " + ProcessHandle.current().pid(), e.getMessage());
            done(run, 1, 1);
        }
        open(Opening.RESUME).close();
    }

    private static Set<String> states(RunFolder run) throws IOException {
        return names(run.path()).stream().filter(name -> name.startsWith("state")).collect(Collectors.toSet());
    }
}
