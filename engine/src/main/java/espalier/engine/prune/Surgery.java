package espalier.engine.prune;

import espalier.engine.gates.MaskValues;
import espalier.engine.model.Architecture;
import espalier.engine.model.ChannelGraph;
import espalier.engine.model.Space;
import espalier.engine.model.Step;
import espalier.engine.model.Step.Signal;
import espalier.engine.model.TensorShape;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/// A plan worked out for each tensor of the result (l0-masks.md §10).
///
/// Where soft factors fold: an FFN factor into the rows of gate_proj and up_proj, since it multiplies both
/// pre-activations; a head factor into the columns of o_proj, the one place that is right for grouped queries too; a
/// hidden factor into every contribution to the residual stream: the embedding's columns, and the rows and bias of
/// o_proj and down_proj. Where embedding and lm_head are one matrix, the final norm's weight is divided by the hidden
/// factor, which undoes the embedding's for lm_head, so the tie stays.
///
/// @param plan what is kept
/// @param cuts the cut of each tensor of the result, by its name in the result, in the order of a forward pass
record Surgery(PruningPlan plan, Map<String, TensorCut> cuts) {
    /// @param architecture the model's family
    /// @param plan what is kept
    /// @return the cuts
    /// @throws IllegalArgumentException if a kept hidden channel of a tied model has the factor 0
    static Surgery of(Architecture architecture, PruningPlan plan) {
        requireUndoable(plan);
        ChannelGraph graph = architecture.graph(plan.source());
        Map<String, TensorCut> bySourceName = new LinkedHashMap<>();
        for (Step step : graph.steps()) {
            cut(step, plan, bySourceName);
        }
        Map<String, TensorCut> cuts = new LinkedHashMap<>();
        for (TensorShape tensor : architecture.graph(plan.resultShape()).tensors()) {
            cuts.put(tensor.name(), bySourceName.get(sourceName(tensor.name(), plan.keptLayers())));
        }
        return new Surgery(plan, cuts);
    }

    private static void requireUndoable(PruningPlan plan) {
        for (int channel : plan.keptHidden()) {
            if (plan.source().tied() && plan.factors().hidden(channel) == 0) {
                throw new IllegalArgumentException("hidden channel " + channel + " is kept with the factor 0, which the"
                        + " final norm of a tied model cannot undo");
            }
        }
    }

    /// Layer `i` of the result is layer `keptLayers[i]` of the source.
    private static String sourceName(String name, int[] keptLayers) {
        String prefix = "model.layers.";
        if (!name.startsWith(prefix)) {
            return name;
        }
        int dot = name.indexOf('.', prefix.length());
        int layer = Integer.parseInt(name.substring(prefix.length(), dot));
        return prefix + keptLayers[layer] + name.substring(dot);
    }

    private static void cut(Step step, PruningPlan plan, Map<String, TensorCut> cuts) {
        switch (step) {
            case Step.Embed(int _, TensorShape weight, Signal out) ->
                cuts.put(weight.name(), new TensorCut(
                        weight, kept(plan, weight.rowSpaces()), plan.kept(out.space()), NONE, hiddenFactors(plan, 1)));
            case Step.Norm(int layer, TensorShape weight, Signal in, Signal _) ->
                cuts.put(weight.name(), new TensorCut(
                        weight, plan.kept(in.space()), ONE_COLUMN, normFactors(plan, layer), NONE));
            case Step.HeadNorm(int _, TensorShape weight, Signal _, Signal _) ->
                cuts.put(weight.name(), new TensorCut(weight, TensorCut.all(weight.rows()), ONE_COLUMN, NONE, NONE));
            case Step.Linear linear -> cutLinear(linear, plan, cuts);
            case Step.Attend _, Step.SwiGlu _, Step.Add _ -> {}
        }
    }

    private static final int[] ONE_COLUMN = {0};
    private static final double[] NONE = {};

    private static void cutLinear(Step.Linear linear, PruningPlan plan, Map<String, TensorCut> cuts) {
        TensorShape weight = linear.weight();
        int[] rows = kept(plan, weight.rowSpaces());
        double[] rowFactors = outputFactors(linear, plan);
        // A tied lm_head is the embedding, whose cut is made already.
        cuts.putIfAbsent(weight.name(), new TensorCut(
                weight, rows, plan.kept(linear.in().space()), rowFactors, inputFactors(linear, plan)));
        linear.bias().ifPresent(bias ->
                cuts.put(bias.name(), new TensorCut(bias, rows, ONE_COLUMN, rowFactors, NONE)));
    }

    private static int[] kept(PruningPlan plan, List<Space> spaces) {
        int[] all = {};
        int offset = 0;
        for (Space space : spaces) {
            int[] kept = plan.kept(space);
            int base = offset;
            int[] joined = Arrays.copyOf(all, all.length + kept.length);
            for (int i = 0; i < kept.length; i++) {
                joined[all.length + i] = base + kept[i];
            }
            all = joined;
            offset += space.width(plan.source());
        }
        return all;
    }

    private static double[] outputFactors(Step.Linear linear, PruningPlan plan) {
        MaskValues factors = plan.factors();
        double[] all = {};
        for (Signal out : linear.outs()) {
            int layer = out.space().layer();
            double[] part = switch (out.space().kind()) {
                case FFN -> factors(out.width(), factors.ffn().isEmpty(), channel -> factors.ffn(layer, channel));
                case HIDDEN -> hiddenFactors(plan, 1);
                case VOCAB, QUERY, KV, HEAD -> NONE;
            };
            if (part.length == 0 && linear.outs().size() == 1) {
                return NONE;
            }
            double[] joined = Arrays.copyOf(all, all.length + out.width());
            Arrays.fill(joined, all.length, joined.length, 1);
            System.arraycopy(part, 0, joined, all.length, part.length);
            all = joined;
        }
        return all;
    }

    private static double[] inputFactors(Step.Linear linear, PruningPlan plan) {
        Space space = linear.in().space();
        if (space.kind() != Space.Kind.QUERY) {
            return NONE;
        }
        int headDim = plan.source().layers().get(space.layer()).headDim();
        MaskValues factors = plan.factors();
        return factors(linear.in().width(), factors.heads().isEmpty(),
                channel -> factors.head(space.layer(), channel / headDim));
    }

    private static double[] hiddenFactors(PruningPlan plan, int power) {
        MaskValues factors = plan.factors();
        return factors(plan.source().hidden(), factors.hidden().length == 0,
                channel -> StrictMath.pow(factors.hidden(channel), power));
    }

    private static double[] normFactors(PruningPlan plan, int layer) {
        double common = plan.normRule().weightFactor(plan.source().hidden(), plan.keptHidden().length);
        boolean undoesEmbedding = layer == Space.WHOLE_MODEL
                && plan.source().tied()
                && plan.factors().hidden().length > 0;
        if (!undoesEmbedding && common == 1) {
            return NONE;
        }
        double[] result = undoesEmbedding ? hiddenFactors(plan, -1) : ones(plan.source().hidden());
        for (int i = 0; i < result.length; i++) {
            result[i] *= common;
        }
        return result;
    }

    private static double[] factors(int width, boolean absent, IntToDoubleFunction factor) {
        return absent ? NONE : IntStream.range(0, width).mapToDouble(factor).toArray();
    }

    private static double[] ones(int width) {
        double[] ones = new double[width];
        Arrays.fill(ones, 1);
        return ones;
    }
}
