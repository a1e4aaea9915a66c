package espalier.engine.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import espalier.engine.train.RunFolder.Opening;
import espalier.engine.weights.CannotWriteException;
import espalier.engine.weights.FolderWriter;
import espalier.engine.weights.GracefulStop;
import espalier.engine.weights.SideFile;
import espalier.kernels.testing.ChildJvm;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/// What becomes of a run when its process is killed, has a rival, or fills the disk.
class RunProcessTest {
    private static final int VALUES = 400_000;

    @TempDir
    Path folder;

    private Path out;

    @BeforeEach
    void nameOut() {
        out = folder.resolve("x");
    }

    private static RunFolder open(Path out) throws IOException {
        return RunFolder.open(out, RunFolderCase.config(8, 1), Opening.RESUME);
    }

    /// Every number of it depends on the step.
    private static RunState state(long step) {
        float[] data = new float[VALUES];
        for (int i = 0; i < data.length; i++) {
            data[i] = step + i / 3f;
        }
        return new RunState(step, Map.of("sum", Long.toString(step), "evaluated_step", "-1"), List.of(
                new RunState.Values("parameter", 1, VALUES, data)));
    }

    /// Goes on from the last state, a step and a checkpoint after the other, until it is killed or cannot write.
    static final class Loop {
        private Loop() {}

        /// @param args the folder
        public static void main(String[] args) throws IOException {
            try (RunFolder run = open(Path.of(args[0]))) {
                Optional<RunState> last = run.latest();
                System.out.println("ready");
                for (long step = last.map(RunState::step).orElse(0L) + 1; ; step++) {
                    run.append(RunFolderCase.metric(step));
                    run.save(state(step));
                }
            } catch (CannotWriteException e) {
                System.out.println(e.getMessage());
            }
        }
    }

    private static void awaitReady(Process process) throws IOException {
        String line;
        do {
            line = process.inputReader().readLine();
        } while (line != null && line.startsWith("WARNING"));
        assertEquals("ready", line);
    }

    @Test
    void killsLeaveARunThatGoesOn() throws Exception {
        Random random = new Random(3);
        long step = 0;
        // On a machine that is busy, six may all come before the first step is saved.
        for (int kill = 0; kill < 6 || step == 0 && kill < 60; kill++) {
            Process process = ChildJvm.start(List.of(), List.of("-XX:TieredStopAtLevel=1"), Loop.class, out.toString());
            try {
                awaitReady(process);
                Thread.sleep(20 + random.nextInt(200));
            } finally {
                process.destroyForcibly();
                assertTrue(process.waitFor(30, TimeUnit.SECONDS));
            }
            assertEquals(137, process.exitValue());
            try (RunFolder run = open(out)) {
                RunState last = run.latest().orElse(state(0));
                assertTrue(last.step() >= step, last.step() + " after " + step);
                step = last.step();
                assertEquals(Long.toString(step), last.values().get("sum"));
                assertEquals(state(step).tensors().getFirst().data()[VALUES - 1],
                        last.tensors().getFirst().data()[VALUES - 1]);
                assertEquals(
                        LongStream.rangeClosed(1, step).boxed().toList(),
                        run.metrics().stream().map(line -> line.path("step").asLong()).toList());
                try (Stream<Path> files = Files.list(run.path())) {
                    assertTrue(files.noneMatch(file -> file.toString().endsWith(".tmp")));
                }
            }
        }
        assertTrue(step > 0, "no step was ever saved");
    }

    /// A run from its start to its published result, or from wherever it was killed.
    static final class WholeRun {
        private static final int STEPS = 12;

        private WholeRun() {}

        /// @param args the folder
        public static void main(String[] args) throws IOException {
            try (GracefulStop stop = GracefulStop.register(Duration.ofSeconds(30));
                    RunFolder run = open(Path.of(args[0]))) {
                System.out.println("ready");
                float weight = run.latest().map(last -> last.tensors().getFirst().data()[0]).orElse(1f);
                long step = run.latest().map(RunState::step).orElse(0L);
                while (step < STEPS && !stop.requested()) {
                    step++;
                    weight = weight * 1.7f % 1;
                    run.append(RunFolderCase.metric(step).put("weight", weight));
                    if (step % 3 == 0) {
                        run.save(new RunState(step, Map.of("evaluated_step", "-1"), List.of(
                                new RunState.Values("w", 1, 1, new float[] {weight}))));
                    }
                }
                if (step == STEPS && !run.isFinished()) {
                    finish(run, weight);
                }
            }
        }

        private static void finish(RunFolder run, float weight) throws IOException {
            FolderWriter.write(run.resultFolder(), FolderWriter.Kind.CHECKPOINT, true, List.of(
                    SideFile.text("config.json", "{}"),
                    SideFile.text("model.safetensors", Float.toHexString(weight)),
                    SideFile.text("adapter/adapter_model.safetensors", Float.toHexString(weight))));
            run.publish(run.resultFolder());
            run.finish(JsonNodeFactory.instance.objectNode().put("weight", weight));
        }
    }

