package espalier.engine.gates;

import espalier.engine.weights.LayerShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.ToIntFunction;

/// One value for every gate, sampled or deterministic.
public final class GateMask {
    private final GateLayout layout;
    private final double[] values;

    /// @param layout the gates
    /// @param values one per gate, in `[0, 1]`; enabling gates are 0 or 1; not copied
    GateMask(GateLayout layout, double[] values) {
        layout.check("mask", values);
        this.layout = layout;
        this.values = values;
    }

    /// @return the gates
    public GateLayout layout() {
        return layout;
    }

    /// @return a copy of the gates' own values, those under a closed enabling gate included
    public double[] gates() {
        return values.clone();
    }

    /// @param layer 0-based layer
    /// @return whether its FFN may be pruned: the gate over it is 1, or there is none. A gate over the whole layer is
    ///     that of its FFN, too
    public boolean prunesFfn(int layer) {
        return layout.halves().stream()
                .filter(half -> half.family() == GateFamily.FFN && half.layer() == layer)
                .allMatch(half -> half.enabled(values) > 0);
    }

    /// @return what a pass multiplies by; layers outside the gated range have ones
    public MaskValues values() {
        GateSettings settings = layout.settings();
        List<float[]> heads = settings.heads() ? ones(LayerShape::heads) : List.of();
        List<float[]> ffn = settings.ffn() ? ones(LayerShape::ffn) : List.of();
        float[] hidden = layout.block(GateFamily.HIDDEN, 0).map(this::floats).orElse(new float[0]);
        for (GatedHalf half : layout.halves()) {
            List<float[]> family = half.family() == GateFamily.FFN ? ffn : heads;
            half.units().ifPresent(units -> fill(family.get(half.layer()), half, units));
        }
        return new MaskValues(heads, ffn, hidden);
    }

    private List<float[]> ones(ToIntFunction<LayerShape> width) {
        List<float[]> layers = new ArrayList<>();
        for (LayerShape layer : layout.model().layers()) {
            float[] ones = new float[width.applyAsInt(layer)];
            Arrays.fill(ones, 1);
            layers.add(ones);
        }
        return layers;
    }

    private float[] floats(GateBlock block) {
        float[] floats = new float[block.size()];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values[block.offset() + i];
        }
        return floats;
    }

    private void fill(float[] target, GatedHalf half, GateBlock units) {
        double enabled = half.enabled(values);
        int[] unitOf = layout.unitOf(half);
        for (int i = 0; i < target.length; i++) {
            target[i] = (float) GatedHalf.effective(enabled, values[units.offset() + unitOf[i]]);
        }
    }

    /// The backward of [#values]: sums over the query heads of a unit and over all that an enabling gate enables, whose
    /// rounding to 0 or 1 lets gradients through as if it were none.
    ///
    /// @param dValues the loss's gradients with respect to [#values]; those of layers without gates are not read
    /// @return `[gates]`, its gradients with respect to [#gates]
    public double[] gradient(MaskValues dValues) {
        double[] gradient = new double[values.length];
        for (GatedHalf half : layout.halves()) {
            half.units().ifPresent(units -> addGradient(dValues.of(half), half, units, gradient));
        }
        layout.block(GateFamily.HIDDEN, 0).ifPresent(block -> {
            checkLength(dValues.hidden(), block.size(), block);
            for (int i = 0; i < block.size(); i++) {
                gradient[block.offset() + i] = dValues.hidden()[i];
            }
        });
        return gradient;
    }

    private void addGradient(float[] dValues, GatedHalf half, GateBlock units, double[] gradient) {
        double enabled = half.enabled(values);
        int[] unitOf = layout.unitOf(half);
        checkLength(dValues, unitOf.length, units);
        double dEnabled = 0;
        for (int i = 0; i < dValues.length; i++) {
            int gate = units.offset() + unitOf[i];
            gradient[gate] += dValues[i] * enabled;
            dEnabled += dValues[i] * (values[gate] - 1);
        }
        Optional<GateBlock> enabling = half.enabling();
        if (enabling.isPresent()) {
            gradient[enabling.get().offset()] += dEnabled;
        }
    }

    private static void checkLength(float[] gradients, int expected, GateBlock block) {
        if (gradients.length != expected) {
            throw new IllegalArgumentException("%d mask gradients of %s, expected %d"
                    .formatted(gradients.length, block.name(), expected));
        }
    }

    /// @return per gate 1 if it is open at all, else 0
    double[] open() {
        return Arrays.stream(values).map(Math::signum).toArray();
    }
}
