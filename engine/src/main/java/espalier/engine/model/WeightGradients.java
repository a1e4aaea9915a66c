package espalier.engine.model;

import espalier.kernels.Tensor;
import espalier.kernels.Weight;

/// Receives what weight gradients are made of, one projection at a time during the backward pass. What it makes of
/// them, and at which size, is its own choice: nothing is computed that it does not ask for.
public interface WeightGradients {
    /// Wants nothing: the base weights are frozen.
    WeightGradients NONE = new WeightGradients() {};

    /// The gradient of a projection's weight is `dY^T X`.
    ///
    /// @param layer index of the layer
    /// @param site the projection
    /// @param weight its weight `[out, in]`
    /// @param dY `[tokens, out]`
    /// @param x `[tokens, in]`
    default void projection(int layer, Site site, Weight weight, Tensor dY, Tensor x) {}

    /// @param layer index of the layer
    /// @param site the projection
    /// @return `[1, out]` that the gradient of the bias is added to, or [Tensor#NONE]
    default Tensor bias(int layer, Site site) {
        return Tensor.NONE;
    }

    /// @param site the norm
    /// @param layer index of the layer, 0 for [NormSite#FINAL]
    /// @return `[1, hidden]` that the gradient of the weight is added to, or `[sequences, hidden]` to have it for each
    ///     sequence of the batch, or [Tensor#NONE]
    default Tensor norm(NormSite site, int layer) {
        return Tensor.NONE;
    }

    /// Asked for by who takes a loss, before the backward.
    ///
    /// @return `[vocab, hidden]` that the gradient of lm_head is added to, chunk by chunk as the loss makes it, or
    ///     [Tensor#NONE]; then [VocabularyGradient] can still produce it in tiles, which computes logits again
    default Tensor lmHead() {
        return Tensor.NONE;
    }

    /// @return whether [#vocabulary] is wanted
    default boolean wantsVocabulary() {
        return false;
    }

    /// Called last, once the gradient of the embedding output is known.
    ///
    /// @param gradient produces the gradients of embedding and lm_head tile by tile
    default void vocabulary(VocabularyGradient gradient) {}
}
