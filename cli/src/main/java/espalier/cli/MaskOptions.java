package espalier.cli;

import espalier.engine.gates.GateFamily;
import espalier.engine.gates.GateLayout;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.GateSettings.Enabling;
import espalier.engine.gates.GateSettings.HeadUnit;
import espalier.engine.gates.GateSparsity;
import espalier.engine.gates.SparsitySchedule;
import espalier.engine.gates.WidthRule;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelShape;
import java.util.Arrays;
import java.util.Set;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// Which masks are trained, to which sparsity, and how.
final class MaskOptions {
    /// At 0.1 a step, a gate needs 92 steps from one end of its range to the other.
    private static final long GATE_STEPS = 100;

    @Option(
            names = {"--sparsity", "--target-prunable"},
            paramLabel = "S",
            description = "Share of the prunable parameters to remove, in (0, 1); needed.")
    private Double sparsity;

    @Option(
            names = "--sparsity-warmup",
            paramLabel = "W",
            description = "Steps with masks in which the wanted sparsity rises from 0 (default: 4/7 of them).")
    private Long warmup;

    @Option(
            names = "--sparsity-schedule",
            paramLabel = "linear|cubic",
            converter = ShapeConverter.class,
            defaultValue = "linear",
            description = "How it rises (default: ${DEFAULT-VALUE}).")
    private SparsitySchedule.Shape shape;

    @Option(
            names = "--mask-lr",
            paramLabel = "L",
            defaultValue = "0.1",
            description = "Learning rate of masks and of the multipliers that hold them to the sparsity "
                    + "(default: ${DEFAULT-VALUE}).")
    private double rate;

    @Option(
            names = "--mask",
            paramLabel = "FAMILIES",
            split = ",",
            converter = FamilyConverter.class,
            defaultValue = "heads,ffn,hidden",
            description = "What gets masks: heads, FFN channels, residual channels (default: ${DEFAULT-VALUE}).")
    private GateFamily[] families;

    @Option(
            names = "--gqa",
            paramLabel = "group|head",
            converter = UnitConverter.class,
            defaultValue = "group",
            description = "Where query heads share keys and values: heads go in whole groups, which leaves a plain "
                    + "model, or one by one, as in the NutePrune release (default: ${DEFAULT-VALUE}).")
    private HeadUnit unit;

    @Option(
            names = "--layers",
            paramLabel = "A:B",
            converter = WidthOptions.RangeConverter.class,
            description = "Layers that get masks, from A to B - 1 (default: all).")
    private LayerRange layers;

    @Option(
            names = "--align",
            paramLabel = "N",
            defaultValue = "1",
            description = "Keep FFN widths that are multiples of N, e.g. 32 or 128 (default: ${DEFAULT-VALUE}).")
    private int align;

    @Option(names = "--uniform", description = "Keep the same widths in every layer.")
    private boolean uniform;

    /// @return whether it is said how much to remove
    boolean given() {
        return sparsity != null;
    }

    /// @return share of the prunable parameters to remove
    double sparsity() {
        return sparsity;
    }

    /// Refuses what is wrong whatever the model.
    void check() {
        if (!(sparsity > 0 && sparsity < 1)) {
            throw new IllegalArgumentException("--sparsity is " + sparsity + ", expected a number in (0, 1)");
        }
        if (!(rate > 0 && rate < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("--mask-lr is " + rate + ", expected a positive number");
        }
        if (uniform && layers != null) {
            throw new IllegalArgumentException("--uniform excludes --layers");
        }
        widths();
    }

    /// @param model the model
    /// @return its gates
    /// @throws IllegalArgumentException if they cannot reach the sparsity, or there are no such layers
    GateSettings gates(ModelShape model) {
        int count = model.layers().size();
        Set<GateFamily> wanted = Set.copyOf(Arrays.asList(families));
        GateSettings gates = new GateSettings(
                wanted.contains(GateFamily.HEADS),
                wanted.contains(GateFamily.FFN),
                wanted.contains(GateFamily.HIDDEN),
                unit,
                Enabling.NONE,
                layers == null ? new LayerRange(0, count) : WidthOptions.checked("--layers", layers, count));
        new GateSparsity(new GateLayout(model, gates)).requireReachable(sparsity);
        return gates;
    }

    /// @param steps with masks
    /// @param sevenths of them in which the method lets the sparsity rise
    /// @return what is aimed at
    /// @throws IllegalArgumentException if the run ends before
    SparsitySchedule schedule(long steps, int sevenths) {
        if (warmup != null && warmup > steps) {
            throw new IllegalArgumentException(
                    "--sparsity-warmup is %d, expected at most the %d steps with masks".formatted(warmup, steps));
        }
        return new SparsitySchedule(sparsity, warmup != null ? warmup : usualWarmup(steps, sevenths), shape);
    }

    static long usualWarmup(long steps, int sevenths) {
        return Math.max(sevenths * steps / 7, Math.min(GATE_STEPS, 4 * steps / 7));
    }

    /// @return learning rate of the gates
    double rate() {
        return rate;
    }

    /// @return widths that may be left
    WidthRule widths() {
        return new WidthRule(align, uniform);
    }

    static final class ShapeConverter implements ITypeConverter<SparsitySchedule.Shape> {
        @Override
        public SparsitySchedule.Shape convert(String value) {
            return switch (value) {
                case "linear" -> SparsitySchedule.Shape.LINEAR;
                case "cubic" -> SparsitySchedule.Shape.CUBIC;
                default -> throw new TypeConversionException(
                        "'" + value + "' is not a schedule of the sparsity; there are linear and cubic");
            };
        }
    }

    static final class UnitConverter implements ITypeConverter<HeadUnit> {
        @Override
        public HeadUnit convert(String value) {
            return switch (value) {
                case "group" -> HeadUnit.GROUP;
                case "head" -> HeadUnit.HEAD;
                default -> throw new TypeConversionException(
                        "'" + value + "' is not a unit of heads; there are group and head");
            };
        }
    }

    static final class FamilyConverter implements ITypeConverter<GateFamily> {
        @Override
        public GateFamily convert(String value) {
            return switch (value) {
                case "heads" -> GateFamily.HEADS;
                case "ffn" -> GateFamily.FFN;
                case "hidden" -> GateFamily.HIDDEN;
                default -> throw new TypeConversionException(
                        "'" + value + "' is nothing that gets masks; there are heads, ffn and hidden");
            };
        }
    }
}
