package espalier.engine.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.train.RunFolder.Opening;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/// A folder for a run, and what tests of it begin with.
abstract class RunFolderCase {
    @TempDir
    Path folder;

    Path out;

    @BeforeEach
    void nameOut() {
        out = folder.resolve("x");
    }

    static RunConfig config(int rank, int saveEvery) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.putObject("lora").put("rank", rank).put("alpha", 16f).putArray("targets").add("q_proj");
        json.putObject("machine").put("backend", "vector").put("lane_bits", rank == 8 ? 256 : 512);
        json.putObject("output").put("save_every", saveEvery);
        return new RunConfig(json, Set.of("output"));
    }

    static RunState state(long step) {
        return new RunState(step, Map.of("tokens", Long.toString(1000 * step), "evaluated_step", "-1"), List.of(
                new RunState.Values("parameter.b", 1, 2, new float[] {step, -0f}),
                new RunState.Values("parameter.a", 2, 1, new float[] {1 / 3f, step})));
    }

    static ObjectNode metric(long step) {
        return JsonNodeFactory.instance.objectNode().put("step", step).put("loss", 1.0 / (step + 1));
    }

    /// Appends the metrics of some steps, and saves a state after the last of them.
    static void done(RunFolder run, long from, long to) throws IOException {
        for (long step = from; step <= to; step++) {
            run.append(metric(step));
        }
        run.save(state(to));
    }

    RunFolder open(Opening opening) throws IOException {
        return RunFolder.open(out, config(8, 10), opening);
    }

    /// A run with metrics up to step 7 and a checkpoint of step 5.
    void unfinished() throws IOException {
        try (RunFolder run = open(Opening.NEW)) {
            done(run, 1, 3);
            done(run, 4, 5);
            run.append(metric(6));
            run.append(metric(7));
        }
    }

    void finished() throws IOException {
        unfinished();
        try (RunFolder run = open(Opening.RESUME)) {
            Files.createDirectory(run.resultFolder());
            Files.writeString(run.resultFolder().resolve("config.json"), "{}");
            Files.writeString(run.resultFolder().resolve("model.safetensors"), "weights");
            run.publish(run.resultFolder());
            run.finish(JsonNodeFactory.instance.objectNode().put("steps", 5));
        }
    }

    static ObjectNode origin(double ratio) {
        return JsonNodeFactory.instance.objectNode().put("ratio", ratio).put("weights", "abc");
    }

    void makeBase(RunFolder run) throws IOException {
        Files.createDirectory(run.baseFolder());
        Files.writeString(run.baseFolder().resolve("config.json"), "{}");
    }

    static Set<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return Set.copyOf(files.map(file -> file.getFileName().toString()).toList());
        }
    }

    void assertRefused(Opening opening, String reason) {
        var e = assertThrows(FileAlreadyExistsException.class, () -> open(opening));
        assertEquals(out + ": " + reason, e.getMessage());
    }

    void assertFresh(Opening opening) throws IOException {
        try (RunFolder run = open(opening)) {
            assertEquals(out.resolve("run"), run.path());
            assertEquals(Set.of("run"), names(out));
            assertEquals(Set.of("lock", "config.json", "metrics.jsonl"), names(run.path()));
            assertTrue(run.latest().isEmpty());
            assertEquals(List.of(), run.metrics());
            assertEquals(List.of(), run.changes());
            assertFalse(run.isFinished());
            assertTrue(run.result().isEmpty());
            assertEquals(config(8, 10).json(), run.config());
        }
    }
}
