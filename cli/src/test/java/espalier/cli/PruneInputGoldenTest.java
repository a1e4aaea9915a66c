package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Bad input to `prune` is refused in one line, and leaves neither a result nor a temporary file behind.
class PruneInputGoldenTest {
    private static final String HELP = " (see espalier prune --help)";

    @TempDir
    private Path folder;

    private Path out;

    @BeforeEach
    void makeAnEmptyFolder() throws IOException {
        out = Files.createDirectory(folder.resolve("results")).resolve("x");
    }

    private void refused(Cli run, String message) throws IOException {
        run.refused(message);
        assertEquals(Set.of(), PruneRuns.names(out.getParent()));
    }

    private void refusedLike(Cli run, String pattern) throws IOException {
        endsLike(run, Errors.BAD_INPUT, pattern);
    }

    private void endsLike(Cli run, int exit, String pattern) throws IOException {
        assertEquals(exit, run.exit(), run.err());
        assertEquals("", run.out());
        String last = run.err().lines().reduce((a, b) -> b).orElse("");
        assertTrue(Pattern.matches("espalier: " + pattern, last), last);
        assertFalse(run.err().contains("\tat "), run.err());
        assertEquals(Set.of(), PruneRuns.names(out.getParent()));
    }

    private Path changedConfig(Consumer<ObjectNode> change) throws IOException {
        Path model = PruneRuns.copy(PruneRuns.small(), folder.resolve("model"));
        ObjectNode config = PruneRuns.config(model);
        change.accept(config);
        Files.writeString(model.resolve("config.json"), config.toString());
        return model;
    }

    @ParameterizedTest
    @CsvSource({
        "--ratio, 1, 'ratio must be in [0, 1), got 1.0'",
        "--ratio, -0.1, 'ratio must be in [0, 1), got -0.1'",
        "--ratio, NaN, 'ratio must be in [0, 1), got NaN'",
        "--ratio, Infinity, 'ratio must be in [0, 1), got Infinity'",
        "--target-total, 1, 'target share of all parameters must be in [0, 1), got 1.0'",
        "--target-prunable, -1, 'target share of prunable parameters must be in [0, 1), got -1.0'",
    })
    void sizesOutOfRange(String option, String value, String message) throws IOException {
        refused(PruneRuns.prune(out, option, value), message);
    }

    @Test
    void exactlyOneSize() throws IOException {
        String message = "exactly one of --ratio, --target-prunable and --target-total is needed" + HELP;
        refused(PruneRuns.prune(out), message);
        refused(PruneRuns.prune(out, "--ratio", 0.2, "--target-total", 0.2), message);
        refused(PruneRuns.prune(out, "--target-prunable", 0.2, "--target-total", 0.2), message);
        refused(
                PruneRuns.pruneWithoutData(out, "--mode", "layer", "--ratio", 0.2),
                "--mode layer takes --keep-layers, not --ratio, --target-prunable or --target-total" + HELP);
    }

    @ParameterizedTest
    @CsvSource({
        "--layers, 0:6, '--layers 0:6 reaches beyond the model''s 5 layers'",
        "--attention-layers, 5:6, '--attention-layers 5:6 reaches beyond the model''s 5 layers'",
        "--mlp-layers, 0:99, '--mlp-layers 0:99 reaches beyond the model''s 5 layers'",
    })
    void layersBeyondTheModel(String option, String value, String message) throws IOException {
        refused(PruneRuns.prune(out, "--ratio", 0.2, option, value), message);
    }

