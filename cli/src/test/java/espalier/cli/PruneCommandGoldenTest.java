package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import espalier.engine.model.Architecture;
import espalier.engine.model.ModelShape;
import espalier.engine.model.ModelSize;
import espalier.engine.weights.PretrainedConfig;
import espalier.engine.weights.SafetensorsFile;
import espalier.testing.SharedData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What `prune` makes of the small models, for each of its options.
class PruneCommandGoldenTest {
    @TempDir
    private Path folder;

    private Path out(String name) {
        return folder.resolve(name);
    }

    private static ModelSize size(Path model) throws IOException {
        PretrainedConfig config = PretrainedConfig.read(model.resolve("config.json"));
        return ModelSize.of(Architecture.forModelType(config.modelType()), ModelShape.of(config));
    }

    private static long storedElements(Path model) throws IOException {
        try (SafetensorsFile file = SafetensorsFile.open(model.resolve("model.safetensors"))) {
            return file.tensors().stream()
                    .mapToLong(tensor -> file.tensor(tensor.name()).elements())
                    .sum();
        }
    }

    private static void assertRuns(Path model) {
        JsonNode perplexity = Cli.run(
                        "perplexity", "--model", model, "--data", PruneRuns.story(), "--window", 64, "--windows", 2,
                        "--json")
                .json();
        assertTrue(Double.isFinite(perplexity.get("perplexity").doubleValue()), perplexity.toString());
        assertEquals(126, perplexity.get("tokens").intValue());
        JsonNode text = Cli.run(
                        "generate", "--model", model, "--prompt", "Once upon a time", "--max-tokens", 8, "--json")
                .json();
        assertEquals(8, text.get("ids").size());
        assertFalse(text.get("text").textValue().isEmpty());
    }

    @ParameterizedTest
    @CsvSource({
        "stories260k, text/c4_slice.jsonl.gz, 203392, 6, 3, 129",
        "tinystories-656k, text/tinystories_slice.txt.gz, 557696, 6, 3, 288",
        "aidreams-231k, text/c4_slice.jsonl.gz, 181568, 3, 3, 129",
    })
    void everyModelIsPrunedMeasuredAndTalkedWith(
            String name, String data, long parameters, int heads, int kvHeads, int ffn) throws IOException {
        Path source = PruneRuns.model(name);
        Path out = out("out");
        Cli run = Cli.run(
                "prune", "--method", "llm-pruner", "--model", source, "--out", out, "--ratio", 0.25, "--calibration",
                SharedData.data().resolve(data), "--json");
        JsonNode json = run.json();
        assertEquals(size(source).parameters(), json.get("parameters_before").longValue());
        assertEquals(size(source).macs(), json.get("macs_before").longValue());
        assertEquals(parameters, json.get("parameters_after").longValue());
        assertEquals(parameters, size(out).parameters());
        assertEquals(parameters, storedElements(out));
        assertEquals(size(out).macs(), json.get("macs_after").longValue());
        assertEquals(4 * parameters, json.get("bytes").longValue());
        assertEquals(0.25, json.get("ratio").doubleValue());
        assertEquals(
                1 - (double) size(out).prunable() / size(source).prunable(),
                json.get("prunable_removed").doubleValue(),
                1e-15);
        assertEquals(
                1 - (double) parameters / size(source).parameters(), json.get("total_removed").doubleValue(), 1e-15);
        assertTrue(json.get("calibration_loss").doubleValue() > 1, json.toString());
        assertTrue(json.get("masked_difference").doubleValue() <= 1e-5, json.toString());
        assertTrue(json.get("logits_difference").doubleValue() <= 1e-4, json.toString());
        assertEquals(0, json.get("rounding_difference").doubleValue());
        assertTrue(json.get("seconds").doubleValue() > 0);
        assertTrue(json.get("peak_bytes").longValue() > 10_000_000);
        assertEquals("[]", json.get("notices").toString());
        int layers = PruneRuns.layers(source, "ffn").size();
        assertEquals(IntStream.range(0, layers).mapToObj(_ -> heads).toList(), PruneRuns.layers(out, "heads"));
        assertEquals(IntStream.range(0, layers).mapToObj(_ -> kvHeads).toList(), PruneRuns.layers(out, "kv_heads"));
        assertEquals(IntStream.range(0, layers).mapToObj(_ -> ffn).toList(), PruneRuns.layers(out, "ffn"));
        Set<String> files = new TreeSet<>(PruneRuns.names(source));
        files.remove("reference.json");
        files.add("espalier-plan.safetensors");
        assertEquals(files, PruneRuns.names(out));
        assertEquals(Set.of("out"), PruneRuns.names(folder));
        assertRuns(out);
    }

