package espalier.engine.prune;

import java.util.List;

/// Something that a user should hear about a selection that is valid but may not be what was meant.
///
/// @param reason what happened
/// @param layers 0-based layers concerned; empty for the whole model
/// @param message one sentence
public record Notice(Reason reason, List<Integer> layers, String message) {
    /// What happened.
    public enum Reason {
        /// The ratio is too small for one unit of some kind.
        NOTHING_CUT,
        /// A group would have lost its last unit, and keeps all.
        LEFT_WHOLE,
        /// Scores equal to the global threshold were cut beyond the requested number.
        OVERSHOOT,
        /// More heads stay than the ratio asks for, since their number must divide the hidden width.
        WIDENED,
        /// A mask leaves no head, or no FFN channel, of some layers.
        EMPTIED,
        /// A mask removes more or less once widths are rounded.
        ROUNDED,
        /// The result is not as sparse as wanted, or sparser.
        MISSED
    }

    /// Copies the list.
    public Notice {
        layers = List.copyOf(layers);
    }
}
