package espalier.engine.weights;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Sizes of a model made from another one, and the `config.json` that says so.
///
/// @param layers widths of each layer, at least one layer
/// @param hiddenSize width of the residual stream
/// @param vocabSize rows of the embedding
/// @param rmsNormEps added to the mean square
/// @param dtype type of the weights that will be written
/// @param prompt that the model was trained with, if any
public record PrunedConfig(
        List<LayerShape> layers,
        int hiddenSize,
        int vocabSize,
        double rmsNormEps,
        StoredType dtype,
        Optional<ModelPrompt> prompt) {
    /// @throws IllegalArgumentException if there is no layer
    public PrunedConfig {
        layers = List.copyOf(layers);
        if (layers.isEmpty()) {
            throw new IllegalArgumentException("a model has at least one layer");
        }
    }

    /// The source's JSON with the new sizes and prompt; fields that are not understood stay.
    ///
    /// If all layers are alike, and each key/value head serves the same number of query heads, the result is a plain
    /// configuration of the source's architecture. Otherwise the object `espalier` lists each layer, and the global
    /// fields hold the largest values of any layer: key/value heads, query heads for each of them, head size, channels.
    /// Old and new names (`torch_dtype` and `dtype`; `rope_theta`, `rope_scaling` and `rope_parameters`) agree.
    ///
    /// @throws CheckpointException if the source lists a kind for each layer, the kinds differ, and the number of
    ///     layers changed; or if the result would not be a valid configuration
    public ObjectNode toJson(PretrainedConfig source) {
        ObjectNode json = source.raw();
        int kvHeads = Math.max(1, layers.stream().mapToInt(LayerShape::kvHeads).max().orElseThrow());
        int queriesPerKv = Math.max(1, layers.stream().mapToInt(LayerShape::maxQueriesPerKv).max().orElseThrow());
        int headDim = layers.stream().mapToInt(LayerShape::headDim).max().orElseThrow();
        int ffn = Math.max(1, layers.stream().mapToInt(LayerShape::ffn).max().orElseThrow());
        json.put("num_hidden_layers", layers.size());
        json.put("hidden_size", hiddenSize);
        json.put("vocab_size", vocabSize);
        json.put("rms_norm_eps", rmsNormEps);
        json.put("num_attention_heads", kvHeads * queriesPerKv);
        json.put("num_key_value_heads", kvHeads);
        json.put("head_dim", headDim);
        json.put("intermediate_size", ffn);
        json.put("torch_dtype", dtype.torchName());
        json.put("dtype", dtype.torchName());
        putRope(json, source.ropeTheta());
        resizeLayerTypes(json);
        LayerShape uniform = LayerShape.uniform(kvHeads * queriesPerKv, kvHeads, headDim, ffn);
        putOwn(json, layers.stream().allMatch(uniform::equals), source.prompt());
        PretrainedConfig.parse(json, "the pruned " + PretrainedConfig.FILE_NAME);
        return json;
    }

    /// What only this project understands; without need of it there is no such object.
    private void putOwn(ObjectNode json, boolean uniform, Optional<ModelPrompt> sourcePrompt) {
        ObjectNode espalier = StrictJson.newObject().put("format", PretrainedConfig.FORMAT);
        objectAt(json, "espalier").ifPresent(espalier::setAll);
        json.remove("espalier");
        espalier.remove("layers");
        if (!uniform) {
            putLayers(espalier);
        }
        if (!prompt.equals(sourcePrompt)) {
            espalier.remove("prompt");
            prompt.ifPresent(other -> espalier.set("prompt", other.toJson()));
        }
        if (espalier.size() > 1) {
            json.set("espalier", espalier);
        }
    }

    private void putLayers(ObjectNode espalier) {
        ArrayNode list = espalier.putArray("layers");
        for (LayerShape layer : layers) {
            ObjectNode entry = list.addObject();
            ArrayNode queries = entry.putArray("queries_per_kv");
            for (int count : layer.queriesPerKv()) {
                queries.add(count);
            }
            entry.put("head_dim", layer.headDim());
            entry.put("ffn", layer.ffn());
        }
    }

    private static void putRope(ObjectNode json, double theta) {
        Optional<ObjectNode> oldScaling = objectAt(json, "rope_scaling");
        ObjectNode parameters = StrictJson.newObject();
        parameters.put("rope_theta", theta);
        parameters.put("rope_type", "default");
        oldScaling.ifPresent(old -> copyScaling(old, parameters));
        objectAt(json, "rope_parameters").ifPresent(current -> copyScaling(current, parameters));
        json.put("rope_theta", theta);
        if (oldScaling.isEmpty()) {
            ObjectNode scaling = parameters.deepCopy();
            scaling.remove("rope_theta");
            boolean none = scaling.get("rope_type").textValue().equals("default");
            json.set("rope_scaling", none ? json.nullNode() : scaling);
        }
        json.set("rope_parameters", parameters);
    }

    private static Optional<ObjectNode> objectAt(ObjectNode json, String field) {
        return json.get(field) instanceof ObjectNode object ? Optional.of(object) : Optional.empty();
    }

    private static void copyScaling(ObjectNode from, ObjectNode to) {
        for (Map.Entry<String, JsonNode> field : from.properties()) {
            to.set(field.getKey().equals("type") ? "rope_type" : field.getKey(), field.getValue());
        }
    }

    /// Lists with an entry for each layer must follow the number of layers.
    private void resizeLayerTypes(ObjectNode json) {
        if (!(json.get("layer_types") instanceof ArrayNode types) || types.size() == layers.size()) {
            return;
        }
        for (JsonNode type : types) {
            if (!type.equals(types.get(0))) {
                throw new CheckpointException("layer_types has " + types.size() + " different entries, which cannot be "
                        + "carried over to " + layers.size() + " layers");
            }
        }
        ArrayNode resized = json.putArray("layer_types");
        layers.forEach(layer -> resized.add(types.get(0)));
    }
}
