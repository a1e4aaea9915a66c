package espalier.cli;

import espalier.engine.model.Architecture;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelShape;
import espalier.engine.prune.Groups;
import espalier.engine.prune.NormRule;
import espalier.engine.prune.PruningPlan;
import espalier.engine.prune.Selection;
import espalier.engine.prune.UnitScores;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// Which widths pruning leaves, as far as that does not depend on scores.
final class WidthOptions {
    private static final int RELEASED_KEEP_LAYERS = 12;

    /// What is removed.
    enum Mode {
        /// Heads or key/value groups, and FFN channels.
        BLOCK,
        /// Residual channels.
        CHANNEL,
        /// Whole layers at the end.
        LAYER
    }

    @Option(
            names = "--mode",
            paramLabel = "block|channel|layer",
            converter = ModeConverter.class,
            defaultValue = "block",
            description = "Remove heads and FFN channels (default), residual channels, or the last layers.")
    Mode mode;

    @Option(
            names = "--layers",
            paramLabel = "A:B",
            converter = RangeConverter.class,
            description = "Layers that may be pruned, from A to B - 1 (default: all).")
    private LayerRange layers;

    @Option(
            names = "--attention-layers",
            paramLabel = "A:B",
            converter = RangeConverter.class,
            description = "Layers that may lose heads (default: --layers).")
    private LayerRange attentionLayers;

    @Option(
            names = "--mlp-layers",
            paramLabel = "A:B",
            converter = RangeConverter.class,
            description = "Layers that may lose FFN channels (default: --layers).")
    private LayerRange mlpLayers;

    @Option(names = "--keep-layers", paramLabel = "N", description = "Layers kept in mode layer (default: 12).")
    private Integer keepLayers;

    @Option(
            names = "--align",
            paramLabel = "N",
            converter = NumberRange.Count.class,
            defaultValue = "1",
            description = "Keep FFN widths that are multiples of N (default: 1).")
    private int align;

    @Option(names = "--uniform", description = "Keep the same widths in every layer.")
    private boolean uniform;

    /// @param layerCount layers of the model
    /// @return the first layers, as mode layer keeps them
    /// @throws IllegalArgumentException if there are not so many
    int keptLayers(int layerCount) {
        int kept = keepLayers == null ? RELEASED_KEEP_LAYERS : keepLayers;
        if (kept < 1 || kept > layerCount) {
            throw new IllegalArgumentException(
                    "--keep-layers must be 1 to %d, the model's layers, got %d".formatted(layerCount, kept));
        }
        return kept;
    }

    /// @param shape the model
    /// @param global whether all groups compete with each other
    /// @param norm what happens to norms in mode channel
    /// @return which units compete
    /// @throws IllegalArgumentException if options contradict each other or reach beyond the model
    Selection selection(ModelShape shape, boolean global, NormRule norm) {
        int layerCount = shape.layers().size();
        checkCombination();
        if (global && (uniform || mode != Mode.BLOCK)) {
            throw new IllegalArgumentException(
                    "--ranking global excludes --uniform and the modes channel and layer");
        }
        if (align != 1 && mode != Mode.BLOCK) {
            throw new IllegalArgumentException("--align needs --mode block");
        }
        return switch (mode) {
            case CHANNEL -> new Selection.Channels(norm);
            case BLOCK -> {
                LayerRange mlp = mlpLayers(layerCount);
                requireAlign(align, shape, mlp);
                if (uniform) {
                    yield new Selection.Uniform(align);
                }
                LayerRange attention = attentionLayers(layerCount);
                if (attention.start() == attention.end() && mlp.start() == mlp.end()) {
                    throw new IllegalArgumentException("the layer ranges name no layer, so nothing would be pruned");
                }
                yield global ? new Selection.Global(attention, mlp, align) : new Selection.Local(attention, mlp, align);
            }
            case LAYER -> throw new IllegalStateException("mode layer selects no units");
        };
    }

