package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
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

/// `pretrain` of a small model, from the command line to the files.
class PretrainCommandGoldenTest {
    @TempDir
    private Path folder;

    private Path out;
    private Path config;

    @BeforeEach
    void makeConfig() throws IOException {
        out = Files.createDirectory(folder.resolve("results")).resolve("x");
        config = folder.resolve("config.json");
        Files.writeString(config, PruneRuns.config(PruneRuns.small())
                .put("hidden_size", 24)
                .put("intermediate_size", 32)
                .put("num_hidden_layers", 2)
                .put("num_attention_heads", 3)
                .put("num_key_value_heads", 1)
                .toString());
    }

    private Cli pretrain(Object... more) {
        List<Object> fixed = List.of(
                "pretrain", "--config", config, "--tokenizer", PruneRuns.small(), "--data", PruneRuns.story(), "--out",
                out, "--batch", 4, "--micro-batch", 2, "--max-length", 32, "--lr", "1e-2", "--eval-every", 2,
                "--sample-tokens", 5);
        return Cli.run(Stream.concat(fixed.stream(), Stream.of(more)).toArray());
    }

    @Test
    void theFolderIsAModelThatTheOtherCommandsRun() throws IOException {
        JsonNode json = pretrain("--steps", 8, "--json").json();
        assertEquals(8, json.get("steps").intValue());
        double validation = json.get("validation_loss").doubleValue();
        assertTrue(validation < json.get("initial_validation_loss").doubleValue(), json.toString());
        assertEquals(
                Set.of("config.json", "model.safetensors", "run", "tokenizer.json", "tokenizer.model",
                        "tokenizer_config.json"),
                PruneRuns.names(out));
        JsonNode inspected = PruneRuns.inspect(out);
        assertEquals(json.get("trained_parameters"), inspected.get("parameters"));
        assertEquals("bf16", inspected.get("dtype").textValue());
        assertEquals("bfloat16", PruneRuns.config(out).get("torch_dtype").textValue());
        assertEquals(0, Cli.run("generate", "--model", out, "--prompt", "Once", "--max-tokens", 3).exit());
        String perplexity = "perplexity";
        assertTrue(Cli.run(perplexity, "--model", out, "--data", PruneRuns.story(), "--window", 32, "--json")
                        .json().get(perplexity).doubleValue() < 512);
        // Finished: to go on finds nothing to do, and to start is refused.
        assertEquals(json.get("sha256"), pretrain("--steps", 8, "--resume", "--json").json().get("sha256"));
        Files.delete(out.resolve("tokenizer.json"));
        assertEquals(json.get("sha256"), pretrain("--steps", 8, "--resume", "--json").json().get("sha256"));
        assertTrue(Files.exists(out.resolve("tokenizer.json")), "written again");
        pretrain("--steps", 8).refused(out + ": exists already; --overwrite replaces it");
        assertEquals(json.get("sha256"), pretrain("--steps", 8, "--overwrite", "--json").json().get("sha256"));
    }

    @Test
    void samplesAreShownLoggedAndReported() throws IOException {
        Cli run = pretrain("--steps", 6, "--sample-every", 3, "--sample-prompt", "One day <b>");
        for (int step : new int[] {3, 6}) {
            assertTrue(run.err().contains("step " + step + " writes: One day <b>"), run.err());
        }
        String report = Files.readString(out.resolve("run/report.html"));
        assertTrue(report.contains("Pretraining of x") && report.contains("One day &lt;b&gt;"), "escaped");
        assertEquals(
                2,
                Files.readAllLines(out.resolve("run/metrics.jsonl")).stream()
                        .filter(line -> line.contains("\"sample\":\"One day <b>"))
                        .count());
        Cli none = pretrain("--steps", 6, "--overwrite", "--sample-every", 0);
        assertEquals(0, none.exit(), none.err());
        assertFalse(none.err().contains("writes"), none.err());
    }

