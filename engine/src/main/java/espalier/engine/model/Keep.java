package espalier.engine.model;

import espalier.kernels.Check;

/// What a forward pass keeps. The bits of a backward do not depend on it.
///
/// @param hasLayerInputs whether the input of each layer is kept: a teacher's states, or what a backward starts from
/// @param lastLayers layers, counted from the last one, whose activations are kept too; a backward computes those of
///     the others again. More than the model has are all of them
public record Keep(boolean hasLayerInputs, int lastLayers) {
    /// Only the final hidden states: inference.
    public static final Keep NOTHING = new Keep(false, 0);
    /// The input of each layer: a teacher's states, or a backward that computes each layer's activations again.
    public static final Keep LAYER_INPUTS = new Keep(true, 0);
    /// All activations: the fastest backward.
    public static final Keep ACTIVATIONS = new Keep(true, Integer.MAX_VALUE);

    /// Checks that no activations are kept without layer inputs.
    public Keep {
        Check.notNegative("layers whose activations are kept", lastLayers);
        if (lastLayers > 0 && !hasLayerInputs) {
            throw new IllegalArgumentException("activations are kept only together with the layer inputs");
        }
    }

    /// @param count layers whose activations are kept; the backward comes to them first
    /// @return these, and the input of each layer
    public static Keep lastLayers(int count) {
        return new Keep(true, count);
    }

    /// @param layer index of a layer
    /// @param layers of the model
    /// @return whether its activations are kept
    public boolean hasActivations(int layer, int layers) {
        return layer >= layers - lastLayers;
    }
}
