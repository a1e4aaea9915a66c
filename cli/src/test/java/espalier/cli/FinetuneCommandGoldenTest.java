package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import espalier.engine.weights.FileHash;
import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// `finetune` and `prune --recover` on a small model, from the command line to the files.
class FinetuneCommandGoldenTest {
    @TempDir
    private Path folder;

    private Path out;
    private Path data;

    @BeforeEach
    void makeData() throws IOException {
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

    private Cli finetune(Object... more) {
        return finetuneTo(out, more);
    }

    private Cli finetuneTo(Path target, Object... more) {
        return finetuneSteps(target, 4, more);
    }

    private Cli finetuneSteps(Path target, int steps, Object... more) {
        List<Object> adapter = Stream.of(more).anyMatch("--init-adapter"::equals)
                ? List.of()
                : List.of("--lora-rank", 2);
        List<Object> fixed = List.of(
                "finetune", "--model", PruneRuns.small(), "--data", data, "--out", target, "--steps", steps, "--batch", 4,
                "--micro-batch", 2, "--max-length", 256, "--lr", "1e-3", "--eval-every", 2);
        return Cli.run(
                Stream.of(fixed.stream(), adapter.stream(), Stream.of(more)).flatMap(word -> word).toArray());
    }

    @Test
    void theDocumentedKeysAndFiles() throws IOException {
        JsonNode json = finetune("--json").json();
        for (String key : List.of(
                "steps", "tokens", "loss", "validation_loss", "seconds", "tokens_per_second", "peak_bytes")) {
            assertTrue(json.get(key).isNumber(), key + " in " + json);
        }
        assertEquals(4, json.get("steps").intValue());
        assertEquals(40, json.get("data_rows").intValue());
        assertEquals(0, json.get("skipped_rows").intValue());
        assertEquals(64, json.get("sha256").textValue().length());
        assertTrue(PruneRuns.names(out).containsAll(
                Set.of("adapter", "config.json", "model.safetensors", "run", "tokenizer.json")));
        assertTrue(Files.readString(out.resolve("run/report.html")).contains("Fine-tuning of x"));
        assertEquals(0, Cli.run("generate", "--model", out, "--prompt", "Once", "--max-tokens", 3).exit());
        // Finished: to go on finds nothing to do, and to start is refused.
        assertEquals(json.get("sha256"), finetune("--resume", "--json").json().get("sha256"));
        finetune().refused(out + ": exists already; --overwrite replaces it");
        assertEquals(
                json.get("sha256"), finetune("--overwrite", "--json").json().get("sha256"), "same seed, same bits");
    }

    @Test
    void otherThreadsAndSettingsAreNamedOnResume() {
        finetune("--threads", 2);
        Cli other = finetune("--resume", "--threads", 1, "--lora-alpha", 8);
        other.refused("the run at " + out + " differs from this command: lora.alpha is 8.0, was 16.0;"
                + " machine.threads is 1, was 2; --accept-changes goes on all the same");
        assertEquals(0, finetune("--resume", "--threads", 1, "--accept-changes").exit());
        assertTrue(Files.exists(out.resolve("run/changes.jsonl")));
    }

    @Test
    void withoutMergeAndWithOtherRanks() throws IOException {
        finetune("--no-merge", "--targets", "q,down_proj", "--rank-of", "down_proj=4");
        assertEquals(Set.of("adapter", "run"), PruneRuns.names(out));
        JsonNode config = PruneRuns.JSON.readTree(out.resolve("adapter/adapter_config.json").toFile());
        assertEquals("[\"q_proj\",\"down_proj\"]", config.get("target_modules").toString());
        assertEquals(4, config.get("rank_pattern").get("model\\.layers\\.0\\.mlp\\.down_proj").intValue());
        Path adapter = out.resolve("adapter");
        Path next = folder.resolve("results/next");
        assertEquals(0, finetuneTo(next, "--init-adapter", adapter).exit());
        Cli both = finetuneTo(folder.resolve("results/both"), "--init-adapter", adapter, "--targets", "q");
        both.refused("--init-adapter brings its own targets, ranks, alphas and dropout: it excludes --targets, --rank-of,"
                + " --alpha-of and --lora-... (see espalier finetune --help)");
    }

    /// Everything in a folder, with its content.
    private static Map<Path, String> content(Path folder) throws IOException {
        Map<Path, String> content = new TreeMap<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                boolean isLock = file.endsWith("run/lock");
                content.put(file, isLock ? "" : FileHash.of(file));
            }
        }
        return content;
    }

    @Test
    void whatIsRefusedLeavesAFinishedRunAsItWas() throws IOException {
        finetune();
        Map<Path, String> before = content(out);
        finetune("--overwrite", "--weight-decay", -1).refused(
                "Invalid value for option '--weight-decay': '-1' is out of range, expected a number >= 0 (see espalier"
                        + " finetune --help)");
        Cli tooLittle = finetune("--overwrite", "--memory", 1);
        assertTrue(tooLittle.err().contains("not enough memory"), tooLittle.err());
        Cli otherRank = finetune("--resume", "--accept-changes", "--rank-of", "q_proj=3");
        assertTrue(otherRank.err().contains("of the saved state has shape [2, 64], expected [3, 64]"), otherRank.err());
        Cli fewer = finetuneSteps(out, 2, "--resume", "--accept-changes");
        fewer.refused("the run has done 4 steps, more than the 2 that are asked for");
        assertEquals(before, content(out));
    }

    @Test
    void aResultThatWasLostIsWrittenAgain() throws IOException {
        String sha256 = finetune("--json").json().get("sha256").textValue();
        Files.delete(out.resolve("model.safetensors"));
        assertEquals(sha256, finetune("--resume", "--json").json().get("sha256").textValue());
        Path model = out.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(model);
        bytes[bytes.length - 1] ^= 1;
        Files.write(model, bytes);
        Cli again = finetune("--resume", "--json");
        assertTrue(again.err().contains("it is written again"), again.err());
        assertEquals(sha256, FileHash.of(model));
    }

    @Test
    void theSameModelAndDataUnderOtherNamesGoOn() throws IOException {
        finetune();
        Path copy = folder.resolve("copied.jsonl");
        Files.copy(data, copy);
        Files.delete(data);
        data = copy;
        assertEquals(0, finetune("--resume").exit());
    }

    @Test
    void aStateOfOtherValidationDataIsNoLongerTheBest() throws IOException {
        finetune();
        Cli longer = finetuneSteps(out, 5, "--resume", "--accept-changes", "--validation-rows", 0, "--json");
        assertEquals(5, longer.json().get("best_step").intValue());
        assertTrue(Files.readString(out.resolve("run/report.html")).contains("went on with other settings"));
    }

    @Test
    void aFolderOfAnotherProgramIsNotReplaced() throws IOException {
        Files.createDirectories(out);
        Files.writeString(out.resolve("config.json"), "{\"name\": \"my app\"}");
        finetune("--overwrite").refused(out + ": is not a run's or a checkpoint folder, so it is not replaced");
        PruneRuns.prune(out, "--ratio", 0.25, "--overwrite").refused(
                out + ": is not a checkpoint folder, so it is not replaced");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "--steps | 0 | '0' is out of range, expected an integer >= 1",
        "--lora-rank | 0 | '0' is out of range, expected an integer >= 1",
        "--lora-dropout | 1 | '1' is out of range, expected a number from 0 to 65535/65536",
        "--lr | -1 | '-1' is out of range, expected a number >= 0",
        "--lr | NaN | 'NaN' is out of range, expected a number >= 0",
        "--batch | 0 | '0' is out of range, expected an integer >= 1",
        "--micro-batch | 0 | '0' is out of range, expected an integer >= 1",
        "--clip | -1 | '-1' is out of range, expected a number >= 0",
        "--eval-every | 0 | '0' is out of range, expected an integer >= 1",
        "--max-length | 1 | '1' is out of range, expected an integer >= 2",
    }, quoteCharacter = '"')
    void valuesOutOfRangeAreRefusedAndLeaveNothing(String option, String value, String message) throws IOException {
        badOptionsAreRefusedAndLeaveNothing(
                option, value,
                "Invalid value for option '%s': %s (see espalier finetune --help)".formatted(option, message));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "--epochs | 2 | --steps and --epochs exclude each other",
        "--rank-of | z=3 | a lora rank is given for z, which is no target of this model",
    })
    void badOptionsAreRefusedAndLeaveNothing(String option, String value, String message) throws IOException {
        Stream<Object> steps = option.equals("--steps") ? Stream.of() : Stream.of("--steps", 4);
        Stream<Object> line =
                Stream.of("finetune", "--model", PruneRuns.small(), "--data", data, "--out", out, option, value);
        Cli.run(Stream.concat(line, steps).toArray()).refused(message);
        assertEquals(Set.of(), PruneRuns.names(out.getParent()));
    }

    @Test
    void badDataIsRefusedWithItsLineAndLeavesNothing() throws IOException {
        Files.writeString(data, "{\"text\": \"good\"}\n{\"instruction\": 3, \"output\": \"x\"}\n");
        finetune().refused(data + ": line 2: field instruction is NUMBER, expected a string");
        Files.delete(data);
        finetune().refused(data + ": no such file or folder");
        assertEquals(Set.of(), PruneRuns.names(out.getParent()));
    }

    @Test
    void aWeightThatIsNotFiniteIsNamed() throws IOException {
        Path model = PruneRuns.copy(PruneRuns.small(), folder.resolve("model"));
        Path file = model.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        buffer.putFloat(bytes.length - Float.BYTES, Float.NaN);
        Files.write(file, bytes);
        Cli run = Cli.run("finetune", "--model", model, "--data", data, "--out", out, "--steps", 2);
        assertEquals(Errors.BAD_INPUT, run.exit(), run.err());
        assertTrue(run.err().contains(file.toString()) && run.err().contains("NaN"), run.err());
        assertFalse(Files.exists(out));
    }

    private Cli recover(Object... more) {
        Object[] all = Stream.concat(
                        Stream.of("--ratio", 0.25, "--recover", data, "--recover-steps", 3, "--recover-batch", 4,
                                "--recover-max-length", 256, "--recover-lora-rank", 2, "--recover-lr", "1e-3"),
                        Stream.of(more))
                .toArray();
        return PruneRuns.prune(out, all);
    }

    @Test
    void pruneRecoversInOneLine() throws IOException {
        JsonNode json =
                recover("--eval-data", PruneRuns.story(), "--eval-window", 32, "--eval-windows", 2, "--json").json();
        List<String> stages = json.get("rows").findValuesAsText("stage");
        assertEquals(List.of("dense", "pruned", "recovered"), stages);
        JsonNode rows = json.get("rows");
        assertEquals(json.get("parameters_before"), rows.get(0).get("parameters"));
        assertEquals(json.get("parameters_after"), rows.get(1).get("parameters"));
        assertEquals(json.get("parameters_after"), rows.get(2).get("parameters"));
        assertTrue(rows.get(2).get("perplexity").doubleValue() != rows.get(1).get("perplexity").doubleValue());
        assertEquals(json.get("sha256"), json.get("recovery").get("sha256"));
        assertEquals(2, json.get("recovery").get("steps").intValue() - 1);
        JsonNode again = recover("--resume", "--json").json();
        assertEquals(json.get("sha256"), again.get("sha256"));
        assertEquals(json.get("masked_difference"), again.get("masked_difference"), "the base is not made again");
        Path base = out.resolve("run/base");
        PruneRuns.assertSameWeights(base, prunedAlone());
        JsonNode adapter = PruneRuns.JSON.readTree(out.resolve("adapter/adapter_config.json").toFile());
        assertEquals(base.toString(), adapter.get("base_model_name_or_path").textValue());
        Cli other = PruneRuns.prune(out, "--ratio", 0.5, "--recover", data, "--recover-steps", 3, "--resume");
        assertTrue(other.err().contains("target is GroupRatio[ratio=0.5], was GroupRatio[ratio=0.25]"), other.err());
    }

    @Test
    void stagesAreMeasuredOnDocumentsAsTheyAreLearnt() throws IOException {
        List<String> documents = List.of("One day a cat saw a bird.", "The bird was\n\nbig. It sang.");
        Path text = folder.resolve("stories.txt");
        Files.writeString(text, String.join("\n<|endoftext|>\n", documents) + "\n<|endoftext|>\n");
        Tokenizer tokenizer = Tokenizer.load(PruneRuns.small());
        int tokens = 0;
        for (String document : documents) {
            // With its begin token, and one for the end token.
            tokens += tokenizer.encode(document, EncodeOptions.WITH_SPECIALS).length + 1;
        }
        JsonNode rows = recover("--eval-data", text, "--eval-documents", "--eval-window", tokens, "--json")
                .json()
                .get("rows");
        assertEquals(tokens - 1, rows.get(0).get("eval_tokens").intValue(), "one window, all of it");
        Cli one = recover("--overwrite", "--eval-data", text, "--eval-documents", "--eval-window", tokens + 1);
        one.refused("%s has %d tokens, the model a context of 512: a window of %d does not fit"
                .formatted(text, tokens, tokens + 1));
        recover("--overwrite", "--eval-data", data, "--eval-documents")
                .refused(data + " has instructions, --eval-documents expects texts");
        recover("--overwrite", "--eval-documents").refused("--eval-... need --eval-data (see espalier prune --help)");
    }

    private Path prunedAlone() {
        Path alone = folder.resolve("results/alone");
        assertEquals(0, PruneRuns.prune(alone, "--ratio", 0.25).exit());
        return alone;
    }

    @Test
    void whatBelongsToARecoveryNeedsOne() throws IOException {
        String help = " (see espalier prune --help)";
        PruneRuns.prune(out, "--ratio", 0.25, "--recover-steps", 3)
                .refused("--eval-data and --recover-... need --recover" + help);
        PruneRuns.prune(out, "--ratio", 0.25, "--resume")
                .refused("--resume needs --recover: pruning alone has no run to go on with" + help);
        Cli noText = recover("--eval-data", folder.resolve("none.txt"));
        noText.refused(folder.resolve("none.txt") + ": no such file or folder");
        String known = "adapters of x_proj are not supported; known: q_proj, k_proj, v_proj, o_proj, gate_proj,"
                + " up_proj, down_proj";
        recover("--recover-targets", "q,x").refused(
                "Invalid value for option '--recover-targets' (NAMES): " + known + help);
        assertEquals(Set.of(), PruneRuns.names(out.getParent()));
        Files.writeString(data, "no json");
        recover().refused(data + ": line 1: not JSON: Unrecognized token 'no': was expecting (JSON String, Number, Array,"
                + " Object or token 'null', 'true' or 'false')");
        assertEquals(Set.of(), PruneRuns.names(out.getParent()));
    }
}