    @Test
    void otherSettingsAreNamedOnResume() {
        assertEquals(0, pretrain("--steps", 4).exit());
        Cli other = pretrain("--steps", 4, "--resume", "--seed", 7, "--weight-decay", 0);
        assertEquals(Errors.BAD_INPUT, other.exit());
        assertTrue(other.err().contains("initial_seed is 7, was 42"), other.err());
        assertTrue(other.err().contains("optimiser.weight_decay is 0.0, was 0.1"), other.err());
        assertEquals(0, pretrain("--steps", 4, "--resume", "--sample-every", 1).exit(), "samples change no weight");
    }

    @Test
    void anotherModelIsNoContinuation() throws IOException {
        pretrain("--steps", 4);
        Files.writeString(config, PruneRuns.config(PruneRuns.small()).put("num_hidden_layers", 1).toString());
        Cli other = pretrain("--steps", 4, "--resume", "--accept-changes");
        assertTrue(other.err().contains("of the saved state has shape [512, 24], expected [512, 64]"), other.err());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "--steps | 0 | Invalid value for option '--steps': '0' is out of range, expected an integer >= 1 (see "
                + "espalier pretrain --help)",
        "--sample-every | -1 | steps between samples must not be negative, got -1",
        "--sample-tokens | 0 | max-tokens must be positive, got 0",
        "--sample-temperature | -1 | temperature must be finite and not negative, got -1.0",
        "--weight-decay | -1 | Invalid value for option '--weight-decay': '-1' is out of range, expected a number >= 0 "
                + "(see espalier pretrain --help)",
        "--max-length | 1 | Invalid value for option '--max-length': '1' is out of range, expected an integer >= 2 "
                + "(see espalier pretrain --help)",
    })
    void badOptionsAreRefusedAndLeaveNothing(String option, String value, String message) throws IOException {
        Cli.run("pretrain", "--config", config, "--tokenizer", PruneRuns.small(), "--data", PruneRuns.story(), "--out",
                        out, option, value)
                .refused(message);
        assertEquals(Set.of(), PruneRuns.names(out.getParent()));
    }

    @Test
    void badInputIsRefusedAndLeavesNothing() throws IOException {
        Cli little = pretrain("--memory", 1);
        assertTrue(little.err().contains("not enough memory: the run needs"), little.err());
        String good = Files.readString(config);
        Files.writeString(config, good.replace("\"vocab_size\":512", "\"vocab_size\":511"));
        pretrain().refused(config + ": vocab_size is 511, expected at least 512, the tokens of the tokenizer in "
                + PruneRuns.small());
        Files.writeString(config, good.replace("\"model_type\":\"llama\"", "\"model_type\":\"gpt2\""));
        pretrain().refused(config + ": model_type is gpt2, which is not supported; supported are llama, mistral, qwen2,"
                + " qwen3");
        Files.writeString(config, good.replace("\"hidden_act\":\"silu\"", "\"hidden_act\":\"relu\""));
        Cli relu = pretrain();
        assertEquals(Errors.BAD_INPUT, relu.exit());
        assertTrue(relu.err().contains(config + ": this model cannot be run yet: "), relu.err());
        Files.writeString(config, PruneRuns.config(PruneRuns.small()).put("bos_token_id", 2).toString());
        pretrain().refused(config + ": bos_token_id is 2, expected 1, the begin token of the tokenizer in "
                + PruneRuns.small());
        Files.writeString(config, good.replace("\"eos_token_id\":2", "\"eos_token_id\":[0,1]"));
        pretrain().refused(config + ": eos_token_id is [0, 1], expected 2, the end token of the tokenizer in "
                + PruneRuns.small());
        Files.writeString(config, good);
        Path empty = folder.resolve("empty.txt");
        Files.writeString(empty, " \n");
        pretrain("--data", empty).refused(empty + " holds no text");
        Path answers = folder.resolve("answers.jsonl");
        Files.writeString(answers, "{\"instruction\":\"Say a name.\",\"output\":\"Lily\"}\n".repeat(4));
        Cli instructions = Cli.run(
                "pretrain", "--config", config, "--tokenizer", PruneRuns.small(), "--data", answers, "--out", out);
        assertEquals(Errors.BAD_INPUT, instructions.exit());
        assertTrue(instructions.err().contains("--data has 4 rows of instructions, pretrain expects texts"),
                instructions.err());
        assertEquals(Set.of(), PruneRuns.names(out.getParent()));
    }
}
