package espalier.engine.model;

/// What a forward pass keeps.
public enum Keep {
    /// Only the final hidden states: inference.
    NOTHING,
    /// The input of each layer: a teacher's states, or a backward that computes each layer's activations again.
    LAYER_INPUTS,
    /// All activations: the fastest backward.
    ACTIVATIONS
}
