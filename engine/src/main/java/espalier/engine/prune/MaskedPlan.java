package espalier.engine.prune;

import espalier.engine.gates.GateLayout;
import espalier.engine.gates.GateMask;
import espalier.engine.gates.GateSparsity;
import espalier.engine.gates.MaskValues;
import espalier.engine.model.Architecture;
import espalier.engine.model.ModelShape;
import espalier.engine.model.ModelSize;
import espalier.engine.weights.LayerShape;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// What a deterministic mask leaves of a model: everything whose value is not 0, and these values folded into it
/// (l0-masks.md §10). The result equals the masked model.
///
/// @param plan what is kept
/// @param before size of the source
/// @param after size of the result
/// @param realised share of prunable parameters that the mask removes at widths that nothing rounded, as its method
///     counts
/// @param notices what a user should hear about it
public record MaskedPlan(
        PruningPlan plan, ModelSize before, ModelSize after, double realised, List<Notice> notices) {
    /// A sparsity that is missed by more is worth a notice.
    private static final double MISS = 0.01;
    /// Of a sparsity.
    private static final double ROUNDING = 1e-9;

    /// Copies the list.
    public MaskedPlan {
        notices = List.copyOf(notices);
    }

    /// @param architecture the model's family
    /// @param free the mask at widths that nothing rounds
    /// @param mask the mask that is applied: the same, or its gates' at rounded widths
    /// @param target sparsity that was wanted
    /// @param expected sparsity that the gates were trained to
    /// @return what the mask leaves
    /// @throws IllegalArgumentException if the masks are of other gates
    /// @throws IllegalStateException if it leaves no hidden channel
    public static MaskedPlan of(
            Architecture architecture, GateMask free, GateMask mask, double target, double expected) {
        GateLayout layout = mask.layout();
        if (free.layout() != layout) {
            throw new IllegalArgumentException("the mask at free widths and the one applied are of different gates");
        }
        ModelShape source = layout.model();
        PruningPlan plan = plan(source, mask.values());
        GateSparsity sparsity = new GateSparsity(layout);
        MaskedPlan masked = new MaskedPlan(
                plan, ModelSize.of(architecture, source), ModelSize.of(architecture, plan.resultShape()),
                sparsity.realised(free), List.of());
        List<Notice> notices = new ArrayList<>();
        emptied("attention head", plan, PruningPlan.Kept::heads, shape -> shape.heads() > 0, notices);
        emptied("FFN channel", plan, PruningPlan.Kept::ffn, shape -> shape.ffn() > 0, notices);
        double counted = sparsity.realised(mask);
        rounded(masked.realised(), counted, notices);
        String causes = causes(masked.realised(), target, expected, sparsity.halfHeadUnits());
        missed(masked.prunableRemoved(), counted, target, causes, notices);
        return new MaskedPlan(plan, masked.before(), masked.after(), masked.realised(), notices);
    }

    private static PruningPlan plan(ModelShape source, MaskValues values) {
        int[] hidden = open(source.hidden(), values::hidden);
        if (hidden.length == 0) {
            throw new IllegalStateException(
                    "the mask closes all %d hidden channels, nothing of the model would be left"
                            .formatted(source.hidden()));
        }
        int[] layers = IntStream.range(0, source.layers().size()).toArray();
        List<PruningPlan.Kept> kept = new ArrayList<>();
        for (int layer : layers) {
            kept.add(new PruningPlan.Kept(
                    open(source.layers().get(layer).heads(), head -> values.head(layer, head)),
                    open(source.layers().get(layer).ffn(), channel -> values.ffn(layer, channel))));
        }
        return new PruningPlan(source, layers, kept, hidden, values, NormRule.EXACT);
    }

    /// What a unit is multiplied by.
    @FunctionalInterface
    private interface Value {
        float of(int unit);
    }

    private static int[] open(int units, Value value) {
        return IntStream.range(0, units).filter(unit -> value.of(unit) > 0).toArray();
    }

    private static void emptied(
            String unit,
            PruningPlan plan,
            Function<PruningPlan.Kept, int[]> kept,
            Predicate<LayerShape> hadSome,
            List<Notice> notices) {
        List<Integer> layers = IntStream.range(0, plan.layers().size())
                .filter(layer -> hadSome.test(plan.source().layers().get(layer))
                        && kept.apply(plan.layers().get(layer)).length == 0)
                .boxed()
                .toList();
        if (!layers.isEmpty()) {
            notices.add(new Notice(
                    Notice.Reason.EMPTIED,
                    layers,
                    "no %s is left in layer%s %s".formatted(unit, layers.size() > 1 ? "s" : "", joined(layers))));
        }
    }

    private static String joined(List<Integer> layers) {
        return layers.stream().map(String::valueOf).collect(Collectors.joining(", "));
    }

    private static void rounded(double free, double rounded, List<Notice> notices) {
        if (free != rounded) {
            notices.add(new Notice(
                    Notice.Reason.ROUNDED,
                    List.of(),
                    "rounding the widths of layers changed the sparsity of the mask from %.4f to %.4f"
                            .formatted(free, rounded)));
        }
    }

    private static void missed(
            double removed, double counted, double target, String causes, List<Notice> notices) {
        if (!(Math.abs(removed - target) <= MISS)) {
            boolean countsLess = Math.abs(removed - counted) > ROUNDING;
            notices.add(new Notice(
                    Notice.Reason.MISSED,
                    List.of(),
                    "the result's sparsity is %.4f, wanted was %.4f".formatted(removed, target)
                            + (countsLess ? ", %.4f as the method counts it".formatted(counted) : "")
                            + causes));
        }
    }

    /// The training may end beside its target, and the mask beside what the training expects: both are said where they
    /// are. That widths are rounded has a notice of its own.
    private static String causes(double realised, double target, double expected, double halfUnits) {
        List<String> causes = new ArrayList<>();
        if (!(Math.abs(expected - target) <= MISS)) {
            causes.add("training ended at an expected sparsity of %.4f".formatted(expected));
        }
        if (halfUnits > 0 && !(Math.abs(realised - expected) <= MISS)) {
            causes.add(
                    "heads leave in whole units, and half a unit of each layer amounts to %.4f".formatted(halfUnits));
        }
        return causes.isEmpty() ? "" : ": " + String.join("; ", causes);
    }

    /// @return share of the prunable parameters that the result is without: all of their matrices counted, also those
    ///     of key/value heads that a method takes for constant
    public double prunableRemoved() {
        return before.prunableRemoved(after);
    }

    /// @return share of all parameters that the result is without
    public double totalRemoved() {
        return before.totalRemoved(after);
    }
}
