package espalier.engine.gates;

import java.util.Optional;

/// The attention or the FFN of a layer that has gates.
///
/// @param family [GateFamily#HEADS] or [GateFamily#FFN]
/// @param layer 0-based layer
/// @param units gates of its units; absent if the family has none
/// @param enabling the gate that enables those; absent if they always count
record GatedHalf(GateFamily family, int layer, Optional<GateBlock> units, Optional<GateBlock> enabling) {
    /// @param values of all gates, or their keep probabilities
    /// @return the enabling gate's, 1 without one
    double enabled(double[] values) {
        return enabling.map(gate -> values[gate.offset()]).orElse(1.0);
    }

    /// What an enabling gate, or its keep probability, counts as in the forward. The backward passes straight through,
    /// as if nothing were rounded (l0-masks.md §8).
    ///
    /// @param enabling in `[0, 1]`
    /// @return 0 below a half, 1 from it on
    static double rounded(double enabling) {
        return enabling < 0.5 ? 0 : 1;
    }

    /// What a unit's gate amounts to under the enabling gate, `1 - g (1 - z)`. So written it is exactly `z` where `g`
    /// is 1, and 1 where `g` is 0.
    ///
    /// @param enabled from [#enabled]
    /// @param value of the unit's own gate
    /// @return in `[0, 1]` if both are
    static double effective(double enabled, double value) {
        return 1 - enabled + enabled * value;
    }
}
