package espalier.engine.weights;

import java.util.ArrayList;
import java.util.List;

/// Reads out of a configuration what this engine would compute wrongly, so that it can refuse.
final class UnsupportedFeatures {
    private static final int MISTRAL_WINDOW = 4096;

    private UnsupportedFeatures() {}

    /// @return one reason for each feature, naming its field
    static List<String> of(
            ConfigFields fields, ModelFamily family, RopeFields rope, int maxPositions, List<LayerShape> layers) {
        List<String> reasons = new ArrayList<>();
        for (String architecture : fields.texts("architectures")) {
            if (!family.isCausalLm(architecture)) {
                reasons.add("architectures names " + architecture + ", which is not the causal language model of "
                        + family.modelType());
            }
        }
        if (family == ModelFamily.QWEN3) {
            reasons.add("queries and keys are normalised (q_norm, k_norm)");
        }
        if (!rope.type().equals("default")) {
            reasons.add("rotary positions are scaled (rope_type " + rope.type() + ")");
        }
        if (rope.rotatedPart() != 1) {
            reasons.add("only a part of each head is rotated (partial_rotary_factor " + rope.rotatedPart() + ")");
        }
        String activation = fields.optionalText("hidden_act").orElse("silu");
        if (!activation.equals("silu") && !activation.equals("swish")) {
            reasons.add("the activation is " + activation + " (hidden_act), only silu is known");
        }
        int window = slidingWindow(fields, family, layers.size());
        if (window < maxPositions) {
            reasons.add("attention is limited to a sliding window of " + window + " positions (sliding_window)");
        }
        List<Integer> headDims = layers.stream().map(LayerShape::headDim).distinct().sorted().toList();
        if (headDims.size() > 1) {
            reasons.add("layers have heads of different sizes (head_dim " + headDims + ")");
        }
        for (String field : List.of("attn_logit_softcapping", "final_logit_softcapping")) {
            if (fields.has(field)) {
                reasons.add("logits are capped (" + field + " " + fields.json().get(field) + ")");
            }
        }
        if (fields.object("quantization_config").isPresent()) {
            reasons.add("the weights are quantised (quantization_config)");
        }
        if (fields.has("per_layer_config")) {
            reasons.add("layers differ in a way that is not read (per_layer_config)");
        }
        return reasons;
    }

    /// The narrowest attention window of any layer; the largest integer where none is limited.
    private static int slidingWindow(ConfigFields fields, ModelFamily family, int numLayers) {
        int unlimited = Integer.MAX_VALUE;
        return switch (family) {
            case LLAMA -> unlimited;
            case MISTRAL -> fields.json().has("sliding_window")
                    ? fields.integer("sliding_window", 1, unlimited, unlimited)
                    : MISTRAL_WINDOW;
            case QWEN2, QWEN3 -> {
                // Layers from max_window_layers on slide, unless each layer is named.
                boolean anyLayer = fields.has("layer_types")
                        ? fields.texts("layer_types").contains("sliding_attention")
                        : fields.integer("max_window_layers", 0, unlimited, 0) < numLayers;
                boolean enabled = fields.flag("use_sliding_window", false);
                yield enabled && anyLayer
                        ? fields.integer("sliding_window", 1, unlimited, MISTRAL_WINDOW)
                        : unlimited;
            }
        };
    }
}