    @ParameterizedTest
    @CsvSource({
        "--layers, 4:2, layer range 4:2 ends before it starts",
        "--layers, 2-4, 'layer range \"2-4\" is not of the form first:end, e.g. 4:30 for layers 4 to 29'",
        "--layers, -1:4, 'layer range \"-1:4\" is not of the form first:end, e.g. 4:30 for layers 4 to 29'",
        "--mlp-layers, '1:', 'layer range \"1:\" is not of the form first:end, e.g. 4:30 for layers 4 to 29'",
        "--importance, l3, 'importance l3 is unknown; allowed: vectorize, param_first, param_second, param_mix, l1, l2,"
                + " random'",
        "--reduction, median, 'reduction median is unknown; allowed: sum, mean, max, prod, first, last, or matrices by"
                + " name (q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, embed_tokens, lm_head, norm)'",
        "--reduction, second, 'reduction second is refused: which matrix the release finds at that position is not"
                + " established; name one instead: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj,"
                + " embed_tokens, lm_head, norm'",
        "--method, magnitude, '''magnitude'' is not a method; there are llm-pruner, nuteprune, compresso'",
        "--mode, head, '''head'' is not a mode; there are block, channel and layer'",
        "--ranking, all, '''all'' is not a ranking; there are local and global'",
        "--norm, none, '''none'' is not a rule for norms; there are released and exact'",
        "--dtype, f8, '''f8'' is not an element type; there are bf16, f16 and f32'",
        "--calibration-sampling, last, '''last'' is not a sampling; there are random and first'",
        "--memory, 10X, '''10X'' is not a number of bytes, e.g. 500M, 1.9G or 6442450944'",
        "--samples, ten, '''ten'' is not an int'",
        "--seed, x, '''x'' is not a long'",
    })
    void valuesThatAnOptionDoesNotTake(String option, String value, String message) throws IOException {
        Cli run = Cli.run("prune", "--model", PruneRuns.small(), "--out", out, "--ratio", 0.2, option + "=" + value);
        refused(run, "Invalid value for option '" + option + "': " + message + HELP);
    }

    @Test
    void optionsThatNeedOrExcludeOthers() throws IOException {
        refused(PruneRuns.prune(out, "--ratio", 0.2, "--keep-layers", 2), "--keep-layers needs --mode layer");
        refused(PruneRuns.prune(out, "--ratio", 0.2, "--norm", "exact"), "--norm needs --mode channel" + HELP);
        refused(
                PruneRuns.prune(out, "--ratio", 0.2, "--uniform", "--layers", "0:2"),
                "--uniform excludes --layers, --attention-layers and --mlp-layers");
        refused(
                PruneRuns.prune(out, "--ratio", 0.2, "--mode", "channel", "--layers", "0:2"),
                "--mode channel excludes --layers, --attention-layers and --mlp-layers");
        refused(
                PruneRuns.prune(out, "--ratio", 0.2, "--uniform", "--ranking", "global"),
                "--ranking global excludes --uniform and the modes channel and layer");
        refused(
                PruneRuns.prune(out, "--mode", "layer"),
                "--mode layer scores nothing: it excludes --scores, --calibration and --iterative-steps" + HELP);
        refused(
                PruneRuns.pruneWithoutData(out, "--mode", "layer"),
                "--keep-layers must be 1 to 5, the model's layers, got 12");
        refused(
                PruneRuns.pruneWithoutData(out, "--mode", "layer", "--keep-layers", 0),
                "--keep-layers must be 1 to 5, the model's layers, got 0");
        refused(
                PruneRuns.prune(out, "--ratio", 0.2, "--iterative-steps", 2, "--scores", out.resolveSibling("s")),
                "--scores excludes several --iterative-steps, at each of which scores are computed anew" + HELP);
        refused(
                PruneRuns.prune(out, "--ratio", 0.2, "--reduction", "o_proj"),
                "reduction o_proj names 0 of the matrices of the FFN channels of layer 0"
                        + " (gate_proj, up_proj, down_proj), not one");
    }

    @ParameterizedTest
    @CsvSource({
        "--samples, 0, 'samples must be positive, got 0'",
        "--tokens, 1, 'tokens of a sample must be at least 2, got 1'",
        "--tokens, 513, '--tokens must be at most 512, the model''s context, got 513'",
        "--iterative-steps, 0, 'iterative steps must be positive, got 0'",
        "--align, 173, '--align is 173, expected at most 172, the FFN channels of layer 0'",
        "--threads, 0, '--threads must be 1 to 1024, got 0'",
        "--threads, 100000, '--threads must be 1 to 1024, got 100000'",
    })
    void numbersOutOfRange(String option, String value, String message) throws IOException {
        Cli run = Cli.run(
                "prune", "--model", PruneRuns.small(), "--out", out, "--ratio", 0.2, "--calibration", PruneRuns.story(),
                option, value);
        refused(run, message);
    }

