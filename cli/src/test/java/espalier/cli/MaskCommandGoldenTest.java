package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// `prune` by trained masks on a small model, from the command line to the files.
class MaskCommandGoldenTest {
    @TempDir
    private Path folder;

    private Path model;
    private Path out;
    private Path data;

    /// The small model, with a context that has room for the prompt.
    @BeforeEach
    void makeModelAndData() throws IOException {
        model = PruneRuns.copy(PruneRuns.small(), folder.resolve("model"));
        ObjectNode config = PruneRuns.config(model).put("max_position_embeddings", 1024);
        Files.writeString(model.resolve("config.json"), config.toString());
        out = Files.createDirectory(folder.resolve("results")).resolve("x");
        data = folder.resolve("rows.jsonl");
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < 40; i++) {
            rows.append(i % 4 == 0
                    ? "{\"text\": \"Once upon a time there was a cat number %d. It was happy.\"}%n".formatted(i)
                    : "{\"instruction\": \"Say %d.\", \"input\": \"\", \"output\": \"It is %d and a dog.\"}%n"
                            .formatted(i, i));
        }
        Files.writeString(data, rows);
    }

    private Cli prune(String method, Object... more) {
        return pruneTo(out, method, more);
    }

    private Cli pruneTo(Path target, String method, Object... more) {
        List<Object> fixed = List.of(
                "prune", "--method", method, "--model", model, "--data", data, "--out", target, "--sparsity", 0.3,
                "--steps", 14, "--batch", 4, "--micro-batch", 2, "--max-length", 800, "--threads", 2);
        return Cli.run(Stream.concat(fixed.stream(), Stream.of(more)).toArray());
    }

    private static List<JsonNode> steps(Path run) throws IOException {
        try (Stream<String> lines = Files.lines(run.resolve("metrics.jsonl"))) {
            return lines.map(MaskCommandGoldenTest::parse).filter(line -> line.has("loss")).toList();
        }
    }

    private static JsonNode parse(String line) {
        try {
            return PruneRuns.JSON.readTree(line);
        } catch (IOException e) {
            throw new AssertionError(line, e);
        }
    }

    @ParameterizedTest
    @CsvSource({"nuteprune, ''", "nuteprune, --masks-only", "compresso, --no-recover"})
    void oneRunMakesASmallerModel(String method, String option) throws IOException {
        Object[] more = Stream.of(option, "--eval-data", PruneRuns.story(), "--eval-windows", 2, "--json")
                .filter(word -> !word.equals(""))
                .toArray();
        JsonNode json = prune(method, more).json();
        boolean compresso = method.equals("compresso");
        assertEquals(compresso ? 16 : 14, json.get("steps").intValue(), json.toString());
        assertEquals(method, json.get("method").textValue());
        assertEquals(0.3, json.get("target_sparsity").doubleValue());
        assertEquals(!compresso, json.has("teachers"), "only NutePrune has some");
        assertEquals(List.of("dense", "pruned"), json.get("rows").findValuesAsText("stage"));
        assertEquals(
                List.of(0.0, json.get("prunable_removed").doubleValue()),
                json.get("rows").findValues("prunable_removed").stream().map(JsonNode::doubleValue).toList());
        boolean masksOnly = option.equals("--masks-only");
        assertTrue(steps(out.resolve("run")).stream().allMatch(line -> line.has("learning_rate") != masksOnly));
        long parameters = json.get("parameters_after").longValue();
        assertTrue(parameters <= json.get("parameters_before").longValue());
        assertEquals(parameters, PruneRuns.inspect(out).get("parameters").longValue());
        assertEquals(!masksOnly, Files.exists(out.resolve("adapter")));
        assertPrompt(compresso, out);
        assertTrue(Files.readString(out.resolve("run/report.html")).contains("Pruning of x"));
        assertEquals(0, Cli.run("generate", "--model", out, "--prompt", "Once", "--max-tokens", 3).exit());
        assertEquals(
                compresso ? List.of("adapters", "adapters") : List.of(),
                steps(out.resolve("run")).stream()
                        .map(line -> line.get("stage").textValue())
                        .filter("adapters"::equals)
                        .toList());
        Object[] again = Stream.concat(Stream.of("--resume"), Stream.of(more)).toArray();
        assertEquals(json.get("sha256"), prune(method, again).json().get("sha256"), "nothing is left to do");
        again[0] = "--overwrite";
        assertEquals(json.get("sha256"), prune(method, again).json().get("sha256"), "same seed, same bits");
    }

    private static void assertPrompt(boolean expected, Path carrying) throws IOException {
        assertEquals(
                expected ? "collaborative" : "",
                PruneRuns.config(carrying).at("/espalier/prompt/style").asText(), carrying.toString());
    }

    /// Gates over layers belong to a run: it goes on with those that it began with only.
    @ParameterizedTest
    @CsvSource({"nuteprune, ''", "compresso, --no-recover"})
    void gatesOverLayersBindTheRun(String method, String option) throws IOException {
        Object[] more = Stream.of("--layer-gates-open", "--json", "--layer-gates", "attention-mlp", option)
                .filter(word -> !word.equals(""))
                .toArray();
        JsonNode json = prune(method, more).json();
        assertEquals(json.get("parameters_after"), PruneRuns.inspect(out).get("parameters"));
        JsonNode gates = PruneRuns.JSON.readTree(out.resolve("run/config.json").toFile()).get("gates");
        assertEquals("attention_and_mlp", gates.get("enabling").textValue());
        assertTrue(gates.get("initially_enabled").booleanValue());
        assertTrue(Files.readString(out.resolve("run/report.html")).contains("attention_and_mlp"));
        Object[] again = Stream.concat(Stream.of("--resume"), Stream.of(more)).toArray();
        assertEquals(json.get("sha256"), prune(method, again).json().get("sha256"));
        again[4] = "layer";
        prune(method, again).refused("the run at " + out + " differs from this command: gates.enabling is layer, was"
                + " attention_and_mlp; --accept-changes goes on all the same");
    }

    @Test
    void withoutThePromptNoneIsCarried() throws IOException {
        assertEquals(0, prune("compresso", "--no-prompt", "--no-recover").exit());
        assertPrompt(false, out);
    }

    @ParameterizedTest
    @CsvSource({"nuteprune, --recover-steps=6", "compresso, --adapter-steps=2"})
    void aRecoveryFollowsInTheSameFolder(String method, String option) throws IOException {
        Object[] more = Stream.concat(
                        Stream.of(option, "--eval-data", PruneRuns.story(), "--eval-windows", 2, "--json"),
                        method.equals("nuteprune") ? Stream.of("--recover", data) : Stream.empty())
                .toArray();
        JsonNode json = prune(method, more).json();
        assertEquals(6, json.get("recovery").get("steps").intValue());
        assertEquals(List.of("dense", "pruned", "recovered"), json.get("rows").findValuesAsText("stage"));
        double removed = json.get("prunable_removed").doubleValue();
        assertEquals(
                List.of(0.0, removed, removed),
                json.get("rows").findValues("prunable_removed").stream().map(JsonNode::doubleValue).toList());
        assertEquals(json.get("sha256"), json.get("recovery").get("sha256"));
        assertPrompt(method.equals("compresso"), out);
        assertPrompt(method.equals("compresso"), out.resolve("run/base"));
        assertTrue(PruneRuns.names(out.resolve("run/base")).containsAll(
                Set.of("adapter", "config.json", "model.safetensors", "run", "tokenizer.json")));
        Object[] again = Stream.concat(Stream.of("--resume"), Stream.of(more)).toArray();
        assertEquals(json.get("sha256"), prune(method, again).json().get("sha256"));
        // As after a kill between the two runs.
        Files.delete(out.resolve("run/base-result.json"));
        assertEquals(json.get("sha256"), prune(method, again).json().get("sha256"));
    }

    /// Both trainings of Compresso read the same rows.
    @Test
    void rowsThatAreSkippedAreToldOnceForTheSameData() throws IOException {
        String skipped = "rows have nothing to learn within";
        assertEquals(1, count(skipped, pruneShort(out)));
        assertEquals(2, count(skipped, pruneShort(out.resolveSibling("y"), "--recover-max-length", 25)));
    }

    private Cli pruneShort(Path target, Object... more) {
        List<Object> fixed = List.of(
                "prune", "--method", "compresso", "--model", model, "--data", data, "--out", target, "--sparsity", 0.3,
                "--steps", 3, "--no-prompt", "--max-length", 24);
        return Cli.run(Stream.concat(fixed.stream(), Stream.of(more)).toArray());
    }

    private static int count(String part, Cli run) {
        assertEquals(0, run.exit(), run.err());
        return run.err().split(part, -1).length - 1;
    }

    @Test
    void aRecoveryCannotBeAddedToAFinishedRun() {
        assertEquals(0, prune("nuteprune").exit());
        prune("nuteprune", "--resume", "--recover", data).refused("the run at " + out
                + " was begun without a run in its base, this command is with one; only --overwrite starts again");
        assertFalse(Files.exists(out.resolve("run/base/run")));
    }
}
