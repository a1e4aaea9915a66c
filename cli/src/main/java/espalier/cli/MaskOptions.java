package espalier.cli;

import espalier.engine.gates.GateFamily;
import espalier.engine.gates.GateLayout;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.GateSettings.Enabling;
import espalier.engine.gates.GateSettings.HeadUnit;
import espalier.engine.gates.GateSparsity;
import espalier.engine.gates.GateTraining;
import espalier.engine.gates.InitialGates;
import espalier.engine.gates.SparsitySchedule;
import espalier.engine.gates.WidthRule;
import espalier.engine.masked.MaskPruning;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelShape;
import java.util.Arrays;
import java.util.stream.Collectors;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// Which masks are trained, to which sparsity, and how.
final class MaskOptions {
    /// At 0.1 a step, a gate needs 92 steps from one end of its range to the other.
    private static final long GATE_STEPS = 100;

    private static final double RELEASED_MULTIPLIER_RATE = GateTraining.Rates.RELEASED.multipliers();
    private static final long MULTIPLIER_STEPS = 2000;

    @Option(
            names = "--sparsity",
            paramLabel = "S",
            converter = NumberRange.Share.class,
            description = "Share of the prunable parameters to remove, in (0, 1); needed.")
    private Double sparsity;

    // An option of its own, as the parser calls one with several names by the longest.
    @Option(
            names = "--target-prunable",
            paramLabel = "S",
            converter = NumberRange.Share.class,
            description = "The same by llm-pruner's name.")
    private Double prunable;

    @Option(
            names = "--sparsity-warmup",
            paramLabel = "W",
            converter = NumberRange.LongCountOrNone.class,
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
            converter = NumberRange.Positive.class,
            defaultValue = "0.1",
            description = "Learning rate of masks (default: ${DEFAULT-VALUE}).")
    private double rate;

