package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import espalier.testing.SharedData;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// nuteprune.md, check 14: a model of two layers, distilled from itself at a sparsity of 0.3, predicts held-out text
/// better than the same model pruned to that size by magnitude; with the whole model as only teacher, too.
class MaskQualityGoldenTest {
    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource({"numerous, 2", "intact, 0"})
    void distillationBeatsMagnitude(String teacher, int leastTeachers) {
        Path model = PruneRuns.model("tinystories-656k");
        Path distilled = folder.resolve("distilled");
        JsonNode json = Cli.run(
                        "prune", "--method", "nuteprune", "--model", model, "--out", distilled, "--sparsity", 0.3,
                        "--data", SharedData.data().resolve("text/tinystories_slice.txt.gz"), "--steps", 300, "--batch",
                        4, "--max-length", 64, "--teacher", teacher, "--threads", 2, "--json")
                .json();
        double removed = json.get("prunable_removed").doubleValue();
        assertTrue(removed > 0.2, "removed: " + removed);
        assertEquals(removed, json.get("sparsity").get("realised").doubleValue(), 1e-9);
        assertTrue(json.get("teachers").intValue() >= leastTeachers, json.toString());
        Path byMagnitude = folder.resolve("magnitude");
        JsonNode other = Cli.run(
                        "prune", "--model", model, "--out", byMagnitude, "--importance", "l2", "--target-prunable",
                        removed, "--json")
                .json();
        assertEquals(
                json.get("parameters_after").doubleValue(),
                other.get("parameters_after").doubleValue(),
                0.02 * json.get("parameters_before").doubleValue());
        double distilledLoss = loss(distilled);
        double magnitudeLoss = loss(byMagnitude);
        // 4.4 and 6.4 nats were seen.
        assertTrue(
                distilledLoss + 1 < magnitudeLoss,
                "distilled %s, by magnitude %s".formatted(distilledLoss, magnitudeLoss));
    }

    /// In nats a token, of a story that nothing was learnt from.
    private static double loss(Path model) {
        return Math.log(Cli.run("perplexity", "--model", model, "--data", PruneRuns.story(), "--window", 64, "--json")
                .json()
                .get("perplexity")
                .doubleValue());
    }
}
