package espalier.engine.gates;

import espalier.engine.model.LayerRange;

/// Which gates a model gets.
///
/// @param heads whether attention heads have gates
/// @param ffn whether FFN channels have gates
/// @param hidden whether residual channels have gates, which all layers share
/// @param headUnit what one head gate closes
/// @param enabling gates over whole layers
/// @param layers that have gates; not empty
public record GateSettings(
        boolean heads, boolean ffn, boolean hidden, HeadUnit headUnit, Enabling enabling, LayerRange layers) {
    /// What one head gate closes.
    public enum HeadUnit {
        /// A key/value head with all query heads that read it, so that whole groups leave.
        GROUP,
        /// A query head. Key/value heads that several query heads read are never counted as removed, as in the
        /// NutePrune release.
        HEAD
    }

    /// Gates `g` that enable the pruning of a layer: a gate or keep probability `z` below them acts as
    /// `1 - g (1 - z)`. A layer whose gate is 0 stays dense.
    public enum Enabling {
        /// Every layer may be pruned; the methods' default.
        NONE,
        /// One gate a layer.
        LAYER,
        /// One for a layer's attention, another for its FFN.
        ATTENTION_AND_MLP
    }

    /// @throws IllegalArgumentException if nothing has gates, or a layer's gate would enable nothing
    public GateSettings {
        if (!heads && !ffn && !hidden) {
            throw new IllegalArgumentException("no gates: heads, FFN channels and hidden channels are all left out");
        }
        if (enabling != Enabling.NONE && !(heads && ffn)) {
            throw new IllegalArgumentException("gates over layers need gates of heads and of FFN channels");
        }
        if (layers.start() == layers.end()) {
            throw new IllegalArgumentException("no layer has gates, the range is " + layers);
        }
    }

    /// @param layers number of layers of the model
    /// @return gates of key/value groups, FFN channels and hidden channels of every layer
    public static GateSettings standard(int layers) {
        return new GateSettings(true, true, true, HeadUnit.GROUP, Enabling.NONE, new LayerRange(0, layers));
    }
}
