package espalier.engine.gates;

import espalier.engine.gates.GateSettings.HeadUnit;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelShape;
import espalier.engine.weights.LayerShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// How much of a model given gates leave, as Compresso and NutePrune count: elements of the attention and FFN matrices
/// of all layers, without embedding, lm_head, norms and biases. One minus what is left over what there is.
///
/// With `K` kept hidden channels, `headDim (2 q + 2)` elements per hidden channel and group of `q` query heads, and 3
/// per FFN channel, a layer keeps `K (sum over groups + sum over channels)`. Families are independent, so the same
/// polynomial gives the expectation from keep probabilities and a mask's size from its zeros.
///
/// An enabling gate counts with its keep probability rounded to 0 or 1, straight through for gradients (l0-masks.md
/// §8). So the expectation is that of the mask outside training, whose enabling gates are open from the same point on,
/// and units under a closed one are not pressed to leave before it opens: nothing has told them apart until then.
/// NutePrune's release rounds these where hidden channels have gates, as they have by default, and not elsewhere.
///
/// Constant are layers without gates and, where query heads leave one by one, the key and value projections that
/// several heads share, which hidden gates do not touch either: such a head costs `2 headDim`, one with a key/value
/// head of its own `4 headDim`.
public final class GateSparsity {
    private final GateLayout layout;
    private final List<Half> halves = new ArrayList<>();
    private final Optional<GateBlock> hidden;
    private final long parameters;
    private final long constant;

    /// @param costs `[units]`, elements per hidden channel that go with each unit
    private record Half(GatedHalf gates, double[] costs) {
        double width(double[] values) {
            if (gates.units().isEmpty()) {
                return Arrays.stream(costs).sum();
            }
            double enabled = gates.enabled(values);
            int offset = gates.units().get().offset();
            double width = 0;
            for (int unit = 0; unit < costs.length; unit++) {
                width += costs[unit] * GatedHalf.effective(enabled, values[offset + unit]);
            }
            return width;
        }

        void addGradient(double[] values, double scale, double[] gradient) {
            if (gates.units().isEmpty()) {
                return;
            }
            double enabled = gates.enabled(values);
            int offset = gates.units().get().offset();
            double dEnabled = 0;
            for (int unit = 0; unit < costs.length; unit++) {
                gradient[offset + unit] += scale * costs[unit] * enabled;
                dEnabled += scale * costs[unit] * (values[offset + unit] - 1);
            }
            if (gates.enabling().isPresent()) {
                gradient[gates.enabling().get().offset()] += dEnabled;
            }
        }
    }

    /// @param layout the gates
    public GateSparsity(GateLayout layout) {
        this.layout = layout;
        this.hidden = layout.block(GateFamily.HIDDEN, 0);
        for (GatedHalf half : layout.halves()) {
            LayerShape shape = layout.model().layers().get(half.layer());
            halves.add(new Half(half, switch (half.family()) {
                case HEADS -> headCosts(shape, layout.settings().headUnit());
                case FFN -> IntStream.range(0, shape.ffn()).mapToDouble(_ -> 3).toArray();
                case HIDDEN, LAYER, ATTENTION, MLP -> throw new IllegalStateException("half of a layer: " + half);
            }));
        }
        this.parameters = parameters(layout.model());
        this.constant = constant(layout);
    }

    private static double[] headCosts(LayerShape shape, HeadUnit unit) {
        double headDim = shape.headDim();
        IntStream queries = Arrays.stream(shape.queriesPerKv());
        return switch (unit) {
            case GROUP -> queries.mapToDouble(group -> headDim * (2 * group + 2)).toArray();
            case HEAD ->
                queries.flatMap(group -> IntStream.generate(() -> group == 1 ? 4 : 2).limit(group))
                        .mapToDouble(matrices -> headDim * matrices)
                        .toArray();
        };
    }

    private static long parameters(ModelShape model) {
        return model.layers().stream().mapToLong(layer -> parameters(layer, model.hidden())).sum();
    }

    private static long parameters(LayerShape layer, long hidden) {
        return hidden * (2L * layer.queryWidth() + 2L * layer.kvWidth() + 3L * layer.ffn());
    }