    @ParameterizedTest
    @ValueSource(strings = {"vectorize", "param_first", "param_second", "param_mix", "l1", "l2", "random"})
    void everyImportanceInEveryMode(String importance) throws IOException {
        Object[][] modes = {
            {"--ranking", "local"},
            {"--ranking", "global"},
            {"--mode", "channel"},
            {"--mode", "channel", "--norm", "released"},
            {"--mode", "channel", "--norm", "exact"},
        };
        for (int i = 0; i < modes.length; i++) {
            List<Object> options = new ArrayList<>(List.of(modes[i]));
            options.addAll(List.of("--importance", importance, "--ratio", 0.3, "--json"));
            JsonNode json = PruneRuns.prune(out("x" + i), options.toArray()).json();
            boolean taylor = importance.startsWith("param") || importance.equals("vectorize");
            assertEquals(taylor, json.has("calibration_loss"), json.toString());
            assertEquals(storedElements(out("x" + i)), json.get("parameters_after").longValue());
            assertTrue(json.get("parameters_after").longValue() < 230_000, json.toString());
            assertTrue(json.get("masked_difference").doubleValue() <= 1e-5, json.toString());
        }
        assertEquals(PruneRuns.layers(out("x0"), "ffn"), List.of(120, 120, 120, 120, 120));
        assertEquals(44, PruneRuns.config(out("x2")).get("hidden_size").intValue());
        PruneRuns.assertSameWeights(out("x2"), out("x3"));
        double eps = PruneRuns.config(PruneRuns.small()).get("rms_norm_eps").doubleValue();
        assertEquals(eps, PruneRuns.config(out("x3")).get("rms_norm_eps").doubleValue());
        assertEquals(eps * 64 / 44, PruneRuns.config(out("x4")).get("rms_norm_eps").doubleValue(), 1e-12);
    }

    @Test
    void layersAreDroppedAtTheEnd() throws IOException {
        JsonNode json = PruneRuns.pruneWithoutData(out("x"), "--mode", "layer", "--keep-layers", 2, "--json").json();
        assertEquals(storedElements(out("x")), json.get("parameters_after").longValue());
        assertEquals(2, PruneRuns.config(out("x")).get("num_hidden_layers").intValue());
        assertFalse(json.has("ratio"));
        assertFalse(json.has("calibration_loss"));
        assertRuns(out("x"));
    }

    /// Unequal layers have no plain configuration.
    @Test
    void aGlobalRankingIsDescribedLayerByLayer() throws IOException {
        assertEquals(0, PruneRuns.prune(out("x"), "--ranking", "global", "--ratio", 0.4).exit());
        JsonNode espalier = PruneRuns.config(out("x")).get("espalier");
        List<Integer> widths = PruneRuns.layers(out("x"), "ffn");
        assertTrue(widths.stream().distinct().count() > 1, widths.toString());
        assertEquals(5, espalier.get("layers").size(), espalier.toString());
        for (int layer = 0; layer < 5; layer++) {
            JsonNode described = espalier.get("layers").get(layer);
            assertEquals(widths.get(layer), described.get("ffn").intValue());
            assertEquals(8, described.get("head_dim").intValue());
            assertTrue(described.has("queries_per_kv"), espalier.toString());
        }
        assertRuns(out("x"));
        // What was pruned can be pruned again.
        JsonNode again = PruneRuns.pruneModel(out("x"), out("y"), "--ratio", 0.3, "--json").json();
        assertEquals(size(out("x")).parameters(), again.get("parameters_before").longValue());
        assertTrue(again.get("parameters_after").longValue() < again.get("parameters_before").longValue());
        assertRuns(out("y"));
    }