    @Option(
            names = "--multiplier-lr",
            paramLabel = "L",
            converter = NumberRange.Positive.class,
            description = "Learning rate of the multipliers that hold masks to the sparsity, which grow by about so "
                    + "much a step (default: 0.1, and for fewer than 2000 steps with masks as much more as they are "
                    + "fewer).")
    private Double multiplierRate;

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
            names = "--layer-gates",
            paramLabel = "none|layer|attention-mlp",
            converter = EnablingConverter.class,
            defaultValue = "none",
            description = "Train gates that say which layers may lose heads and FFN channels, one a layer, or one for "
                    + "its attention and one for its FFN; what is under a closed one stays as wide as it is (default: "
                    + "${DEFAULT-VALUE}).")
    private Enabling layerGates;

    @Option(
            names = "--layer-gates-open",
            description = "Begin with these gates open. Otherwise they begin closed, and heads and FFN channels leave "
                    + "where one has opened.")
    private boolean layerGatesOpen;

    @Option(
            names = "--layers",
            paramLabel = "A:B",
            converter = WidthOptions.RangeConverter.class,
            description = "Layers that get masks, from A to B - 1 (default: all).")
    private LayerRange layers;

    @Option(
            names = "--align",
            paramLabel = "N",
            converter = NumberRange.Count.class,
            defaultValue = "1",
            description = "Keep FFN widths that are multiples of N, e.g. 32 or 128 (default: ${DEFAULT-VALUE}).")
    private int align;

    @Option(
            names = "--as-trained",
            description = "Write the masks with which the training ends, as the releases do, even if they miss the "
                    + "sparsity. Otherwise all gates are moved alike until they expect it, unless they expect less than "
                    + "half of it.")
    private boolean asTrained;

    @Option(names = "--uniform", description = "Keep the same widths in every layer.")
    private boolean uniform;

    /// @return whether it is said how much to remove
    boolean given() {
        return sparsity != null || prunable != null;
    }

    /// @return share of the prunable parameters to remove
    double sparsity() {
        return sparsity != null ? sparsity : prunable;
    }

    /// Refuses what is wrong whatever the model.
    void check() {
        if (sparsity != null && prunable != null) {
            throw new IllegalArgumentException("--sparsity and --target-prunable are the same, expected one of them");
        }
        if (uniform && layers != null) {
            throw new IllegalArgumentException("--uniform excludes --layers");
        }
        checkLayerGates();
        widths();
    }

    private void checkLayerGates() {
        if (layerGates == Enabling.NONE) {
            if (layerGatesOpen) {
                throw new IllegalArgumentException("--layer-gates-open needs --layer-gates layer or attention-mlp");
            }
            return;
        }
        if (uniform) {
            throw new IllegalArgumentException("--uniform excludes --layer-gates, which leave some layers wider");
        }
        if (!has(GateFamily.HEADS) || !has(GateFamily.FFN)) {
            throw new IllegalArgumentException("--layer-gates need --mask with heads and ffn, got --mask "
                    + Arrays.stream(families).map(GateFamily::label).collect(Collectors.joining(",")));
        }
    }

    private boolean has(GateFamily family) {
        return Arrays.asList(families).contains(family);
    }

    /// @param model the model
    /// @return its gates
    /// @throws IllegalArgumentException if they cannot reach the sparsity, there are no such layers, or none of them
    ///     could keep a width that is asked for
    GateSettings gates(ModelShape model) {
        int count = model.layers().size();
        GateSettings gates = new GateSettings(
                has(GateFamily.HEADS),
                has(GateFamily.FFN),
                has(GateFamily.HIDDEN),
                unit,
                layerGates,
                layers == null ? new LayerRange(0, count) : WidthOptions.checked("--layers", layers, count));
        new GateSparsity(new GateLayout(model, gates)).requireReachable(sparsity());
        if (gates.ffn()) {
            WidthOptions.requireAlign(align, model, gates.layers());
        }
        return gates;
    }

    /// @return what they begin as
    InitialGates initialGates() {
        InitialGates released = InitialGates.RELEASED;
        return new InitialGates(released.dropRate(), released.deviation(), layerGatesOpen);
    }

    /// @param steps with masks
    /// @param sevenths of them in which the method lets the sparsity rise
    /// @return what is aimed at
    /// @throws IllegalArgumentException if the run ends before
    SparsitySchedule schedule(long steps, int sevenths) {
        if (warmup != null && warmup >= steps) {
            throw new IllegalArgumentException(
                    "--sparsity-warmup is %d, expected less than the %d steps with masks".formatted(warmup, steps));
        }
        return new SparsitySchedule(sparsity(), warmup != null ? warmup : usualWarmup(steps, sevenths), shape);
    }

    static long usualWarmup(long steps, int sevenths) {
        return Math.max(sevenths * steps / 7, Math.min(GATE_STEPS, 4 * steps / 7));
    }

    /// @return where the masks come down
    MaskPruning.Landing landing() {
        return asTrained ? MaskPruning.Landing.AS_TRAINED : MaskPruning.Landing.ON_TARGET;
    }

    /// @param steps with masks
    /// @return learning rates
    GateTraining.Rates rates(long steps) {
        return new GateTraining.Rates(rate, multiplierRate != null ? multiplierRate : usualMultiplierRate(steps));
    }

    /// Nothing leaves before the multipliers outweigh what the task loses by it: on stories260k at about 170 to 250
    /// (`docs/results/methods-2026-11-30.md`), and the release's logs of LLaMA-7B end near 190 (l0-masks.md, section 11).
    /// 0.1 a step comes there in 2000 steps. How far a model needs is its own matter, so this is a beginning.
    static double usualMultiplierRate(long steps) {
        return RELEASED_MULTIPLIER_RATE * Math.max(1, (double) MULTIPLIER_STEPS / steps);
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

    static final class EnablingConverter implements ITypeConverter<Enabling> {
        @Override
        public Enabling convert(String value) {
            return switch (value) {
                case "none" -> Enabling.NONE;
                case "layer" -> Enabling.LAYER;
                case "attention-mlp" -> Enabling.ATTENTION_AND_MLP;
                default -> throw new TypeConversionException(
                        "'" + value + "' is not a kind of gates over layers; there are none, layer and attention-mlp");
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