    private static long constant(GateLayout layout) {
        ModelShape model = layout.model();
        LayerRange gated = layout.settings().layers();
        long constant = 0;
        for (int index = 0; index < model.layers().size(); index++) {
            LayerShape layer = model.layers().get(index);
            if (!gated.contains(index)) {
                constant += parameters(layer, model.hidden());
            } else if (layout.settings().headUnit() == HeadUnit.HEAD) {
                long shared = Arrays.stream(layer.queriesPerKv()).filter(queries -> queries > 1).count();
                constant += 2L * model.hidden() * layer.headDim() * shared;
            }
        }
        return constant;
    }

    /// @return prunable parameters of the whole model, which sparsities are shares of
    public long parameters() {
        return parameters;
    }

    /// @param sparsity share that is gone
    /// @return prunable parameters that are left, rounded
    public long parametersAt(double sparsity) {
        return Math.round(parameters * (1 - sparsity));
    }

    /// @param logAlpha one per gate, finite
    /// @return expected sparsity over all draws of the gates
    public double expected(double[] logAlpha) {
        return sparsity(keep(logAlpha));
    }

    /// @param logAlpha one per gate, finite
    /// @return `[gates]`, d expected / d logAlpha; for enabling gates as if they were not rounded
    public double[] expectedGradient(double[] logAlpha) {
        double[] values = keep(logAlpha);
        double kept = keptHidden(values);
        double width = 0;
        double[] gradient = new double[layout.size()];
        for (Half half : halves) {
            width += half.width(values);
            half.addGradient(values, kept, gradient);
        }
        if (hidden.isPresent()) {
            Arrays.fill(gradient, hidden.get().offset(), hidden.get().end(), width);
        }
        for (int i = 0; i < gradient.length; i++) {
            gradient[i] *= -HardConcrete.keepSlope(logAlpha[i]) / parameters;
        }
        return gradient;
    }

    /// @param mask gates that do not change
    /// @return the share that its zeros remove
    public double realised(GateMask mask) {
        return sparsity(mask.open());
    }

    /// @param mask gates that do not change
    /// @return prunable parameters that it leaves
    public long left(GateMask mask) {
        return Math.round(size(mask.open()));
    }

    /// A mask leaves whole units, so where these are few it misses the sparsity that is expected of it.
    ///
    /// @return the sparsity in half a head unit of each layer, the largest, while all hidden channels are kept; 0 if
    ///     heads have no gates
    public double halfHeadUnits() {
        double cost = halves.stream()
                .filter(half -> half.gates().family() == GateFamily.HEADS && half.gates().units().isPresent())
                .mapToDouble(half -> Arrays.stream(half.costs()).max().orElse(0))
                .sum();
        return cost / 2 * layout.model().hidden() / parameters;
    }

    /// @return the most that [#expected] reaches, every log-alpha at an end of its range; enabling gates open, which
    ///     training may always come to, however they began
    public double maximum() {
        double[] logAlpha = layout.filled(HardConcrete.MIN_LOG_ALPHA);
        for (GateBlock block : layout.blocks()) {
            if (block.family().isEnabling()) {
                logAlpha[block.offset()] = HardConcrete.MAX_LOG_ALPHA;
            }
        }
        return expected(logAlpha);
    }

    /// @param target wanted sparsity
    /// @throws IllegalArgumentException if it is no number from 0 to [#maximum], naming both
    public void requireReachable(double target) {
        double maximum = maximum();
        if (!(target >= 0 && target <= maximum)) {
            throw new IllegalArgumentException(
                    "target sparsity is %s, but these gates reach 0 to %.6f".formatted(target, maximum));
        }
    }

    private double[] keep(double[] logAlpha) {
        layout.check("log-alpha", logAlpha);
        double[] keep = Arrays.stream(logAlpha).map(HardConcrete::keep).toArray();
        for (GateBlock block : layout.blocks()) {
            if (block.family().isEnabling()) {
                keep[block.offset()] = GatedHalf.rounded(keep[block.offset()]);
            }
        }
        return keep;
    }

    private double keptHidden(double[] values) {
        if (hidden.isEmpty()) {
            return layout.model().hidden();
        }
        return sum(values, hidden.get());
    }

    private double size(double[] values) {
        double width = 0;
        for (Half half : halves) {
            width += half.width(values);
        }
        return constant + keptHidden(values) * width;
    }

    private double sparsity(double[] values) {
        return 1 - size(values) / parameters;
    }

    private static double sum(double[] values, GateBlock block) {
        double sum = 0;
        for (int i = block.offset(); i < block.end(); i++) {
            sum += values[i];
        }
        return sum;
    }
}
