package espalier.engine.gates;

/// What a gate multiplies.
public enum GateFamily {
    /// Query heads or key/value groups of a layer.
    HEADS(0, "heads"),
    /// FFN channels of a layer.
    FFN(1, "ffn"),
    /// Residual channels of the whole model.
    HIDDEN(2, "hidden"),
    /// Whether a whole layer may be pruned.
    LAYER(3, "layer"),
    /// Whether the attention of a layer may be pruned.
    ATTENTION(4, "attention"),
    /// Whether the FFN of a layer may be pruned.
    MLP(5, "mlp");

    private final int stream;
    private final String label;

    GateFamily(int stream, String label) {
        this.stream = stream;
        this.label = label;
    }

    /// @return part of what makes a draw, so a family's number never changes
    int stream() {
        return stream;
    }

    /// @return the family in words
    public String label() {
        return label;
    }

    /// @return whether gates of this family enable the pruning of others and multiply nothing themselves
    public boolean isEnabling() {
        return switch (this) {
            case HEADS, FFN, HIDDEN -> false;
            case LAYER, ATTENTION, MLP -> true;
        };
    }
}
