package espalier.engine.model;

import espalier.engine.weights.LayerShape;

/// A set of channels that one or more tensor axes share. Whoever slices a tensor asks what is kept of the spaces of its
/// axes, and needs to know nothing else about the tensor.
///
/// @param kind what the channels are
/// @param layer 0-based decoder layer, or [#WHOLE_MODEL]
public record Space(Kind kind, int layer) {
    /// The layer of a space that all layers share.
    public static final int WHOLE_MODEL = -1;

    /// Vocabulary entries: rows of the embedding and of lm_head. Never pruned.
    public static final Space VOCAB = new Space(Kind.VOCAB, WHOLE_MODEL);

    /// Residual channels.
    public static final Space HIDDEN = new Space(Kind.HIDDEN, WHOLE_MODEL);

    /// What the channels of a space are.
    public enum Kind {
        /// Vocabulary entries.
        VOCAB(false, false),
        /// Residual channels.
        HIDDEN(false, true),
        /// `heads * headDim` channels of a layer's queries and of its attention output.
        QUERY(true, true),
        /// `kvHeads * headDim` channels of a layer's keys or values.
        KV(true, true),
        /// Channels inside one head, shared by all heads of a layer. Never pruned: the rotary embedding ties them.
        HEAD(true, false),
        /// Channels inside a layer's feed-forward block.
        FFN(true, true);

        private final boolean perLayer;
        private final boolean prunable;

        Kind(boolean perLayer, boolean prunable) {
            this.perLayer = perLayer;
            this.prunable = prunable;
        }

        /// @return whether channels of this kind may be removed
        public boolean prunable() {
            return prunable;
        }
    }

    /// Checks that a layer is named exactly where the kind needs one.
    public Space {
        if (kind.perLayer ? layer < 0 : layer != WHOLE_MODEL) {
            throw new IllegalArgumentException("space " + kind + " cannot belong to layer " + layer);
        }
    }

    /// @param layer 0-based decoder layer
    /// @return channels of its queries
    public static Space query(int layer) {
        return new Space(Kind.QUERY, layer);
    }

    /// @param layer 0-based decoder layer
    /// @return channels of its keys, and of its values
    public static Space kv(int layer) {
        return new Space(Kind.KV, layer);
    }

    /// @param layer 0-based decoder layer
    /// @return channels inside one of its heads
    public static Space head(int layer) {
        return new Space(Kind.HEAD, layer);
    }

    /// @param layer 0-based decoder layer
    /// @return its FFN channels
    public static Space ffn(int layer) {
        return new Space(Kind.FFN, layer);
    }

    /// @param shape the model
    /// @return number of channels, possibly 0
    public int width(ModelShape shape) {
        return switch (kind) {
            case VOCAB -> shape.vocab();
            case HIDDEN -> shape.hidden();
            case QUERY -> of(shape).queryWidth();
            case KV -> of(shape).kvWidth();
            case HEAD -> of(shape).headDim();
            case FFN -> of(shape).ffn();
        };
    }

    /// @param shape the model
    /// @return where the number of channels comes from, for messages: a field of the configuration, or what a layer has
    public String describe(ModelShape shape) {
        return switch (kind) {
            case VOCAB -> "vocab_size";
            case HIDDEN -> "hidden_size";
            case QUERY -> of(shape).heads() + " heads x " + of(shape).headDim();
            case KV -> of(shape).kvHeads() + " kv heads x " + of(shape).headDim();
            case HEAD -> "head_dim";
            case FFN -> of(shape).ffn() + " feed-forward channels";
        };
    }

    private LayerShape of(ModelShape shape) {
        if (layer >= shape.layers().size()) {
            throw new IllegalArgumentException(
                    this + " is outside a model of " + shape.layers().size() + " layers");
        }
        return shape.layers().get(layer);
    }

    @Override
    public String toString() {
        return layer == WHOLE_MODEL ? kind.toString() : kind + "(" + layer + ")";
    }
}
