package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.weights.Checkpoint;
import espalier.testing.SharedData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class InitCommandGoldenTest {
    @TempDir
    private Path folder;

    private static Path model() {
        return SharedData.models().resolve("stories260k");
    }

    private Cli init(String out, Object... more) {
        Stream<Object> fixed = Stream.of(
                "init", "--config", model().resolve("config.json"), "--tokenizer", model(), "--out",
                folder.resolve(out));
        return Cli.run(Stream.concat(fixed, Stream.of(more)).toArray());
    }

    private float[] tensor(String out, String name) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(folder.resolve(out))) {
            return checkpoint.get(name).toFloats();
        }
    }

    @ParameterizedTest
    @CsvSource({"bf16, 520064", "f16, 520064", "f32, 1040128"})
    void theResultRuns(String dtype, long bytes) {
        JsonNode json = init("x", "--dtype", dtype, "--json").json();
        assertEquals(260_032, json.get("parameters").longValue());
        JsonNode inspected = Cli.run("inspect", folder.resolve("x"), "--json").json();
        assertEquals(bytes, inspected.get("bytes").longValue());
        assertEquals(dtype, inspected.get("dtype").textValue());
        JsonNode generated = Cli.run(
                        "generate", "--model", folder.resolve("x"), "--prompt", "Once", "--max-tokens", 3, "--json")
                .json();
        assertEquals(3, generated.get("ids").size());
    }

    @Test
    void weightsAreNormalAndNormsAreOne() throws IOException {
        assertEquals(0, init("x", "--dtype", "f32").exit());
        float[] norm = tensor("x", "model.norm.weight");
        float[] ones = new float[norm.length];
        Arrays.fill(ones, 1);
        assertArrayEquals(ones, norm);
        float[] table = tensor("x", "model.embed_tokens.weight");
        double mean = 0;
        double square = 0;
        for (float value : table) {
            mean += value / (double) table.length;
            square += (double) value * value / table.length;
        }
        assertEquals(0, mean, 4 * 0.02 / Math.sqrt(table.length));
        assertEquals(0.02, Math.sqrt(square), 0.0005);
    }

    @Test
    void weightsAreAFunctionOfSeedAndTensor() throws IOException {
        init("a");
        init("b");
        init("c", "--seed", 43);
        String q = "model.layers.0.self_attn.q_proj.weight";
        assertArrayEquals(tensor("a", q), tensor("b", q));
        assertFalse(Arrays.equals(tensor("a", q), tensor("c", q)));
        assertFalse(Arrays.equals(tensor("a", q), tensor("a", q.replace("layers.0", "layers.1"))));
        assertArrayEquals(
                Files.readAllBytes(folder.resolve("a/model.safetensors")),
                Files.readAllBytes(folder.resolve("b/model.safetensors")));
        assertNotEquals(
                -1, Files.mismatch(folder.resolve("a/model.safetensors"), folder.resolve("c/model.safetensors")));
        assertEquals(-1, Files.mismatch(model().resolve("tokenizer.json"), folder.resolve("a/tokenizer.json")));
    }

    @Test
    void anExistingFolderIsKeptUnlessAsked() throws IOException {
        init("x");
        byte[] before = Files.readAllBytes(folder.resolve("x/model.safetensors"));
        init("x", "--seed", 1).refused(folder.resolve("x") + ": --out exists already; --overwrite replaces it");
        assertArrayEquals(before, Files.readAllBytes(folder.resolve("x/model.safetensors")));
        assertEquals(0, init("x", "--seed", 1, "--overwrite").exit());
        assertFalse(Arrays.equals(before, Files.readAllBytes(folder.resolve("x/model.safetensors"))));
    }

    @Test
    void whatIsReadIsNotReplaced() throws IOException {
        init("x");
        Path x = folder.resolve("x");
        Cli.run("init", "--config", x, "--tokenizer", model(), "--out", x, "--overwrite").refused(
                "--out %s is --config itself".formatted(x));
        Cli.run("init", "--config", model(), "--tokenizer", x, "--out", folder, "--overwrite").refused(
                "--out %s holds --tokenizer %s, which would be lost".formatted(folder, x));
    }

    @Test
    void badInputLeavesNothingBehind() throws IOException {
        Path config = folder.resolve("config.json");
        ObjectNode json = (ObjectNode) new ObjectMapper().readTree(model().resolve("config.json").toFile());
        Files.writeString(config, json.deepCopy().put("vocab_size", 500).toString());
        Path out = folder.resolve("x");
        Cli.run("init", "--config", config, "--tokenizer", model(), "--out", out).refused(
                config + ": vocab_size is 500, expected at least 512, the tokens of the tokenizer in " + model());
        Cli.run("init", "--config", folder.resolve("none.json"), "--tokenizer", model(), "--out", out).refused(
                folder.resolve("none.json") + ": no such file or folder");
        Files.writeString(config, json.deepCopy().put("intermediate_size", 0).toString());
        Cli broken = Cli.run("init", "--config", config, "--tokenizer", model(), "--out", out);
        assertEquals(2, broken.exit());
        assertTrue(broken.err().contains("intermediate_size"), broken.err());
        Path noParent = folder.resolve("no/such/x");
        Cli.run("init", "--config", model(), "--tokenizer", model(), "--out", noParent).refused(
                noParent.getParent() + ": no such file or folder");
        json.put("intermediate_size", 1 << 24).put("num_hidden_layers", 4000);
        Files.writeString(config, json.toString());
        Cli large = Cli.run("init", "--config", config, "--tokenizer", model(), "--out", out);
        assertEquals(2, large.exit());
        assertTrue(large.err().matches("(?s)espalier: .*: \\d+ bytes are free, the model needs \\d+\\R"), large.err());
        try (Stream<Path> left = Files.list(folder)) {
            assertEquals(1, left.count(), "only config.json");
        }
    }
}
