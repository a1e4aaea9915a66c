package espalier.engine.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import espalier.engine.weights.LayerShape;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;

/// Shapes that tests use: those of `docs/shapes`, and toys.
public final class Shapes {
    private Shapes() {}

    /// The model of `docs/shapes/name`.
    public static ModelShape documented(String name) {
        Path root = Path.of(System.getProperty("espalier.root", ""));
        return read(root.resolve("docs").resolve("shapes").resolve(name));
    }

    /// The model of a Hugging Face folder.
    public static ModelShape read(Path folder) {
        JsonNode config;
        try {
            config = JsonMapper.builder().build().readTree(folder.resolve("config.json").toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        int hidden = config.required("hidden_size").intValue();
        int heads = config.required("num_attention_heads").intValue();
        int headDim = config.path("head_dim").asInt(hidden / heads);
        LayerShape layer = LayerShape.uniform(
                heads,
                config.required("num_key_value_heads").intValue(),
                headDim,
                config.required("intermediate_size").intValue());
        return new ModelShape(
                config.required("vocab_size").intValue(),
                hidden,
                Collections.nCopies(config.required("num_hidden_layers").intValue(), layer),
                config.required("tie_word_embeddings").booleanValue(),
                ModelShape.Biases.NONE,
                config.required("rms_norm_eps").doubleValue(),
                config.required("rope_theta").doubleValue(),
                config.required("max_position_embeddings").intValue());
    }

    /// A toy of 11 vocabulary entries without biases.
    public static ModelShape toy(int hidden, boolean tied, LayerShape... layers) {
        return toy(hidden, tied, ModelShape.Biases.NONE, layers);
    }

    /// A toy of 11 vocabulary entries.
    public static ModelShape toy(int hidden, boolean tied, ModelShape.Biases biases, LayerShape... layers) {
        return new ModelShape(11, hidden, List.of(layers), tied, biases, 1e-5, 10000, 64);
    }
}
