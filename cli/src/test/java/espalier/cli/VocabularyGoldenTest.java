package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A tokenizer with more tokens than the model has is bad input wherever a text has one of them.
class VocabularyGoldenTest {
    @TempDir
    private Path folder;

    private Path model;
    private Path out;

    @BeforeEach
    void mixTwoModels() throws IOException {
        model = PruneRuns.copy(PruneRuns.small(), folder.resolve("model"));
        out = folder.resolve("x");
        for (String file : List.of("tokenizer.json", "tokenizer_config.json")) {
            Files.copy(
                    PruneRuns.model("tinystories-656k").resolve(file),
                    model.resolve(file),
                    StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private void assertRefused(Object owner, Object... arguments) {
        Cli run = Cli.run(arguments);
        assertEquals(Errors.BAD_INPUT, run.exit(), run.err());
        String last = run.err().lines().reduce((a, b) -> b).orElse("");
        assertTrue(
                last.matches("espalier: token id \\d+ of " + Pattern.quote(owner.toString())
                        + " is not in the model's vocabulary of 512"),
                last);
        assertFalse(Files.exists(out));
    }

    @Test
    void wherePerplexityIsMeasured() {
        Path data = PruneRuns.story();
        assertRefused(data, "perplexity", "--model", model, "--data", data, "--window", 64);
        assertRefused(data, "perplexity", "--model", model, "--data", data, "--per-paragraph");
    }

    @Test
    void whereScoresAreCalibrated() {
        Path data = PruneRuns.story();
        assertRefused(
                data, "prune", "--model", model, "--out", out, "--ratio", 0.2, "--calibration", data, "--tokens", 32,
                "--samples", 2);
    }

    @Test
    void whereItIsLearntFrom() {
        assertRefused(
                "the data", "finetune", "--model", model, "--out", out, "--data", PruneRuns.story(), "--steps", 2,
                "--max-length", 64);
        assertRefused(
                "the data", "prune", "--method", "nuteprune", "--model", model, "--out", out, "--data",
                PruneRuns.story(), "--sparsity", 0.3, "--steps", 3, "--sparsity-warmup", 1, "--max-length", 64);
    }
}