    @Test
    void anOutputWithoutAName() throws IOException {
        Cli run = Cli.run(
                "prune", "--model", PruneRuns.small(), "--out", "", "--overwrite", "--ratio", 0.2, "--importance", "l1");
        refused(run, "--out is empty, expected the folder to make");
    }

    private Cli calibrated(Path file, Object... more) {
        Object[] fixed = {"--ratio", 0.2, "--calibration", file};
        Object[] all = Arrays.copyOf(fixed, fixed.length + more.length);
        System.arraycopy(more, 0, all, fixed.length, more.length);
        return PruneRuns.pruneWithoutData(out, all);
    }

    @Test
    void calibrationData() throws IOException {
        refused(
                PruneRuns.pruneWithoutData(out, "--ratio", 0.2),
                "--calibration is needed for gradients; l1, l2 and random go without" + HELP);
        Path missing = folder.resolve("none.txt");
        refused(calibrated(missing), missing + ": no such file or folder");
        Path empty = Files.writeString(folder.resolve("empty.txt"), " \n\n");
        refused(calibrated(empty), empty + " holds no text");
        Path texts = Files.createDirectory(folder.resolve("texts"));
        refused(calibrated(texts), texts + " is a folder, expected a text file");
        Path few = Files.writeString(folder.resolve("few.jsonl"), """
                {"text": "A short one."}
                {"text": "%s"}
                {"text": "Another."}
                """.formatted("A long text about a dog and a cat. ".repeat(9)));
        refusedLike(
                calibrated(few, "--samples", 2),
                Pattern.quote(few.toString())
                        + ": 1 of 3 documents have 64 tokens or more, expected at least 2; the longest has \\d+");
        Path noText = Files.writeString(folder.resolve("body.jsonl"), "{\"text\": \"a\"}\n{\"body\": \"b\"}\n");
        refused(calibrated(noText), noText + ": line 2: field text is missing, expected a string");
        Path noJson = Files.writeString(folder.resolve("plain.jsonl"), "Once upon a time\n");
        refusedLike(calibrated(noJson), Pattern.quote(noJson.toString()) + ": line 1: not JSON: .*");
        Path latin = folder.resolve("latin.txt");
        Files.write(latin, "one\ncaf\u00e9\n".getBytes(StandardCharsets.ISO_8859_1));
        refused(calibrated(latin), latin + ": line 2: byte 0xe9 at offset 7 is not UTF-8");
        Path cut = folder.resolve("cut.txt.gz");
        Files.write(cut, new byte[] {31, (byte) 139, 8, 0, 0});
        refusedLike(calibrated(cut), Pattern.quote(cut.toString()) + " is not a complete gzip file: .*");
    }

    @Test
    void aModelThatIsMissingOrBroken() throws IOException {
        Path none = folder.resolve("none");
        refused(PruneRuns.pruneModel(none, out, "--ratio", 0.2), none + ": no such file or folder");
        refused(
                PruneRuns.pruneModel(PruneRuns.story(), out, "--ratio", 0.2), PruneRuns.story() + ": is not a folder");
        Path truncated = PruneRuns.copy(PruneRuns.small(), folder.resolve("truncated"));
        Path weights = truncated.resolve("model.safetensors");
        Files.write(weights, Arrays.copyOf(Files.readAllBytes(weights), 500_000));
        refusedLike(
                PruneRuns.pruneModel(truncated, out, "--ratio", 0.2),
                Pattern.quote(weights.toString())
                        + ": has \\d+ bytes after the header, expected 1040128 as its tensors end there;"
                        + " the file is cut short");
        Files.delete(weights);
        refused(
                PruneRuns.pruneModel(truncated, out, "--ratio", 0.2),
                truncated + ": has neither model.safetensors nor model.safetensors.index.json");
    }