    @ParameterizedTest
    @CsvSource({"--target-prunable, prunable_removed, 0.3", "--target-total, total_removed, 0.2",
        "--target-total, total_removed, 0.37", "--target-total, total_removed, 0"})
    void theNearestSizeIsReached(String option, String key, double target) {
        JsonNode json = PruneRuns.prune(out("x"), "--importance", "l1", option, target, "--json").json();
        double reached = Math.abs(json.get(key).doubleValue() - target);
        double nearest = 1;
        // Finer than the widths of 172 channels, so that each of them is met.
        for (int step = 0; step < 400; step++) {
            JsonNode plan = Cli.run(
                            "inspect", PruneRuns.small(), "--plan", "--ratio", step / 400.0, "--json")
                    .json();
            String count = key.startsWith("prunable") ? "prunable" : "parameters";
            double removed = 1 - plan.get(count + "_after").doubleValue() / plan.get(count).doubleValue();
            nearest = Math.min(nearest, Math.abs(removed - target));
        }
        assertTrue(reached <= nearest + 1e-12, reached + " is further than " + nearest);
        JsonNode plan = Cli.run(
                        "inspect", PruneRuns.small(), "--plan", "--ratio", json.get("ratio").doubleValue(), "--json")
                .json();
        assertEquals(plan.get("parameters_after"), json.get("parameters_after"));
    }

    @Test
    void globalTargetsAreReachedToAUnit() {
        JsonNode json = PruneRuns.prune(out("x"), "--ranking", "global", "--target-total", 0.25, "--json").json();
        // The largest unit, a key/value group, is 3072 of 260032 parameters; FFN channels have 192.
        assertEquals(0.25, json.get("total_removed").doubleValue(), 192.0 / 260_032);
    }

    @Test
    void scoresAreComputedOnce() throws IOException {
        Path scores = out("scores.safetensors");
        JsonNode first = PruneRuns.prune(out("a"), "--ratio", 0.25, "--scores", scores, "--json").json();
        assertTrue(first.has("calibration_loss"));
        byte[] written = Files.readAllBytes(scores);
        JsonNode second = PruneRuns.prune(out("b"), "--ratio", 0.5, "--scores", scores, "--json").json();
        assertFalse(second.has("calibration_loss"), "computed again");
        assertEquals(0, PruneRuns.prune(out("c"), "--ratio", 0.5).exit());
        PruneRuns.assertSameWeights(out("b"), out("c"));
        assertEquals(
                0, PruneRuns.prune(out("d"), "--ratio", 0.5, "--ranking", "global", "--scores", scores).exit());
        assertEquals(0, PruneRuns.prune(out("e"), "--ratio", 0.5, "--uniform", "--scores", scores).exit());
        assertArrayEquals(written, Files.readAllBytes(scores));
        try (SafetensorsFile file = SafetensorsFile.open(scores)) {
            assertEquals(172, file.tensor("layers.4.ffn").elements());
            assertEquals(4, file.tensor("layers.0.kv_groups").elements());
            assertEquals(10, file.tensors().size());
            assertEquals("param_first", file.metadata().get("importance"));
        }
        Path channels = out("channels.safetensors");
        assertEquals(
                0, PruneRuns.prune(out("f"), "--ratio", 0.5, "--mode", "channel", "--scores", channels).exit());
        try (SafetensorsFile file = SafetensorsFile.open(channels)) {
            assertEquals(64, file.tensor("hidden").elements());
            assertEquals(1, file.tensors().size());
        }
    }

