package espalier.engine.weights;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// A Hugging Face `config.json`, understood; old and new field names are read alike.
///
/// A field that is absent has the default of its family in transformers; where that default changed between versions
/// the field is required. Pruned checkpoints of this project carry an object `espalier`: with the widths of each layer
/// where these differ, and with a prompt where the model was trained with one ([ModelPrompt]):
///
///     "espalier": {"format": 1, "layers": [{"queries_per_kv": [3, 3], "head_dim": 64, "ffn": 998}, …],
///      "prompt": {…}}
///
/// @param family architecture
/// @param vocabSize rows of the embedding
/// @param hiddenSize width of the residual stream
/// @param heads query heads as the global field has them; see `layers` for what each layer has
/// @param kvHeads key/value heads, likewise
/// @param headDim size of a head, likewise
/// @param intermediateSize feed-forward channels, likewise
/// @param rmsNormEps added to the mean square
/// @param ropeTheta base of the rotary frequencies
/// @param maxPositions longest sequence the model was made for
/// @param tied whether embedding and output head are one matrix
/// @param attentionBias whether q_proj, k_proj and v_proj have biases
/// @param oProjBias whether o_proj has a bias
/// @param mlpBias whether gate_proj, up_proj and down_proj have biases
/// @param bosId begin-of-text token
/// @param eosIds end-of-text tokens
/// @param dtype type of the weights, where the file says it
/// @param layers widths of each decoder layer, one entry a layer
/// @param prompt that the model was trained with, if any
/// @param unsupported why the model cannot be run yet, for users; empty if it can
/// @param raw the file's JSON with all its fields
public record PretrainedConfig(
        ModelFamily family,
        int vocabSize,
        int hiddenSize,
        int heads,
        int kvHeads,
        int headDim,
        int intermediateSize,
        double rmsNormEps,
        double ropeTheta,
        int maxPositions,
        boolean tied,
        boolean attentionBias,
        boolean oProjBias,
        boolean mlpBias,
        OptionalInt bosId,
        List<Integer> eosIds,
        Optional<StoredType> dtype,
        List<LayerShape> layers,
        Optional<ModelPrompt> prompt,
        List<String> unsupported,
        ObjectNode raw) {

    static final String FILE_NAME = "config.json";
    /// Version of the `espalier` object.
    static final int FORMAT = 1;

    private static final int MAX_LAYERS = 4096;
    private static final int MAX_POSITIONS = 1 << 30;

    /// Copies the JSON.
    public PretrainedConfig {
        eosIds = List.copyOf(eosIds);
        layers = List.copyOf(layers);
        unsupported = List.copyOf(unsupported);
        raw = raw.deepCopy();
    }

    /// A copy of the file's JSON.
    @Override
    public ObjectNode raw() {
        return raw.deepCopy();
    }

    /// `model_type`.
    public String modelType() {
        return family.modelType();
    }

    /// @param file shown in messages
    /// @throws CheckpointException if the model cannot be run yet, saying why
    public void requireSupported(String file) {
        if (!unsupported.isEmpty()) {
            throw new CheckpointException(
                    file + ": this model cannot be run yet: " + String.join("; ", unsupported));
        }
    }

    /// Decoder layers.
    public int numLayers() {
        return layers.size();
    }

    /// Reads a file.
    ///
    /// @throws CheckpointException naming file and field if the content is invalid or the architecture unknown
    /// @throws IOException if it cannot be read
    public static PretrainedConfig read(Path configJson) throws IOException {
        return parse(StrictJson.readObject(configJson), configJson.toString());
    }

    /// Understands JSON that is in memory.
    ///
    /// @param file shown in messages
    /// @throws CheckpointException naming file and field if the content is invalid or the architecture unknown
    public static PretrainedConfig parse(ObjectNode json, String file) {
        ConfigFields fields = new ConfigFields(json, file, "");
        ModelFamily family = ModelFamily.of(fields);
        int hidden = fields.integer("hidden_size", 1, LayerShape.MAX_WIDTH);
        int vocab = fields.integer("vocab_size", 1, LayerShape.MAX_WIDTH);
        int numLayers = fields.integer("num_hidden_layers", 1, MAX_LAYERS);
        LayerShape global = globalWidths(fields, hidden);
        Optional<ConfigFields> espalier = fields.object("espalier");
        espalier.ifPresent(object -> object.integer("format", FORMAT, FORMAT));
        List<LayerShape> layers = espalier.filter(object -> object.has("layers"))
                .map(object -> layers(object, numLayers))
                .orElseGet(() -> Collections.nCopies(numLayers, global));
        int maxPositions = family == ModelFamily.LLAMA
                ? fields.integer("max_position_embeddings", 1, MAX_POSITIONS, 2048)
                : fields.integer("max_position_embeddings", 1, MAX_POSITIONS);
        RopeFields rope = RopeFields.read(fields, family);
        boolean attentionBias = fields.flag("attention_bias", false);
        boolean mlpBias = fields.flag("mlp_bias", false);
        OptionalInt bos = fields.has("bos_token_id")
                ? OptionalInt.of(fields.integer("bos_token_id", 0, vocab - 1))
                : OptionalInt.empty();
        return new PretrainedConfig(
                family,
                vocab,
                hidden,
                global.heads(),
                global.kvHeads(),
                global.headDim(),
                global.ffn(),
                fields.positive("rms_norm_eps", 1e-6),
                rope.theta(),
                maxPositions,
                fields.flag("tie_word_embeddings", false),
                family.hasQkvBias(attentionBias),
                family.hasOProjBias(attentionBias),
                family.readsMlpBias() && mlpBias,
                bos,
                fields.integers("eos_token_id", 0, vocab - 1),
                dtype(fields),
                layers,
                espalier.flatMap(object -> object.object("prompt")).map(ModelPrompt::read),
                UnsupportedFeatures.of(fields, family, rope, maxPositions, layers),
                json);
    }

    private static LayerShape globalWidths(ConfigFields fields, int hidden) {
        int heads = fields.integer("num_attention_heads", 1, LayerShape.MAX_HEADS);
        int kvHeads = fields.integer("num_key_value_heads", 1, LayerShape.MAX_HEADS, heads);
        if (heads % kvHeads != 0) {
            throw fields.failure("num_key_value_heads is " + kvHeads + ", expected a divisor of num_attention_heads "
                    + heads);
        }
        if (!fields.has("head_dim") && hidden % heads != 0) {
            throw fields.failure("head_dim is missing and hidden_size " + hidden
                    + " is not a multiple of num_attention_heads " + heads);
        }
        int headDim = fields.integer("head_dim", 1, LayerShape.MAX_HEAD_DIM, hidden / heads);
        int ffn = fields.integer("intermediate_size", 1, LayerShape.MAX_WIDTH);
        try {
            return LayerShape.uniform(heads, kvHeads, headDim, ffn);
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(fields.file() + ": " + e.getMessage(), e);
        }
    }

    private static List<LayerShape> layers(ConfigFields espalier, int numLayers) {
        JsonNode entries = espalier.array("layers");
        if (entries.size() != numLayers) {
            throw espalier.failure("espalier.layers has " + entries.size() + " entries, expected num_hidden_layers "
                    + numLayers);
        }
        List<LayerShape> layers = new ArrayList<>(numLayers);
        for (JsonNode entry : entries) {
            String name = "layers[" + layers.size() + "]";
            ConfigFields layer = espalier.objectAt(entry, name);
            layer.array("queries_per_kv");
            int[] queries = layer.integers("queries_per_kv", 1, LayerShape.MAX_HEADS).stream()
                    .mapToInt(Integer::intValue)
                    .toArray();
            int headDim = layer.integer("head_dim", 2, LayerShape.MAX_HEAD_DIM);
            int ffn = layer.integer("ffn", 0, LayerShape.MAX_WIDTH);
            try {
                layers.add(new LayerShape(queries, headDim, ffn));
            } catch (IllegalArgumentException e) {
                throw new CheckpointException(espalier.file() + ": espalier." + name + ": " + e.getMessage(), e);
            }
        }
        return layers;
    }

    private static Optional<StoredType> dtype(ConfigFields fields) {
        Optional<String> old = fields.optionalText("torch_dtype");
        Optional<String> current = fields.optionalText("dtype");
        if (old.isPresent() && current.isPresent() && !old.equals(current)) {
            throw fields.failure("dtype is " + current.get() + ", but torch_dtype is " + old.get());
        }
        Optional<String> name = current.or(() -> old);
        if (name.isEmpty()) {
            return Optional.empty();
        }
        Optional<StoredType> type = StoredType.ofTorch(name.get());
        if (type.isEmpty()) {
            throw fields.failure((current.isPresent() ? "dtype" : "torch_dtype") + " is " + name.get()
                    + ", expected float64, float32, bfloat16 or float16");
        }
        return type;
    }
}