    @Test
    void aConfigurationThatDisagreesWithTheTensors() throws IOException {
        Path model = changedConfig(config -> config.put("intermediate_size", 170));
        refused(
                PruneRuns.pruneModel(model, out, "--ratio", 0.2),
                model.resolve("model.safetensors") + ": tensor model.layers.0.mlp.gate_proj.weight has shape [172, 64],"
                        + " expected [170, 64] (170 feed-forward channels)");
    }

    @Test
    void anUnknownArchitecture() throws IOException {
        Path model = changedConfig(config -> config.put("model_type", "gpt2"));
        refused(
                PruneRuns.pruneModel(model, out, "--ratio", 0.2),
                model.resolve("config.json")
                        + ": model_type is gpt2, which is not supported; supported are llama, mistral, qwen2, qwen3");
    }

    @Test
    void mathematicsThatIsNotImplemented() throws IOException {
        Path scaled = changedConfig(
                config -> config.putObject("rope_scaling").put("rope_type", "llama3").put("factor", 8.0));
        refused(
                PruneRuns.pruneModel(scaled, out, "--ratio", 0.2),
                scaled.resolve("config.json")
                        + ": this model cannot be run yet: rotary positions are scaled (rope_type llama3)");
        ObjectNode qwen = PruneRuns.config(PruneRuns.small());
        qwen.put("model_type", "qwen3");
        Files.writeString(scaled.resolve("config.json"), qwen.toString());
        refusedLike(PruneRuns.pruneModel(scaled, out, "--ratio", 0.2), ".*q_norm.*");
    }

    @Test
    void aWeightThatIsNotANumber() throws IOException {
        Path model = PruneRuns.copy(PruneRuns.small(), folder.resolve("nan"));
        Path weights = model.resolve("model.safetensors");
        String tensor = "model.layers.2.mlp.up_proj.weight";
        byte[] bytes = Files.readAllBytes(weights);
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int header = buffer.getInt(0);
        JsonNode description = PruneRuns.JSON.readTree(bytes, 8, header).get(tensor);
        buffer.putFloat(8 + header + description.get("data_offsets").get(0).intValue() + 4 * 65, Float.NaN);
        Files.write(weights, bytes);
        String message =
                weights + ": tensor " + tensor + " [172, 64] has NaN at flat index 65, expected finite weights";
        refused(PruneRuns.pruneModel(model, out, "--ratio", 0.2), message);
        refused(PruneRuns.pruneModel(model, out, "--ratio", 0.2, "--importance", "random"), message);
        refused(Cli.run("prune", "--model", model, "--out", out, "--mode", "layer", "--keep-layers", 1), message);
    }

    @Test
    void notEnoughMemory() throws IOException {
        refusedLike(
                PruneRuns.prune(out, "--ratio", 0.2, "--memory", "10M"),
                "not enough memory: the run needs [0-9,]+ bytes \\(weights 1,040,128, activations [0-9,]+, temporaries .*,"
                        + " jvm [0-9,]+.*\\), available are 10,485,760");
        refusedLike(
                PruneRuns.pruneWithoutData(out, "--mode", "layer", "--keep-layers", 2, "--memory", "1"),
                "not enough memory: the run needs .*, available are 1");
    }