    /// @param layerCount layers of the model
    /// @return layers that may lose heads or key/value groups
    /// @throws IllegalArgumentException naming the option, if its layers reach beyond the model
    LayerRange attentionLayers(int layerCount) {
        return attentionLayers != null
                ? checked("--attention-layers", attentionLayers, layerCount)
                : anyLayers(layerCount);
    }

    /// @param layerCount layers of the model
    /// @return layers that may lose FFN channels
    /// @throws IllegalArgumentException naming the option, if its layers reach beyond the model
    LayerRange mlpLayers(int layerCount) {
        return mlpLayers != null ? checked("--mlp-layers", mlpLayers, layerCount) : anyLayers(layerCount);
    }

    private LayerRange anyLayers(int layerCount) {
        return layers != null ? checked("--layers", layers, layerCount) : new LayerRange(0, layerCount);
    }

    /// @param option that names the layers
    /// @return the layers
    /// @throws IllegalArgumentException naming the option, if they reach beyond the model
    static LayerRange checked(String option, LayerRange range, int layerCount) {
        if (range.end() > layerCount) {
            throw new IllegalArgumentException(
                    "%s %s reaches beyond the model's %d layers".formatted(option, range, layerCount));
        }
        return range;
    }

    /// Refuses a multiple that is above every width, so that layers could only stay as they are. A layer that is
    /// narrower than others does that, see [espalier.engine.model.AlignedWidth].
    ///
    /// @param align from `--align`
    /// @param shape the model
    /// @param pruned its layers that may lose FFN channels
    /// @throws IllegalArgumentException naming the option, and the widest of these layers
    static void requireAlign(int align, ModelShape shape, LayerRange pruned) {
        OptionalInt widest = IntStream.range(pruned.start(), pruned.end())
                .reduce((a, b) -> shape.layers().get(b).ffn() > shape.layers().get(a).ffn() ? b : a);
        if (align > 1 && widest.isPresent() && align > shape.layers().get(widest.getAsInt()).ffn()) {
            throw new IllegalArgumentException("--align is %d, expected at most %d, the FFN channels of layer %d"
                    .formatted(align, shape.layers().get(widest.getAsInt()).ffn(), widest.getAsInt()));
        }
    }

    /// @return whether any option but the mode was given
    boolean given() {
        return layers != null || attentionLayers != null || mlpLayers != null || keepLayers != null || uniform
                || align != 1 || mode != Mode.BLOCK;
    }

    private void checkCombination() {
        boolean ranges = layers != null || attentionLayers != null || mlpLayers != null;
        if (ranges && (uniform || mode != Mode.BLOCK)) {
            throw new IllegalArgumentException(
                    (uniform ? "--uniform" : "--mode " + mode.name().toLowerCase(Locale.ROOT))
                            + " excludes --layers, --attention-layers and --mlp-layers");
        }
        if (keepLayers != null && mode != Mode.LAYER) {
            throw new IllegalArgumentException("--keep-layers needs --mode layer");
        }
    }

    /// @param architecture the model's family
    /// @param shape the model
    /// @param ratio share of groups to be cut; unused in mode layer
    /// @return the model after pruning, whichever units it loses
    ModelShape shapeAfter(Architecture architecture, ModelShape shape, double ratio) {
        int layerCount = shape.layers().size();
        if (mode == Mode.LAYER) {
            checkCombination();
            return PruningPlan.keepFirstLayers(shape, keptLayers(layerCount)).resultShape();
        }
        var scores = Groups.of(architecture.graph(shape)).all().stream().map(UnitScores::equal).toList();
        return selection(shape, false, NormRule.RELEASED).select(ratio, shape, scores).plan().resultShape();
    }

    static final class ModeConverter implements ITypeConverter<Mode> {
        @Override
        public Mode convert(String value) {
            for (Mode mode : Mode.values()) {
                if (mode.name().toLowerCase(Locale.ROOT).equals(value)) {
                    return mode;
                }
            }
            throw new TypeConversionException("'" + value + "' is not a mode; there are block, channel and layer");
        }
    }

    static final class RangeConverter implements ITypeConverter<LayerRange> {
        @Override
        public LayerRange convert(String value) {
            try {
                return LayerRange.parse(value);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }
}
