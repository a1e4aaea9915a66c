package espalier.engine.weights;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.Architecture;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/// A model of two layers for tests: its configuration, and tensors whose values count up.
final class SmallModel {
    private SmallModel() {}

    /// hidden 8, 4 heads of 2 in 2 groups, ffn 6, vocabulary 10, untied.
    static ObjectNode config() throws IOException {
        return json("""
                {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 10, "hidden_size": 8,
                 "intermediate_size": 6, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                 "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 64, "bos_token_id": 1,
                 "eos_token_id": 2, "torch_dtype": "float32"}""");
    }

    static ObjectNode config(Consumer<ObjectNode> change) throws IOException {
        ObjectNode config = config();
        change.accept(config);
        return config;
    }

    static ObjectNode json(String text) throws IOException {
        return StrictJson.parseObject(text.getBytes(StandardCharsets.UTF_8), "config.json");
    }

    static List<ExpectedTensor> expected(ObjectNode config) {
        return Architecture.expectedTensors(PretrainedConfig.parse(config, "config.json"));
    }

    /// Checks an open model against its own configuration.
    static void verify(Checkpoint model) {
        model.verifyTensors(Architecture.expectedTensors(model.config()));
    }

    static List<TensorToWrite> tensors(ObjectNode config) {
        List<TensorToWrite> tensors = new ArrayList<>();
        for (ExpectedTensor expected : expected(config)) {
            long elements = 1;
            for (long dimension : expected.shape()) {
                elements *= dimension;
            }
            float[] values = new float[Math.toIntExact(elements)];
            for (int i = 0; i < values.length; i++) {
                values[i] = tensors.size() + i / 16f;
            }
            tensors.add(TensorToWrite.ofFloats(expected.name(), StoredType.F32, expected.shape(), values));
        }
        return tensors;
    }

    /// Writes the folder as it is told to, right or wrong.
    static Path write(Path folder, ObjectNode config, List<TensorToWrite> tensors) throws IOException {
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("config.json"), StrictJson.pretty(config));
        SafetensorsWriter.write(folder.resolve("model.safetensors"), Map.of("format", "pt"), tensors);
        return folder;
    }
}