    @Test
    void anOutputThatIsInTheWay() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "mine");
        PruneRuns.prune(file, "--ratio", 0.2).refused(file + ": --out exists already; --overwrite replaces it");
        PruneRuns.prune(file, "--ratio", 0.2, "--overwrite").refused(
                file + ": is not a checkpoint folder, so it is not replaced");
        assertEquals("mine", Files.readString(file));
        Path other = Files.createDirectory(folder.resolve("other"));
        Files.writeString(other.resolve("thesis.txt"), "mine");
        PruneRuns.prune(other, "--ratio", 0.2).refused(other + ": --out exists already; --overwrite replaces it");
        PruneRuns.prune(other, "--ratio", 0.2, "--overwrite").refused(
                other + ": is not a checkpoint folder, so it is not replaced");
        assertEquals(Set.of("thesis.txt"), PruneRuns.names(other));
        assertEquals(Set.of("file", "other", "results"), PruneRuns.names(folder));
    }

    @Test
    void aRangeOfNoLayersAndAnUnreadableArgument() throws IOException {
        refused(PruneRuns.prune(out, "--ratio", 0.2, "--layers", "2:2"),
                "the layer ranges name no layer, so nothing would be pruned");
        refused(Cli.run("generate", "--model", PruneRuns.small(), "--prompt", "caf\uFFFD\uFFFD"),
                "the argument \"caf\uFFFD\uFFFD\" has characters that Java could not read in this locale; set"
                        + " LC_ALL=C.UTF-8");
    }

    @Test
    void anOutputThatIsOrHoldsWhatIsRead() throws IOException {
        Path model = PruneRuns.copy(PruneRuns.small(), folder.resolve("model"));
        Set<String> files = PruneRuns.names(model);
        PruneRuns.pruneModel(model, model, "--ratio", 0.2).refused(
                "--out " + model + " is --model itself");
        PruneRuns.pruneModel(model, model, "--ratio", 0.2, "--overwrite").refused(
                "--out " + model + " is --model itself");
        Path link = Files.createSymbolicLink(folder.resolve("link"), model);
        PruneRuns.pruneModel(model, link, "--ratio", 0.2, "--overwrite").refused(
                "--out " + link + " is --model itself");
        Path inside = model.resolve("inside");
        PruneRuns.pruneModel(model, inside, "--ratio", 0.2).refused(
                "--out %s lies inside --model %s".formatted(inside, model));
        assertEquals(files, PruneRuns.names(model));
        // A checkpoint with another one inside.
        PruneRuns.copy(PruneRuns.small(), inside);
        PruneRuns.pruneModel(inside, model, "--ratio", 0.2, "--overwrite").refused(
                "--out %s holds --model %s, which would be lost".formatted(model, inside));
        assertEquals(files, PruneRuns.names(inside));
        Path scores = model.resolve("scores.safetensors");
        PruneRuns.prune(model, "--ratio", 0.2, "--overwrite", "--scores", scores).refused(
                "--out %s holds --scores %s, which would be lost".formatted(model, scores));
        Path text = Files.copy(PruneRuns.story(), model.resolve("text.txt"));
        Cli.run(
                        "prune", "--model", PruneRuns.small(), "--out", model, "--ratio", 0.2, "--overwrite",
                        "--calibration", text)
                .refused("--out %s holds --calibration %s, which would be lost".formatted(model, text));
    }

    @Test
    void anOutputWithoutAFolderAroundIt() throws IOException {
        Path lost = folder.resolve("no/such");
        refused(PruneRuns.prune(lost, "--ratio", 0.2), lost + ": the folder around it does not exist");
        assertFalse(Files.exists(lost.getParent()));
    }

    @Test
    void aFolderThatCannotBeWrittenTo() throws IOException {
        Path locked = Files.createDirectory(folder.resolve("locked"));
        Files.setPosixFilePermissions(locked, PosixFilePermissions.fromString("r-xr-xr-x"));
        if (Files.isWritable(locked)) {
            abort("not run: this user, like root, may write to a read-only folder");
        }
        Path target = locked.resolve("x");
        endsLike(
                PruneRuns.prune(target, "--ratio", 0.2),
                Errors.JOB_FAILED,
                "cannot write " + Pattern.quote(target.toString()) + ": .*(denied|AccessDenied).*");
    }

    /// Needs the right to mount something.
    @Test
    @EnabledOnOs(OS.LINUX)
    void aReadOnlyFileSystem() throws Exception {
        Path disk = Files.createDirectory(folder.resolve("disk"));
        assumeTrue(
                call("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", disk.toString()) == 0,
                "not run: a tmpfs cannot be mounted here");
        try {
            Path target = disk.resolve("x");
            String failure = "cannot write " + Pattern.quote(target.toString()) + ": .*Read-only file system.*";
            endsLike(PruneRuns.prune(target, "--ratio", 0.2), Errors.JOB_FAILED, failure);
            Cli masked = Cli.run(
                    "prune", "--method", "nuteprune", "--model", PruneRuns.small(), "--out", target, "--data",
                    PruneRuns.story(), "--sparsity", 0.2);
            endsLike(masked, Errors.JOB_FAILED, failure);
            Cli init = Cli.run(
                    "init", "--config", PruneRuns.small(), "--tokenizer", PruneRuns.small(), "--out", target);
            endsLike(init, Errors.JOB_FAILED, failure);
        } finally {
            assertEquals(0, call("umount", disk.toString()));
        }
    }

    private static int call(String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getInputStream().readAllBytes();
        return process.waitFor();
    }

    @Test
    void scoresThatDoNotFit() throws IOException {
        Path missing = folder.resolve("none/s.safetensors");
        refused(
                PruneRuns.prune(out, "--ratio", 0.2, "--scores", missing),
                missing + ": the folder of --scores does not exist");
        Path text = Files.writeString(folder.resolve("text"), "x");
        refused(
                PruneRuns.prune(out, "--ratio", 0.2, "--scores", text),
                text + ": has 1 bytes, expected at least 8: the header's length");
        assertEquals("x", Files.readString(text));
        Path all = Files.createDirectory(folder.resolve("all"));
        refused(PruneRuns.prune(out, "--ratio", 0.2, "--scores", all), all + ": is not a regular file");

        Path scores = folder.resolve("s.safetensors");
        Path first = folder.resolve("first");
        assertEquals(0, PruneRuns.prune(first, "--ratio", 0.2, "--scores", scores).exit());
        String other = scores + ": scores were computed with other settings: ";
        refused(
                PruneRuns.prune(out, "--ratio", 0.2, "--scores", scores, "--importance", "l1"),
                other + "calibration_ids was " + metadata(scores, "calibration_ids") + ", expected nothing; "
                        + "calibration_sampling was random, expected nothing; importance was param_first, expected l1; "
                        + "reduction was sum, expected mean; samples was 2, expected nothing; "
                        + "seed was 42, expected nothing; tokens was 32, expected nothing");
        refusedLike(
                PruneRuns.prune(out, "--ratio", 0.2, "--scores", scores, "--seed", 1),
                Pattern.quote(other) + "calibration_ids was \\w+, expected \\w+; seed was 42, expected 1");
        refused(
                PruneRuns.prune(out, "--ratio", 0.2, "--scores", scores, "--mode", "channel"),
                other + "units was in layers, expected hidden");
        refused(
                PruneRuns.prune(out, "--ratio", 0.2, "--scores", scores, "--released-gqa-fold"),
                other + "gqa_fold was by_group, expected released");
        // The pruned model has the tokenizer, but not the weights.
        refusedLike(
                PruneRuns.pruneModel(first, out, "--ratio", 0.2, "--scores", scores),
                Pattern.quote(other) + "model was [0-9a-f]+, expected [0-9a-f]+");
        Files.write(scores, new byte[] {0}, StandardOpenOption.APPEND);
        refusedLike(
                PruneRuns.prune(out, "--ratio", 0.2, "--scores", scores),
                Pattern.quote(scores.toString()) + ": has .*");
    }

    private static String metadata(Path safetensors, String key) throws IOException {
        byte[] bytes = Files.readAllBytes(safetensors);
        int header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getInt(0);
        return PruneRuns.JSON.readTree(bytes, 8, header).get("__metadata__").get(key).textValue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"--model", "--out"})
    void whatIsRequired(String option) throws IOException {
        Cli run = option.equals("--out")
                ? Cli.run("prune", "--model", PruneRuns.small(), "--ratio", 0.2)
                : Cli.run("prune", "--out", out, "--ratio", 0.2);
        refused(run, "Missing required option: '" + option + "=FOLDER'" + HELP);
    }
}
