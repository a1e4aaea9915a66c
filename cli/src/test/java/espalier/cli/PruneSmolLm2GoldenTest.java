package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import espalier.testing.SharedData;
import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A real model end to end, against what torch made of it: llm-pruner.json beside it.
class PruneSmolLm2GoldenTest {
    private static final double TOLERANCE = 0.005;

    @TempDir
    private Path folder;

    private static JsonNode golden() throws IOException {
        return PruneRuns.JSON.readTree(
                SharedData.models().resolve("smollm2-135m-instruct/llm-pruner.json").toFile());
    }

    @Test
    void prunedByAThird() throws IOException {
        prune(0.35);
    }

    @Tag("slow")
    @ParameterizedTest
    @ValueSource(doubles = {0.25, 0.5})
    void prunedByAQuarterAndAHalf(double ratio) throws IOException {
        prune(ratio);
    }

    private void prune(double ratio) throws IOException {
        Path model = SharedData.smollm2();
        JsonNode golden = golden();
        JsonNode cut = StreamSupport.stream(golden.get("cuts").spliterator(), false)
                .filter(entry -> entry.get("ratio").doubleValue() == ratio)
                .findFirst()
                .orElseThrow();
        Path out = folder.resolve("out");
        JsonNode json = Cli.run(
                        "prune", "--method", "llm-pruner", "--model", model, "--out", out, "--ratio", ratio, "--layers",
                        "4:26", "--importance", "param_first", "--calibration",
                        SharedData.data().resolve("text/c4_slice.jsonl.gz"), "--samples", 10, "--tokens", 64,
                        "--calibration-sampling", "first", "--json")
                .json();
        assertEquals(cut.get("parameters_before"), json.get("parameters_before"));
        assertEquals(cut.get("parameters_after"), json.get("parameters_after"));
        assertClose(golden.get("loss").doubleValue(), json.get("calibration_loss").doubleValue(), 1e-4);
        assertTrue(json.get("masked_difference").doubleValue() <= 1e-5, json.toString());
        for (JsonNode layer : PruneRuns.inspect(out).get("layers")) {
            boolean pruned = layer.get("ffn").intValue() < 1536;
            assertEquals(pruned ? 1536 - cut.get("ffn_cut").intValue() : 1536, layer.get("ffn").intValue());
            assertEquals(pruned ? 3 - cut.get("kv_groups_cut").intValue() : 3, layer.get("kv_heads").intValue());
        }
        JsonNode perplexity = Cli.run(
                        "perplexity", "--model", out, "--data", SharedData.data().resolve("wikitext2/wiki.test.raw.gz"),
                        "--window", 128, "--windows", golden.get("windows_of_128").intValue(), "--json")
                .json();
        assertClose(
                cut.get("perplexity").doubleValue(), perplexity.get("perplexity").doubleValue(), TOLERANCE);
    }

    private static void assertClose(double expected, double actual, double relative) {
        assertEquals(expected, actual, relative * expected);
    }
}
