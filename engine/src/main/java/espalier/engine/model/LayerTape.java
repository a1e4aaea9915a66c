package espalier.engine.model;

import espalier.kernels.Tensor;

/// The activations of one layer that its backward reads. Only the input needs to be kept; the rest can be computed
/// again from it, see [Keep].
///
/// @param input `[tokens, hidden]`
/// @param middle `[tokens, hidden]`, the residual stream between attention and FFN
/// @param attention of the attention block
/// @param feedForward of the FFN block
record LayerTape(Tensor input, Tensor middle, AttentionBlock.Kept attention, FeedForwardBlock.Kept feedForward) {
    /// Of a layer whose activations were not kept.
    static final LayerTape NONE = new LayerTape(Tensor.NONE, Tensor.NONE, null, null);

    boolean isKept() {
        return this != NONE;
    }
}
