package espalier.engine.model;

import espalier.kernels.Check;
import espalier.kernels.Tensor;

/// One trained matrix: what a backward adds to and an optimiser steps.
///
/// @param name e.g. `model.layers.3.self_attn.q_proj.lora_A.weight`
/// @param value the matrix
/// @param gradient of its shape, +=
public record Parameter(String name, Tensor value, Tensor gradient) {
    /// Checks that the shapes are equal.
    public Parameter {
        Check.shape("gradient of " + name, gradient, value.rows(), value.cols());
    }
}
