package espalier.engine.gates;

import espalier.engine.gates.GateSettings.Enabling;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Check;
import java.util.List;

/// Which widths a deterministic mask may leave.
///
/// @param align multiple of the FFN channels that a layer keeps, by [espalier.engine.model.AlignedWidth]; a layer that
///     keeps none, or all, stays so, and one that has less than a multiple keeps none or all. 1 rounds nothing.
/// @param uniform whether every layer keeps as many head units and FFN channels as the mean layer expects, so that an
///     ordinary configuration can describe the result
public record WidthRule(int align, boolean uniform) {
    /// Every layer as it expects.
    public static final WidthRule FREE = new WidthRule(1, false);

    /// Checks the range.
    public WidthRule {
        Check.positive("align", align);
    }

    /// @param layout the gates
    /// @throws IllegalArgumentException if layers cannot be uniform, as they differ already, or some have no gates, or
    ///     enabling gates decide
    public void requireFits(GateLayout layout) {
        if (!uniform) {
            return;
        }
        List<LayerShape> layers = layout.model().layers();
        if (layers.stream().distinct().count() > 1) {
            throw new IllegalArgumentException("uniform widths need a model whose layers have equal shapes");
        }
        int gated = layout.settings().layers().end() - layout.settings().layers().start();
        if (gated < layers.size()) {
            throw new IllegalArgumentException("uniform widths need gates in all %d layers, the range is %s"
                    .formatted(layers.size(), layout.settings().layers()));
        }
        if (layout.settings().enabling() != Enabling.NONE) {
            throw new IllegalArgumentException("uniform widths exclude gates over layers, which leave some dense");
        }
    }
}
