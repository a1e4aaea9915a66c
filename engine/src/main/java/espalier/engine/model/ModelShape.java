package espalier.engine.model;

import espalier.engine.weights.LayerShape;
import espalier.engine.weights.PretrainedConfig;
import espalier.kernels.Check;
import java.util.List;

/// Everything about a decoder-only transformer that decides which tensors it has and how large they are.
///
/// Dimensions are called the same everywhere: `tokens` (rows of a packed batch), `hidden` (residual width), `heads`,
/// `kvHeads`, `headDim`, `ffn`, `vocab`, `rank` (of an adapter).
///
/// @param vocab size of the vocabulary
/// @param hidden residual width
/// @param layers one shape per decoder layer
/// @param tied whether lm_head is the embedding
/// @param biases which projections have biases
/// @param normEps added to the mean square in RMSNorm
/// @param ropeTheta base of the rotary embedding
/// @param maxPositions longest context
public record ModelShape(
        int vocab,
        int hidden,
        List<LayerShape> layers,
        boolean tied,
        Biases biases,
        double normEps,
        double ropeTheta,
        int maxPositions) {
    /// Which projections have a bias.
    ///
    /// @param qkv q_proj, k_proj and v_proj
    /// @param o o_proj
    /// @param mlp gate_proj, up_proj and down_proj
    public record Biases(boolean qkv, boolean o, boolean mlp) {
        /// No biases at all.
        public static final Biases NONE = new Biases(false, false, false);
    }

    /// Checks ranges and copies the list.
    public ModelShape {
        Check.positive("vocab_size", vocab);
        Check.positive("hidden_size", hidden);
        Check.positive("max_position_embeddings", maxPositions);
        layers = List.copyOf(layers);
    }

    /// @param config a configuration
    /// @return the shape it describes
    public static ModelShape of(PretrainedConfig config) {
        return new ModelShape(
                config.vocabSize(),
                config.hiddenSize(),
                config.layers(),
                config.tied(),
                new Biases(config.attentionBias(), config.oProjBias(), config.mlpBias()),
                config.rmsNormEps(),
                config.ropeTheta(),
                config.maxPositions());
    }

    /// Refuses ids that the model does not know, before a run comes to them.
    ///
    /// @param owner what they are of, for the message
    /// @param ids of tokens
    /// @throws IllegalArgumentException naming the first that is not in the vocabulary
    public void requireIds(String owner, int[] ids) {
        for (int id : ids) {
            if (id < 0 || id >= vocab) {
                throw new IllegalArgumentException(
                        "token id %d of %s is not in the model's vocabulary of %d".formatted(id, owner, vocab));
            }
        }
    }

    /// @param newHidden residual width
    /// @param newLayers layer shapes
    /// @return this shape with other widths
    public ModelShape withWidths(int newHidden, List<LayerShape> newLayers) {
        return new ModelShape(vocab, newHidden, newLayers, tied, biases, normEps, ropeTheta, maxPositions);
    }
}