    @Test
    void aKilledRunEndsLikeOneThatWasNot() throws Exception {
        Path calm = folder.resolve("calm");
        ChildJvm.run(List.of(), List.of(), WholeRun.class, calm.toString());
        Random random = new Random(11);
        int kills = 0;
        boolean finished = false;
        while (!finished) {
            Process process =
                    ChildJvm.start(List.of(), List.of("-XX:TieredStopAtLevel=1"), WholeRun.class, out.toString());
            try {
                awaitReady(process);
                // It gets more time at each attempt, so that kills fall into all of its parts and it comes to its end.
                long microseconds = kills * 4_000L + random.nextInt(4_000);
                TimeUnit.MICROSECONDS.sleep(microseconds);
            } finally {
                if (kills % 3 == 2) {
                    process.destroy();
                } else {
                    process.destroyForcibly();
                }
                assertTrue(process.waitFor(30, TimeUnit.SECONDS));
            }
            kills++;
            finished = Files.exists(out.resolve("run/result.json"));
        }
        assertTrue(kills > 1, "it was never killed before its end");
        assertEquals(contents(calm), contents(out));
    }

    private static Map<String, String> contents(Path folder) throws IOException {
        Map<String, String> files = new TreeMap<>();
        try (Stream<Path> walk = Files.walk(folder)) {
            for (Path file : walk.filter(Files::isRegularFile).toList()) {
                if (!file.endsWith(RunLock.NAME)) {
                    files.put(
                            folder.relativize(file).toString(),
                            Files.readString(file, StandardCharsets.ISO_8859_1));
                }
            }
        }
        return files;
    }

    @Test
    void anotherProcessIsRefusedUntilTheFirstIsKilled() throws Exception {
        Process process = ChildJvm.start(List.of(), List.of(), Loop.class, out.toString());
        try {
            awaitReady(process);
            for (Opening opening : Opening.values()) {
                var e = assertThrows(
                        IOException.class, () -> RunFolder.open(out, RunFolderCase.config(8, 1), opening));
                assertEquals("the run at " + out + " is in use by process " + process.pid(), e.getMessage());
            }
        } finally {
            process.destroyForcibly();
            assertTrue(process.waitFor(30, TimeUnit.SECONDS));
        }
        open(out).close();
    }

    /// The system refuses to let a file grow, as a full disk does.
    @Test
    @DisabledOnOs(OS.WINDOWS)
    void aFileThatCannotGrow() throws Exception {
        try (RunFolder run = open(out)) {
            for (int step = 1; step <= 7; step++) {
                run.append(RunFolderCase.metric(step));
            }
            run.save(state(7));
        }
        // In blocks of 512 bytes: less than a state.
        List<String> limited = List.of("sh", "-c", "ulimit -f 40; exec \"$@\"", "sh");
        String output = ChildJvm.run(limited, List.of("-XX:-UsePerfData"), Loop.class, out.toString());
        String failure = "ready\ncannot write " + out.resolve("run/state-000000008.safetensors") + ": ";
        assertTrue(output.startsWith(failure), output);
        assertTrue(output.endsWith("; the run can be continued with --resume from step 7\n"), output);
        try (RunFolder run = open(out)) {
            assertEquals(7, run.latest().orElseThrow().step());
        }
        Path fresh = folder.resolve("fresh");
        output = ChildJvm.run(limited, List.of("-XX:-UsePerfData"), Loop.class, fresh.toString());
        assertTrue(output.endsWith("; no checkpoint was saved yet, so --resume starts again\n"), output);
    }

    /// A disk of its own that really is full; needs the right to mount one.
    @Test
    @DisabledOnOs({OS.WINDOWS, OS.MAC})
    void aFullDisk() throws Exception {
        Path disk = Files.createDirectory(folder.resolve("disk"));
        Assumptions.assumeTrue(
                call("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk.toString()) == 0,
                "not run: a tmpfs cannot be mounted here");
        try {
            Path small = disk.resolve("x");
            try (RunFolder run = open(small)) {
                run.append(RunFolderCase.metric(1));
                run.save(state(1));
                run.append(RunFolderCase.metric(2));
                Files.write(disk.resolve("other"), new byte[1_500_000]);
                var e = assertThrows(CannotWriteException.class, () -> run.save(state(2)));
                assertEquals(
                        "cannot write " + small.resolve("run/state-000000002.safetensors")
                                + ": No space left on device;"
                                + " the run can be continued with --resume from step 1",
                        e.getMessage());
                assertEquals(1, run.latest().orElseThrow().step());
                Files.delete(disk.resolve("other"));
                run.save(state(2));
            }
            // Full to the last page, so that not even a line of the metrics fits.
            try (RunFolder run = open(small)) {
                assertThrows(IOException.class, () -> Files.write(disk.resolve("other"), new byte[5_000_000]));
                var e = assertThrows(CannotWriteException.class, () -> {
                    for (int step = 3; step < 1_000_000; step++) {
                        run.append(RunFolderCase.metric(step));
                    }
                });
                assertEquals(
                        "cannot write " + small.resolve("run/metrics.jsonl") + ": No space left on device;"
                                + " the run can be continued with --resume from step 2",
                        e.getMessage());
            }
            try (RunFolder run = open(small)) {
                assertEquals(List.of(1, 2), run.metrics().stream().map(line -> line.path("step").asInt()).toList());
            }
        } finally {
            assertEquals(0, call("umount", disk.toString()));
        }
    }

    private static int call(String... command) throws IOException, InterruptedException {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            process.getInputStream().readAllBytes();
            return process.waitFor();
        } catch (IOException e) {
            return -1;
        }
    }
}
