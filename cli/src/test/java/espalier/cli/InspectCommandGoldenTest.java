package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.gates.MaskValues;
import espalier.engine.masked.Snapshot;
import espalier.engine.masked.SnapshotFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Site;
import espalier.engine.weights.PretrainedConfig;
import espalier.testing.SharedData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class InspectCommandGoldenTest {
    @TempDir
    private Path folder;

    private static Path shape(String name) {
        return Path.of(System.getProperty("espalier.root"), "docs", "shapes", name);
    }

    /// The counts that methods/llm-pruner.md lists under "Checks", sections 9 and 12.
    @ParameterizedTest
    @CsvSource({
        "llama-7b, 0.25, 4:30, 6738415616, 5422977024, 424.021, 339.603",
        "llama-7b, 0.6, 3:31, 6738415616, 3350188032, 424.021, 206.585",
        "llama-13b, 0.25, 4:38, 13015864320, 10319713280, 824.328, 651.398",
        "llama-3-8b, 0.25, 4:30, 8030261248, 6612586496, 481.473, 390.510",
        "tinyllama-1.1b, 0.25, 4:18, 1100048384, 945907712, 66.606, 56.679",
    })
    void plansOfPublishedSettings(
            String name, double ratio, String layers, long before, long after, double macsBefore, double macsAfter) {
        JsonNode json = Cli.run("inspect", shape(name), "--plan", "--ratio", ratio, "--layers", layers, "--json")
                .json();
        assertEquals(before, json.get("parameters").longValue());
        assertEquals(after, json.get("parameters_after").longValue());
        assertEquals(macsBefore, json.get("macs").longValue() / 1e9, 5e-4);
        assertEquals(macsAfter, json.get("macs_after").longValue() / 1e9, 5e-4);
    }

    @ParameterizedTest
    @CsvSource({"0.2, 5389416396, 339.361", "0.5, 3369207808, 212.578"})
    void plansOfChannelMode(double ratio, long after, double macs) {
        JsonNode json = Cli.run("inspect", shape("llama-7b"), "--plan", "--ratio", ratio, "--mode", "channel", "--json")
                .json();
        assertEquals(after, json.get("parameters_after").longValue());
        assertEquals(macs, json.get("macs_after").longValue() / 1e9, 5e-4);
    }

    @Test
    void plansOfLayerModeAndQwen3() {
        JsonNode layers = Cli.run(
                        "inspect", "--model", shape("qwen3-0.6b"), "--plan", "--mode", "layer", "--keep-layers", 3,
                        "--json")
                .json();
        assertEquals(3, layers.get("layers_after").size());
        assertEquals(28, layers.get("layers").size());
        assertTrue(layers.get("unsupported").get(0).textValue().contains("q_norm"), layers.toString());
    }

    @Test
    void smollm2Shape() {
        JsonNode json = Cli.run(
                        "inspect", shape("smollm2-135m"), "--plan", "--ratio", 0.35, "--layers", "4:26", "--json")
                .json();
        assertEquals(134_515_008, json.get("parameters").longValue());
        assertEquals(107_574_336, json.get("parameters_after").longValue());
    }

    @ParameterizedTest
    @CsvSource({
        "tinystories-656k, 656000, 2, 8, 4, 16, 384",
        "stories260k, 260032, 5, 8, 4, 8, 172",
        "aidreams-231k, 230976, 4, 4, 4, 16, 172",
    })
    void modelsOfTheManifest(String name, long parameters, int layers, int heads, int kvHeads, int headDim, int ffn) {
        JsonNode json = Cli.run("inspect", SharedData.models().resolve(name), "--json").json();
        assertEquals(parameters, json.get("parameters").longValue());
        assertEquals(4 * parameters, json.get("bytes").longValue());
        assertEquals(layers, json.get("layers").size());
        JsonNode layer = json.get("layers").get(0);
        assertEquals(heads, layer.get("heads").intValue());
        assertEquals(kvHeads, layer.get("kv_heads").intValue());
        assertEquals(headDim, layer.get("head_dim").intValue());
        assertEquals(ffn, layer.get("ffn").intValue());
        assertEquals(true, json.at("/tokenizer/adds_begin_token").booleanValue());
        assertEquals(json.get("bytes").longValue(), json.at("/memory/weights").longValue());
    }

    /// L0 masks, check 13, and what a run holds beside the activations.
    @Test
    void plansOfTrainedMasks() {
        JsonNode json = Cli.run("inspect", shape("llama-7b"), "--plan", "--method", "nuteprune", "--sparsity", 0.2,
                        "--json")
                .json();
        assertEquals(5_180_804_301L, json.get("prunable_after").longValue());
        assertEquals(5.443e9, json.get("parameters_after").doubleValue(), 5e5);
        JsonNode memory = json.get("mask_memory");
        long sum = -memory.get("total").longValue();
        for (JsonNode part : memory) {
            sum += part.longValue();
        }
        assertEquals(memory.get("total").longValue(), sum, "the parts add up");
        assertEquals(json.get("bytes"), memory.get("weights"));
        // A layer has 202,375,168 elements of two bytes, a snapshot 4,194,304 and 357,376 of four.
        assertEquals(2 * 202_375_168L, memory.get("live_layer").doubleValue(), 1e5);
        assertEquals(3 * 4 * (4_194_304 + 357_376), memory.get("teacher").doubleValue(), 3e7);
        assertTrue(json.at("/mask_write_memory/cut_layer").longValue() > 0);
        JsonNode alone = Cli.run("inspect", shape("llama-7b"), "--plan", "--method", "compresso", "--sparsity", 0.2,
                        "--lora-rank", 0, "--batch", 8, "--micro-batch", 1, "--max-length", 1024, "--json")
                .json();
        assertFalse(alone.get("mask_memory").has("teacher"));
        assertTrue(alone.at("/mask_memory/total").longValue() < memory.get("total").longValue());
        assertEquals(1024, alone.get("max_length").intValue());
        String text = Cli.run(
                        "inspect", shape("smollm2-135m"), "--plan", "--method", "nuteprune", "--sparsity", 0.3)
                .out();
        assertTrue(text.contains("memory to train masks"), text);
        assertTrue(text.contains("with 4 of 16 sequences of 512 tokens at once"), text);
        assertTrue(text.contains("live layer"), text);
    }

    @Test
    void badPlansOfTrainedMasks() {
        Path tiny = shape("tinyllama-1.1b");
        Cli.run("inspect", tiny, "--method", "nuteprune", "--sparsity", 0.3).refused(
                "--ratio and the options of pruning need --plan (see espalier inspect --help)");
        Cli.run("inspect", tiny, "--plan", "--sparsity", 0.3).refused(
                "the options of pruning by masks need --method (see espalier inspect --help)");
        Cli.run("inspect", tiny, "--plan", "--method", "nuteprune", "--ratio", 0.3).refused(
                "--method excludes --ratio and its options (see espalier inspect --help)");
        Cli.run("inspect", tiny, "--plan", "--method", "llm-pruner").refused("Invalid value for option '--method':"
                + " 'llm-pruner' is not a method that trains masks; there are compresso and nuteprune"
                + " (see espalier inspect --help)");
        Cli.run("inspect", tiny, "--plan", "--method", "compresso").refused("--method compresso needs --sparsity");
        Cli.run("inspect", tiny, "--plan", "--method", "compresso", "--sparsity", 1).refused(
                "target sparsity is 1.0, but these gates reach 0 to 0.997779");
        Cli.run("inspect", tiny, "--plan", "--method", "compresso", "--sparsity", 0.3, "--batch", 0).refused(
                "Invalid value for option '--batch': '0' is out of range, expected an integer >= 1"
                        + " (see espalier inspect --help)");
        Cli.run("inspect", tiny, "--plan", "--method", "compresso", "--sparsity", 0.3, "--max-length", 4096).refused(
                "--max-length is 4096, the model's context 2048");
        Cli.run("inspect", tiny, "--plan", "--method", "compresso", "--sparsity", 0.3, "--lora-rank", -1).refused(
                "Invalid value for option '--lora-rank': '-1' is out of range, expected an integer >= 0"
                        + " (see espalier inspect --help)");
    }

    @Test
    void groupsArePrinted() {
        Path model = SharedData.models().resolve("tinystories-656k");
        Cli text = Cli.run("inspect", model, "--groups");
        assertTrue(text.out().contains("key/value groups  4 units of 16 channels with 2 query heads"), text.out());
        JsonNode json = Cli.run("inspect", model, "--groups", "--json").json();
        String lines = json.get("groups").toString();
        assertTrue(lines.contains("gate_proj rows, up_proj rows, down_proj columns"), lines);
    }

    private static void addSnapshots(Path snapshots, Path model) throws IOException {
        ModelShape shape = ModelShape.of(PretrainedConfig.read(model.resolve("config.json")));
        LoraSettings lora = LoraSettings.of(4, 8, 0, Set.of(Site.Q_PROJ));
        MaskValues masks = new MaskValues(List.of(), List.of(), new float[shape.hidden()]);
        new SnapshotFolder(snapshots, shape, "0123", Optional.of(lora)).add(new Snapshot(
                0, 27, 0.0102, 0.0098, masks, Optional.of(LoraState.initial(shape, lora, 1))));
        new SnapshotFolder(snapshots, shape, "0123", Optional.empty())
                .add(new Snapshot(1, 54, 0.02004, 0.0191, masks, Optional.empty()));
    }

    @ParameterizedTest
    @ValueSource(strings = {"run/snapshots", "run/base/run/snapshots"})
    void snapshotsOfARunAreListed(String where) throws IOException {
        Path model = SharedData.models().resolve("stories260k");
        Path out = Files.createDirectory(folder.resolve("x"));
        for (String name : List.of("config.json", "model.safetensors")) {
            Files.copy(model.resolve(name), out.resolve(name));
        }
        assertFalse(Cli.run("inspect", out, "--json").json().has("snapshots"));
        Path snapshots = out.resolve(where);
        Files.createDirectories(snapshots.getParent());
        addSnapshots(snapshots, model);
        Files.writeString(out.resolve("run/config.json"), "{\"espalier_run\":1}");

        JsonNode ofModel = Cli.run("inspect", out, "--json").json();
        JsonNode ofRun = Cli.run("inspect", out.resolve("run"), "--json").json();
        assertEquals(ofRun.get("snapshots"), ofModel.get("snapshots"));
        assertEquals(260_032, ofModel.get("parameters").longValue());
        assertEquals(2, ofRun.size());
        assertEquals(out.resolve("run").toString(), ofRun.get("run").textValue());
        long bytes = Files.size(snapshots.resolve("snapshot-0000.safetensors"));
        assertEquals(
                "{\"index\":0,\"step\":27,\"expected_sparsity\":0.0102,\"realised_sparsity\":0.0098,"
                        + "\"adapter_rank\":4,\"bytes\":" + bytes + "}",
                ofRun.get("snapshots").get(0).toString());
        assertEquals(2, ofRun.get("snapshots").size());
        assertTrue(ofRun.get("snapshots").get(1).get("adapter_rank").isNull());

        String lines = String.join(System.lineSeparator(),
                "  snapshots             2",
                "  snapshot 0            after 27 steps, sparsity 0.0102 expected, 0.0098 realised, adapters of rank 4",
                "  snapshot 1            after 54 steps, sparsity 0.0200 expected, 0.0191 realised, no adapters",
                "");
        assertEquals(
                out.resolve("run") + ", a run" + System.lineSeparator() + lines,
                Cli.run("inspect", out.resolve("run")).out());
        assertTrue(Cli.run("inspect", out).out().endsWith(lines));

        Cli.run("inspect", out.resolve("run"), "--groups").refused("--plan and --groups need a model, but "
                + out.resolve("run") + " is a run directory (see espalier inspect --help)");
        Files.writeString(snapshots.resolve("snapshot-0002.safetensors"), "half");
        Cli.run("inspect", out.resolve("run")).refused(out.resolve("run").getParent().resolve(where)
                .resolve("snapshot-0002.safetensors") + ": has 4 bytes, expected at least 8: the header's length");
    }

    @Test
    void aRunWithoutSnapshotsHasNone() throws IOException {
        Path run = Files.createDirectories(folder.resolve("x/run"));
        Files.writeString(run.resolve("config.json"), "{\"espalier_run\":1}");
        assertEquals("[]", Cli.run("inspect", run, "--json").json().get("snapshots").toString());
        assertTrue(Cli.run("inspect", run).out().contains("  snapshots             none"));
    }

    @Test
    void badInputIsRefused() throws IOException {
        Path tiny = shape("tinyllama-1.1b");
        Cli.run("inspect").refused("MODEL is missing (see espalier inspect --help)");
        Cli.run("inspect", tiny, "--model", tiny).refused(
                "MODEL and --model exclude each other (see espalier inspect --help)");
        Cli.run("inspect", tiny).refused(tiny + ": has neither model.safetensors nor model.safetensors.index.json");
        Cli.run("inspect", tiny, "--ratio", 0.2).refused(
                "--ratio and the options of pruning need --plan (see espalier inspect --help)");
        Cli.run("inspect", tiny, "--plan", "--layers", "0:4").refused(
                "the options of pruning need --ratio (see espalier inspect --help)");
        Cli.run("inspect", tiny, "--plan", "--ratio", "1.5").refused("ratio must be in [0, 1), got 1.5");
        Cli.run("inspect", tiny, "--plan", "--ratio", "0.5", "--layers", "4:30").refused(
                "--layers 4:30 reaches beyond the model's 22 layers");
        Cli.run("inspect", tiny, "--plan", "--ratio", "0.5", "--layers", "4-30").refused(
                "Invalid value for option '--layers': layer range \"4-30\" is not of the form first:end, e.g. 4:30 for"
                        + " layers 4 to 29 (see espalier inspect --help)");
        Cli.run("inspect", tiny, "--plan", "--mode", "layer", "--keep-layers", 23).refused(
                "--keep-layers must be 1 to 22, the model's layers, got 23");
        Cli.run("inspect", tiny, "--plan", "--ratio", "0.5", "--keep-layers", 3).refused(
                "--keep-layers needs --mode layer");
        Cli.run("inspect", tiny, "--plan", "--ratio", "0.5", "--uniform", "--layers", "0:4").refused(
                "--uniform excludes --layers, --attention-layers and --mlp-layers");
        Path empty = Files.createDirectory(folder.resolve("empty"));
        Cli.run("inspect", empty).refused(empty + ": has no config.json");
        Cli.run("inspect", empty, "--plan").refused(empty.resolve("config.json") + ": no such file or folder");
        Files.writeString(empty.resolve("config.json"), "{\"model_type\":\"gpt2\"}");
        Cli.run("inspect", empty, "--plan").refused(empty.resolve("config.json")
                + ": model_type is gpt2, which is not supported; supported are llama, mistral, qwen2, qwen3");
    }
}
