package espalier.engine.model;

import espalier.kernels.Tensor;

/// Gradients of losses that look at the raw residual stream between layers.
@FunctionalInterface
public interface StateGradients {
    /// No such losses.
    StateGradients NONE = (state, d) -> {};

    /// @param state index into [Hidden#states], at least 1
    /// @param d `[tokens, hidden]`, +=
    void add(int state, Tensor d);
}
