package espalier.engine.gates;

import espalier.kernels.Check;

/// Which widths a deterministic mask may leave.
///
/// @param align multiple of the FFN channels that a layer keeps, by [espalier.engine.model.AlignedWidth]; a layer that
///     keeps none, or all, stays so. 1 rounds nothing.
/// @param uniform whether every layer keeps as many head units and FFN channels as the mean layer expects, so that an
///     ordinary configuration can describe the result
public record WidthRule(int align, boolean uniform) {
    /// Every layer as it expects.
    public static final WidthRule FREE = new WidthRule(1, false);

    /// Checks the range.
    public WidthRule {
        Check.positive("align", align);
    }
}
