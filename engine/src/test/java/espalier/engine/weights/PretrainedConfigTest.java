package espalier.engine.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PretrainedConfigTest {
    @Test
    void readsEveryField() throws IOException {
        PretrainedConfig config = parse("{}");
        assertEquals(ModelFamily.LLAMA, config.family());
        assertEquals("llama", config.modelType());
        assertEquals(10, config.vocabSize());
        assertEquals(8, config.hiddenSize());
        assertEquals(4, config.heads());
        assertEquals(2, config.kvHeads());
        assertEquals(2, config.headDim());
        assertEquals(6, config.intermediateSize());
        assertEquals(1e-5, config.rmsNormEps());
        assertEquals(10000, config.ropeTheta());
        assertEquals(64, config.maxPositions());
        assertFalse(config.tied() || config.attentionBias() || config.oProjBias() || config.mlpBias());
        assertEquals(OptionalInt.of(1), config.bosId());
        assertEquals(List.of(2), config.eosIds());
        assertEquals(Optional.of(StoredType.F32), config.dtype());
        LayerShape layer = new LayerShape(new int[] {2, 2}, 2, 6);
        assertEquals(List.of(layer, layer), config.layers());
        assertEquals(2, config.numLayers());
        assertEquals(List.of(), config.unsupported());
        assertEquals(SmallModel.config(), config.raw());
    }

    @Test
    void rawIsACopy() throws IOException {
        ObjectNode json = SmallModel.config();
        PretrainedConfig config = PretrainedConfig.parse(json, "config.json");
        json.put("vocab_size", 3);
        config.raw().put("vocab_size", 4);
        assertEquals(10, config.raw().get("vocab_size").intValue());
    }

    @Test
    void absentFieldsHaveTheirDefaults() throws IOException {
        PretrainedConfig config = parse("{\"num_key_value_heads\": null, \"rms_norm_eps\": null, \"rope_theta\": null,"
                + "\"max_position_embeddings\": null, \"bos_token_id\": null, \"eos_token_id\": null,"
                + "\"torch_dtype\": null, \"head_dim\": null}");
        assertEquals(4, config.kvHeads());
        assertEquals(2, config.headDim());
        assertEquals(1e-6, config.rmsNormEps());
        assertEquals(10000, config.ropeTheta());
        assertEquals(2048, config.maxPositions());
        assertEquals(OptionalInt.empty(), config.bosId());
        assertEquals(List.of(), config.eosIds());
        assertEquals(Optional.empty(), config.dtype());
    }

    @Test
    void readsNewNames() throws IOException {
        PretrainedConfig config = parse("{\"torch_dtype\": null, \"dtype\": \"bfloat16\", \"rope_theta\": null,"
                + "\"rope_parameters\": {\"rope_theta\": 500000.0, \"rope_type\": \"default\"},"
                + "\"eos_token_id\": [2, 3], \"head_dim\": 6}");
        assertEquals(Optional.of(StoredType.BF16), config.dtype());
        assertEquals(500000, config.ropeTheta());
        assertEquals(List.of(2, 3), config.eosIds());
        assertEquals(6, config.headDim());
        assertEquals(List.of(), config.unsupported());
    }

    @ParameterizedTest
    @CsvSource({
        "llama, false, false, false", "llama, true, true, true",
        "mistral, true, false, false",
        "qwen2, false, true, false", "qwen2, true, true, false",
        "qwen3, false, false, false", "qwen3, true, true, true",
    })
    void biases(String modelType, boolean attentionBias, boolean qkv, boolean o) throws IOException {
        PretrainedConfig config = parse("{\"model_type\": \"%s\", \"attention_bias\": %s, \"mlp_bias\": true}"
                .formatted(modelType, attentionBias));
        assertEquals(qkv, config.attentionBias());
        assertEquals(o, config.oProjBias());
        assertEquals(modelType.equals("llama"), config.mlpBias());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}}| rotary positions are scaled (rope_type linear)",
        "{\"rope_scaling\": {\"rope_type\": \"llama3\"}}| rotary positions are scaled (rope_type llama3)",
        "{\"rope_parameters\": {\"rope_theta\": 1e4, \"rope_type\": \"yarn\"}}|"
                + " rotary positions are scaled (rope_type yarn)",
        "{\"partial_rotary_factor\": 0.5}| only a part of each head is rotated (partial_rotary_factor 0.5)",
        "{\"rope_parameters\": {\"rope_theta\": 1e4, \"partial_rotary_factor\": 0.25}}|"
                + " only a part of each head is rotated (partial_rotary_factor 0.25)",
        "{\"hidden_act\": \"gelu\"}| the activation is gelu (hidden_act), only silu is known",
        "{\"attn_logit_softcapping\": 50.0}| logits are capped (attn_logit_softcapping 50.0)",
        "{\"final_logit_softcapping\": 30.0}| logits are capped (final_logit_softcapping 30.0)",
        "{\"model_type\": \"mistral\", \"architectures\": null, \"sliding_window\": 63}|"
                + " attention is limited to a sliding window of 63 positions (sliding_window)",
        "{\"model_type\": \"mistral\", \"architectures\": null, \"max_position_embeddings\": 8192}|"
                + " attention is limited to a sliding window of 4096 positions (sliding_window)",
        "{\"model_type\": \"qwen2\", \"architectures\": null, \"sliding_window\": 16, \"use_sliding_window\": true,"
                + " \"max_window_layers\": 1}|"
                + " attention is limited to a sliding window of 16 positions (sliding_window)",
        "{\"model_type\": \"qwen2\", \"architectures\": null, \"sliding_window\": 16, \"use_sliding_window\": true,"
                + " \"layer_types\": [\"full_attention\", \"sliding_attention\"], \"max_window_layers\": 2}|"
                + " attention is limited to a sliding window of 16 positions (sliding_window)",
        "{\"model_type\": \"qwen3\", \"architectures\": null}| queries and keys are normalised (q_norm, k_norm)",
        "{\"architectures\": [\"LlamaForSequenceClassification\"]}| architectures names"
                + " LlamaForSequenceClassification, which is not the causal language model of llama",
        "{\"quantization_config\": {\"quant_method\": \"gptq\"}}| the weights are quantised (quantization_config)",
        "{\"espalier\": {\"format\": 1, \"layers\": [{\"queries_per_kv\": [1], \"head_dim\": 8, \"ffn\": 8},"
                + " {\"queries_per_kv\": [1], \"head_dim\": 4, \"ffn\": 8}]}}|"
                + " layers have heads of different sizes (head_dim [4, 8])",
        "{\"per_layer_config\": {}}| layers differ in a way that is not read (per_layer_config)",
    })
    void saysWhyAModelCannotRun(String change, String reason) throws IOException {
        assertEquals(List.of(reason), parse(change).unsupported());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{\"rope_scaling\": {\"rope_type\": \"default\"}, \"rope_parameters\": {\"rope_theta\": 10000}}",
        "{\"sliding_window\": 4}",
        "{\"hidden_act\": \"swish\", \"partial_rotary_factor\": 1.0, \"attn_logit_softcapping\": null}",
        "{\"model_type\": \"mistral\", \"architectures\": [\"MistralForCausalLM\"], \"sliding_window\": null,"
                + " \"max_position_embeddings\": 8192}",
        "{\"model_type\": \"mistral\", \"architectures\": null, \"sliding_window\": 64}",
        "{\"model_type\": \"qwen2\", \"architectures\": null, \"sliding_window\": 16, \"use_sliding_window\": false}",
        "{\"model_type\": \"qwen2\", \"architectures\": null, \"sliding_window\": 16, \"use_sliding_window\": true,"
                + " \"max_window_layers\": 2}",
    })
    void runsWhatIsDefaultOrOff(String change) throws IOException {
        assertEquals(List.of(), parse(change).unsupported());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{\"model_type\": \"gemma2\"}| model_type is gemma2, which is not supported; supported are llama, mistral,"
                + " qwen2, qwen3",
        "{\"model_type\": null}| model_type is missing, expected a string",
        "{\"hidden_size\": null}| hidden_size is missing, expected an integer from 1 to 16777216",
        "{\"hidden_size\": 8.0}| hidden_size is 8.0, expected an integer from 1 to 16777216",
        "{\"hidden_size\": \"8\"}| hidden_size is \"8\", expected an integer from 1 to 16777216",
        "{\"hidden_size\": 0}| hidden_size is 0, expected an integer from 1 to 16777216",
        "{\"hidden_size\": 4294967304}| hidden_size is 4294967304, expected an integer from 1 to 16777216",
        "{\"vocab_size\": -1}| vocab_size is -1, expected an integer from 1 to 16777216",
        "{\"num_hidden_layers\": 4097}| num_hidden_layers is 4097, expected an integer from 1 to 4096",
        "{\"num_key_value_heads\": 3}| num_key_value_heads is 3, expected a divisor of num_attention_heads 4",
        "{\"num_key_value_heads\": 8}| num_key_value_heads is 8, expected a divisor of num_attention_heads 4",
        "{\"hidden_size\": 10}| head_dim is missing and hidden_size 10 is not a multiple of num_attention_heads 4",
        "{\"hidden_size\": 12}| head_dim is 3, expected an even number from 2 to 65536",
        "{\"head_dim\": 7}| head_dim is 7, expected an even number from 2 to 65536",
        "{\"num_attention_heads\": 65536, \"head_dim\": 65536}| 65536 heads of head_dim 65536 are wider than 16777216",
        "{\"intermediate_size\": 0}| intermediate_size is 0, expected an integer from 1 to 16777216",
        "{\"rms_norm_eps\": 0}| rms_norm_eps is 0, expected a positive number",
        "{\"rms_norm_eps\": 1e999}| rms_norm_eps is \"Infinity\", expected a positive number",
        "{\"rms_norm_eps\": \"1e-5\"}| rms_norm_eps is \"1e-5\", expected a positive number",
        "{\"rope_theta\": -1.0}| rope_theta is -1.0, expected a positive number",
        "{\"rope_scaling\": \"linear\"}| rope_scaling is \"linear\", expected an object",
        "{\"rope_parameters\": {\"rope_theta\": 5e5}}| rope_parameters.rope_theta is 500000.0, but rope_theta is"
                + " 10000.0",
        "{\"rope_parameters\": {\"rope_type\": \"default\"}, \"rope_theta\": null}|"
                + " rope_theta is missing, expected a positive number",
        "{\"rope_parameters\": {\"rope_theta\": 1e4}, \"rope_scaling\": {\"type\": \"linear\"}}|"
                + " rope_parameters has rope_type default, but rope_scaling has linear",
        "{\"model_type\": \"qwen2\", \"rope_theta\": null}| rope_theta is missing, expected a positive number",
        "{\"model_type\": \"mistral\", \"max_position_embeddings\": null}|"
                + " max_position_embeddings is missing, expected an integer from 1 to 1073741824",
        "{\"tie_word_embeddings\": 1}| tie_word_embeddings is 1, expected true or false",
        "{\"bos_token_id\": 10}| bos_token_id is 10, expected an integer from 0 to 9",
        "{\"eos_token_id\": [2, 10]}| eos_token_id is 10, expected an integer from 0 to 9",
        "{\"eos_token_id\": [[2]]}| eos_token_id is [2], expected an integer from 0 to 9",
        "{\"torch_dtype\": \"int8\"}| torch_dtype is int8, expected float64, float32, bfloat16 or float16",
        "{\"dtype\": \"float16\"}| dtype is float16, but torch_dtype is float32",
        "{\"espalier\": []}| espalier is [], expected an object",
        "{\"espalier\": {\"format\": 2}}| espalier.format is 2, expected an integer from 1 to 1",
        "{\"espalier\": {\"format\": 1, \"layers\": 5}}| espalier.layers is 5, expected an array",
        "{\"espalier\": {\"format\": 1, \"prompt\": 1}}| espalier.prompt is 1, expected an object",
        "{\"espalier\": {\"format\": 1, \"prompt\": {\"style\": 1}}}| espalier.prompt.style is 1, expected a string",
        "{\"espalier\": {\"format\": 1, \"prompt\": {\"style\": \"a\"}}}|"
                + " espalier.prompt.prefix is missing, expected a string",
        "{\"espalier\": {\"format\": 1, \"prompt\": {\"style\": \"a\", \"prefix\": \"b\"}}}|"
                + " espalier.prompt.past_prefix is missing, expected a string",
        "{\"espalier\": {\"format\": 1, \"prompt\": {\"style\": \"A b\", \"prefix\": \"b\", \"past_prefix\": \"c\"}}}|"
                + " espalier.prompt.style is \"A b\", expected 1 to 64 of small letters, digits, _ and -",
        "{\"espalier\": {\"format\": 1, \"prompt\": {\"style\": \"a\", \"prefix\": \"\", \"past_prefix\": \"c\"}}}|"
                + " espalier.prompt.prefix has 0 characters, expected 1 to 65536",
        "{\"espalier\": {\"prompt\": {\"style\": \"a\", \"prefix\": \"b\", \"past_prefix\": \"c\"}}}|"
                + " espalier.format is missing, expected an integer from 1 to 1",
        "{\"espalier\": {\"format\": 1, \"layers\": [{}]}}| espalier.layers has 1 entries, expected num_hidden_layers"
                + " 2",
        "{\"espalier\": {\"format\": 1, \"layers\": [1, 2]}}| espalier.layers[0] is 1, expected an object",
    })
    void refusesInvalidFields(String change, String message) {
        var e = assertThrows(CheckpointException.class, () -> parse(change));
        assertEquals("config.json: " + message, e.getMessage());
    }

    @Test
    void readsWidthsOfEachLayer() throws IOException {
        PretrainedConfig config = parse("{\"espalier\": {\"format\": 1, \"layers\": ["
                + "{\"queries_per_kv\": [3, 1], \"head_dim\": 4, \"ffn\": 5},"
                + "{\"queries_per_kv\": [], \"head_dim\": 2, \"ffn\": 0}]}}");
        assertEquals(
                List.of(new LayerShape(new int[] {3, 1}, 4, 5), new LayerShape(new int[0], 2, 0)), config.layers());
        assertEquals(4, config.layers().get(0).heads());
        assertEquals(2, config.layers().get(0).kvHeads());
        assertEquals(0, config.layers().get(1).heads());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "{\"queries_per_kv\": [0], \"head_dim\": 2, \"ffn\": 1}| queries_per_kv is 0, expected an integer from 1 to"
                + " 65536",
        "{\"queries_per_kv\": 2, \"head_dim\": 2, \"ffn\": 1}| queries_per_kv is 2, expected an array",
        "{\"head_dim\": 2, \"ffn\": 1}| queries_per_kv is missing, expected an array",
        "{\"queries_per_kv\": [1], \"head_dim\": 2, \"ffn\": -1}| ffn is -1, expected an integer from 0 to 16777216",
        "{\"queries_per_kv\": [1], \"head_dim\": 0, \"ffn\": 1}| head_dim is 0, expected an integer from 2 to 65536",
    })
    void refusesInvalidLayers(String layer, String message) {
        String change = "{\"num_hidden_layers\": 1, \"espalier\": {\"format\": 1, \"layers\": [" + layer + "]}}";
        var e = assertThrows(CheckpointException.class, () -> parse(change));
        assertEquals("config.json: espalier.layers[0]." + message, e.getMessage());
    }

    @Test
    void refusesLayersWhoseHeadsDoNotFit() {
        String layers = "{\"num_hidden_layers\": 1, \"espalier\": {\"format\": 1, \"layers\": [%s]}}";
        var e = assertThrows(CheckpointException.class, () -> parse(layers.formatted(
                "{\"queries_per_kv\": [1], \"head_dim\": 3, \"ffn\": 1}")));
        assertEquals(
                "config.json: espalier.layers[0]: head_dim is 3, expected an even number from 2 to 65536",
                e.getMessage());
        e = assertThrows(CheckpointException.class, () -> parse(layers.formatted(
                "{\"queries_per_kv\": [65536, 1], \"head_dim\": 2, \"ffn\": 1}")));
        assertEquals(
                "config.json: espalier.layers[0]: queries_per_kv adds up to 65537, expected at most 65536",
                e.getMessage());
    }

    @Test
    void readsFilesStrictly(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("config.json");
        Files.writeString(file, "{\"model_type\": \"llama\", \"model_type\": \"qwen2\"}");
        assertMessageStarts(file, ": Duplicate field 'model_type'");
        Files.writeString(file, "{\"a\": {\"b\": 1, \"b\": 2}}");
        assertMessageStarts(file, ": Duplicate field 'b'");
        Files.writeString(file, "{\"a\": \"\\ud83d\"}");
        assertMessageStarts(file, " has half a surrogate pair in the text \"\\ud83d\"");
        Files.writeString(file, "\uFEFF{}");
        assertMessageStarts(file, " starts with a byte order mark, expected plain UTF-8");
        Files.write(file, new byte[] {'{', (byte) 0xFF});
        assertMessageStarts(file, " is not UTF-8 at byte 1");
        Files.writeString(file, "[]");
        assertMessageStarts(file, " is not a JSON object");
        Files.writeString(file, "");
        assertMessageStarts(file, " is not a JSON object");
        Files.writeString(file, "{} {}");
        assertMessageStarts(file, " has START_OBJECT after its end");
        Files.writeString(file, "{\"a\":".repeat(200));
        assertMessageStarts(file, ": Document nesting depth (129) exceeds");
        Files.writeString(file, "{}");
        assertMessageStarts(file, ": model_type is missing, expected a string");
    }

    private static void assertMessageStarts(Path file, String start) {
        var e = assertThrows(CheckpointException.class, () -> PretrainedConfig.read(file));
        assertTrue(e.getMessage().startsWith(file + start), e.getMessage());
    }

    /// The small model with some fields replaced.
    private static PretrainedConfig parse(String change) throws IOException {
        ObjectNode config = SmallModel.config();
        config.setAll(SmallModel.json(change));
        return PretrainedConfig.parse(config, "config.json");
    }
}