    @Test
    void iterationsEndWhereOneStepDoes() throws IOException {
        JsonNode once = PruneRuns.prune(out("a"), "--ratio", 0.5, "--json").json();
        Cli run = PruneRuns.prune(out("b"), "--ratio", 0.5, "--iterative-steps", 3, "--json");
        JsonNode thrice = run.json();
        assertEquals(once.get("parameters_after"), thrice.get("parameters_after"));
        assertNotEquals(
                -1, Files.mismatch(out("a").resolve("model.safetensors"), out("b").resolve("model.safetensors")));
        assertTrue(thrice.get("masked_difference").doubleValue() <= 1e-5, thrice.toString());
        assertRuns(out("b"));
    }

    @Test
    void aUniformResultIsAPlainFolder() throws IOException {
        JsonNode half = PruneRuns.prune(out("a"), "--ratio", 0.5, "--uniform", "--json").json();
        assertFalse(PruneRuns.config(out("a")).has("espalier"));
        assertEquals(4, PruneRuns.config(out("a")).get("num_attention_heads").intValue());
        assertEquals(86, PruneRuns.config(out("a")).get("intermediate_size").intValue());
        assertEquals("[]", half.get("notices").toString());
        assertRuns(out("a"));
        // 6 heads do not divide 64 channels.
        Cli run = PruneRuns.prune(out("b"), "--ratio", 0.25, "--uniform", "--json");
        JsonNode quarter = run.json();
        assertEquals(8, PruneRuns.config(out("b")).get("num_attention_heads").intValue());
        assertEquals(129, PruneRuns.config(out("b")).get("intermediate_size").intValue());
        assertEquals(1, quarter.get("notices").size(), quarter.toString());
        assertTrue(run.err().contains("warning: " + quarter.get("notices").get(0).textValue()), run.err());
    }

    @Test
    void aRatioThatCutsNoGroupIsSaid() {
        Cli run = PruneRuns.prune(out("a"), "--ratio", 0.2, "--json");
        String notice = run.json().get("notices").get(0).textValue();
        assertTrue(notice.contains("key/value groups") && notice.contains("0.2"), notice);
        assertTrue(run.err().contains("warning: " + notice), run.err());
    }

    @Test
    void widthsAreAligned() {
        assertEquals(0, PruneRuns.prune(out("a"), "--ratio", 0.25, "--align", 32).exit());
        assertEquals(List.of(128, 128, 128, 128, 128), PruneRuns.layers(out("a"), "ffn"));
        assertEquals(
                0, PruneRuns.prune(out("b"), "--ratio", 0.4, "--align", 32, "--ranking", "global").exit());
        for (int width : PruneRuns.layers(out("b"), "ffn")) {
            assertTrue(width % 32 == 0 || width == 172, "width " + width);
        }
    }

    @Test
    void layerRangesAreKeptTo() {
        Cli run = PruneRuns.prune(
                out("a"), "--ratio", 0.25, "--attention-layers", "1:3", "--mlp-layers", "2:5", "--json");
        assertTrue(run.json().get("parameters_after").longValue() > 203_392);
        assertEquals(List.of(8, 6, 6, 8, 8), PruneRuns.layers(out("a"), "heads"));
        assertEquals(List.of(172, 172, 129, 129, 129), PruneRuns.layers(out("a"), "ffn"));
        assertEquals(0, PruneRuns.prune(out("b"), "--ratio", 0.25, "--layers", "1:4", "--mlp-layers", "0:0").exit());
        assertEquals(List.of(8, 6, 6, 6, 8), PruneRuns.layers(out("b"), "heads"));
        assertEquals(List.of(172, 172, 172, 172, 172), PruneRuns.layers(out("b"), "ffn"));
        assertRuns(out("b"));
    }

