package espalier.engine.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Damaged files are read or refused with a message that names them; nothing else may happen.
class HostileFilesTest {
    private static final int ROUNDS = 5_000;
    private static final String ALPHABET = "{}[]\",:0123456789-.eE\\u \n\0adtyF3nullt\u00e9";

    @TempDir
    Path folder;

    @Test
    void damagedHeaders() throws IOException {
        Path file = folder.resolve("m.safetensors");
        SafetensorsWriter.write(file, Map.of("format", "pt", "é", "😀"), List.of(
                TensorToWrite.ofFloats("a", StoredType.F32, new long[] {2, 3}, new float[6]),
                TensorToWrite.ofFloats("b", StoredType.BF16, new long[] {4}, new float[4]),
                TensorToWrite.ofFloats("c", StoredType.F16, new long[0], new float[1])));
        byte[] whole = Files.readAllBytes(file);
        int headerEnd = 8 + (whole[0] & 0xFF) + (whole[1] & 0xFF) * 256;
        SplittableRandom random = new SplittableRandom(7);
        int accepted = 0;
        for (int round = 0; round < ROUNDS; round++) {
            Files.write(file, damage(whole, headerEnd, random));
            try (SafetensorsFile open = SafetensorsFile.open(file)) {
                accepted++;
                long bytes = 0;
                for (TensorInfo tensor : open.tensors()) {
                    assertEquals(tensor.bytes(), open.tensor(tensor.name()).data().byteSize());
                    bytes += tensor.bytes();
                }
                assertTrue(bytes <= whole.length);
            } catch (CheckpointException e) {
                assertTrue(e.getMessage().startsWith(file + ":"), e.getMessage());
            }
        }
        // Some damage only renames a tensor; if none were accepted the test would prove little.
        assertTrue(accepted > ROUNDS / 100 && accepted < ROUNDS / 2, "accepted " + accepted);
    }

    @Test
    void damagedConfigurations() throws IOException {
        byte[] whole = SmallModel.config(c -> {
                    c.putObject("rope_parameters").put("rope_theta", 10000.0).put("rope_type", "default");
                    ObjectNode espalier = c.putObject("espalier").put("format", 1);
                    espalier.putObject("prompt").put("style", "a").put("prefix", "b").put("past_prefix", "c");
                    var layers = espalier.putArray("layers");
                    for (int layer = 0; layer < 2; layer++) {
                        layers.addObject().put("head_dim", 2).put("ffn", 3).putArray("queries_per_kv").add(1).add(2);
                    }
                })
                .toString()
                .getBytes(StandardCharsets.UTF_8);
        Path file = folder.resolve("config.json");
        SplittableRandom random = new SplittableRandom(8);
        int accepted = 0;
        for (int round = 0; round < ROUNDS; round++) {
            Files.write(file, damage(whole, whole.length, random));
            try {
                PretrainedConfig config = PretrainedConfig.read(file);
                assertEquals(config.numLayers(), config.layers().size());
                accepted++;
            } catch (CheckpointException e) {
                assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
            }
        }
        assertTrue(accepted > ROUNDS / 100 && accepted < ROUNDS * 3 / 4, "accepted " + accepted);
    }

    @Test
    void everyFieldOfEveryKind() throws IOException {
        List<String> values = List.of("null", "true", "0", "-1", "1", "3", "2147483648", "1e400", "1.5", "\"x\"", "[]",
                "[1]", "[null]", "[[]]", "{}", "{\"a\":1}", "99999999999999999999999999");
        List<String> fields = List.of("architectures", "model_type", "vocab_size", "hidden_size", "intermediate_size",
                "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "hidden_act",
                "rms_norm_eps", "max_position_embeddings", "tie_word_embeddings", "bos_token_id", "eos_token_id",
                "attention_bias", "mlp_bias", "torch_dtype", "dtype", "rope_theta", "rope_scaling", "rope_parameters",
                "sliding_window", "use_sliding_window", "max_window_layers", "layer_types", "partial_rotary_factor",
                "quantization_config", "espalier");
        for (String family : List.of("llama", "mistral", "qwen2", "qwen3")) {
            for (String field : fields) {
                for (String value : values) {
                    ObjectNode config = SmallModel.config(c -> c.put("model_type", family));
                    config.put("use_sliding_window", true);
                    config.setAll(SmallModel.json("{\"" + field + "\": " + value + "}"));
                    try {
                        PretrainedConfig.parse(config, "config.json");
                    } catch (CheckpointException e) {
                        assertTrue(e.getMessage().startsWith("config.json: "), e.getMessage());
                    } catch (RuntimeException e) {
                        fail(family + " " + field + " " + value, e);
                    }
                }
            }
        }
    }

    /// One to three bytes replaced, removed or inserted, or a part repeated.
    private static byte[] damage(byte[] whole, int end, SplittableRandom random) {
        StringBuilder text = new StringBuilder(new String(whole, StandardCharsets.ISO_8859_1));
        for (int i = random.nextInt(1, 4); i > 0; i--) {
            int at = random.nextInt(Math.min(end, text.length()));
            char c = random.nextInt(8) == 0
                    ? (char) random.nextInt(256)
                    : ALPHABET.charAt(random.nextInt(ALPHABET.length()));
            switch (random.nextInt(8)) {
                case 0 -> text.deleteCharAt(at);
                case 1 -> text.insert(at, c);
                case 2 -> text.insert(at, text.substring(at, Math.min(text.length(), at + random.nextInt(80))));
                default -> text.setCharAt(at, c);
            }
        }
        return text.toString().getBytes(StandardCharsets.ISO_8859_1);
    }
}