    @Test
    void theElementTypeIsChosen() throws IOException {
        JsonNode json = PruneRuns.prune(out("a"), "--ratio", 0.25, "--dtype", "bf16", "--json").json();
        assertEquals(2 * 203_392, json.get("bytes").longValue());
        assertEquals("bf16", PruneRuns.inspect(out("a")).get("dtype").textValue());
        assertEquals("bfloat16", PruneRuns.config(out("a")).get("torch_dtype").textValue());
        double rounding = json.get("rounding_difference").doubleValue();
        assertTrue(rounding > 1e-5 && rounding < 0.05, "rounding " + rounding);
        assertRuns(out("a"));
        // Rounded once, the numbers stay as they are.
        JsonNode again = Cli.run(
                        "prune", "--model", out("a"), "--out", out("b"), "--ratio", 0, "--importance", "l1", "--json")
                .json();
        assertEquals(0, again.get("rounding_difference").doubleValue());
        PruneRuns.assertSameWeights(out("a"), out("b"));
        JsonNode half = PruneRuns.prune(out("c"), "--ratio", 0.25, "--dtype", "f16", "--json").json();
        assertTrue(half.get("rounding_difference").doubleValue() < rounding, half.toString());
    }

    @Test
    void equalCommandLinesGiveEqualFiles() throws IOException {
        for (String importance : List.of("param_first", "random")) {
            Object[] options = {"--ratio", 0.4, "--importance", importance, "--seed"};
            int run = 0;
            for (Object[] more : new Object[][] {{1}, {1}, {2}, {1, "--threads", 1}, {1, "--threads", 2}}) {
                List<Object> all = new ArrayList<>(List.of(options));
                all.addAll(List.of(more));
                assertEquals(0, PruneRuns.prune(out(importance + run++), all.toArray()).exit());
            }
            PruneRuns.assertSameWeights(out(importance + 0), out(importance + 1));
            assertNotEquals(
                    -1,
                    Files.mismatch(
                            out(importance + 0).resolve("model.safetensors"),
                            out(importance + 2).resolve("model.safetensors")));
            PruneRuns.assertSameWeights(out(importance + 0), out(importance + 3));
            PruneRuns.assertSameWeights(out(importance + 0), out(importance + 4));
        }
    }

    @Test
    void anExistingResultIsReplacedOnDemand() throws IOException {
        assertEquals(0, PruneRuns.prune(out("a"), "--ratio", 0.25).exit());
        PruneRuns.prune(out("a"), "--ratio", 0.5).refused(out("a") + ": --out exists already; --overwrite replaces it");
        assertEquals(129, PruneRuns.config(out("a")).get("intermediate_size").intValue());
        assertEquals(0, PruneRuns.prune(out("a"), "--ratio", 0.5, "--overwrite").exit());
        assertEquals(86, PruneRuns.config(out("a")).get("intermediate_size").intValue());
        assertEquals(Set.of("a"), PruneRuns.names(folder));
    }

    /// Without grouped queries there is nothing to fold.
    @Test
    void theReleasedFoldIsHarmlessWithoutGroupedQueries() throws IOException {
        Path dreams = PruneRuns.model("aidreams-231k");
        assertEquals(0, PruneRuns.pruneModel(dreams, out("a"), "--ratio", 0.25).exit());
        assertEquals(0, PruneRuns.pruneModel(dreams, out("b"), "--ratio", 0.25, "--released-gqa-fold").exit());
        PruneRuns.assertSameWeights(out("a"), out("b"));
    }

    @Test
    void peopleGetText() {
        Cli run = PruneRuns.prune(out("a"), "--ratio", 0.25);
        assertEquals(0, run.exit(), run.err());
        assertTrue(run.out().startsWith(
                out("a") + ": 260,032 parameters before, 203,392 after (25.00% of prunable, 21.78% of all removed)"));
        assertTrue(run.out().contains("multiply-accumulates 19,609,344 before, 15,253,824 after"), run.out());
        assertTrue(run.out().contains("peak memory"), run.out());
        assertTrue(run.err().contains("cutting, proving and writing " + out("a")), run.err());
    }
}
