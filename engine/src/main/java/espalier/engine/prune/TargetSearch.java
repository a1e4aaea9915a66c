package espalier.engine.prune;

import espalier.engine.model.Axis;
import espalier.engine.model.ChannelGraph;
import espalier.engine.model.Space;
import espalier.engine.model.Step;
import espalier.engine.model.TensorShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/// Finds the group ratio whose outcome comes nearest to a wanted size.
///
/// The size is a step function of the ratio with finitely many steps: it can only change where
/// `(int) (initial * (1 - s))` does, or, ranking globally, from one score to the next. Every outcome is weighed, in
/// ascending order of the ratio, and of equally near ones the first is taken, so the search is exact and deterministic
/// even where a group that would vanish is left whole and the size jumps back, which a bisection could miss.
public final class TargetSearch {
    /// What a ratio reaches.
    ///
    /// @param ratio share of each group's units
    /// @param prunableShare share of prunable parameters that is removed
    /// @param totalShare share of all parameters that is removed
    public record Reached(double ratio, double prunableShare, double totalShare) {}

    private record Removed(long prunable, long total) {}

    private final Selector selector;
    private final boolean global;
    private final List<long[]> prunableRemoved = new ArrayList<>();
    private final List<long[]> totalRemoved = new ArrayList<>();
    private final long prunable;
    private final long total;

    private TargetSearch(Selection selection, ChannelGraph graph, List<UnitScores> scores) {
        selector = new Selector(selection, graph.shape(), graph.shape(), scores);
        global = selection instanceof Selection.Global;
        Map<String, TensorShape> tensors = new HashMap<>();
        graph.tensors().forEach(tensor -> tensors.put(tensor.name(), tensor));
        Map<String, TensorShape> matrices = new HashMap<>();
        for (Step step : graph.steps()) {
            if (step instanceof Step.Linear linear && linear.layer() != Space.WHOLE_MODEL) {
                matrices.put(linear.weight().name(), linear.weight());
            }
        }
        total = elements(tensors);
        prunable = elements(matrices);
        if (prunable == 0) {
            throw new IllegalArgumentException("the model has no prunable parameters");
        }
        for (RankedGroup group : selector.groups()) {
            totalRemoved.add(removed(group, tensors));
            prunableRemoved.add(removed(group, matrices));
        }
    }

    /// @param selection what may be pruned
    /// @param target how much is to go
    /// @param graph a model that has not been pruned before
    /// @param scores scores of at least the groups that may be pruned. Unless the selection is global or query groups
    ///     are unequal, only the widths matter and [UnitScores#equal] will do.
    /// @return the ratio, and what it reaches
    public static Reached search(
            Selection selection, SizeTarget target, ChannelGraph graph, List<UnitScores> scores) {
        TargetSearch search = new TargetSearch(selection, graph, scores);
        return switch (target) {
            case SizeTarget.GroupRatio(double ratio) -> search.reached(ratio);
            case SizeTarget.Prunable(double share) -> search.nearest(share, Reached::prunableShare);
            case SizeTarget.Total(double share) -> search.nearest(share, Reached::totalShare);
        };
    }

    /// Refuses a model that [#search] would refuse whatever its scores.
    ///
    /// @param selection what may be pruned
    /// @param graph a model that has not been pruned before
    /// @param groups what will be scored
    /// @throws IllegalArgumentException if there is nothing to prune, or the selection needs layers that are alike
    static void requireFits(Selection selection, ChannelGraph graph, List<Group> groups) {
        search(
                selection, new SizeTarget.GroupRatio(0), graph, groups.stream().map(UnitScores::equal).toList());
    }

    private Reached nearest(double wanted, ToDoubleFunction<Reached> share) {
        Reached nearest = reached(0);
        for (Reached candidate : global ? globalOutcomes() : localOutcomes()) {
            double distance = Math.abs(share.applyAsDouble(candidate) - wanted);
            if (distance < Math.abs(share.applyAsDouble(nearest) - wanted)) {
                nearest = candidate;
            }
        }
        return nearest;
    }

    /// One ratio between each two at which some group's count changes.
    private List<Reached> localOutcomes() {
        double[] changes = selector.groups().stream()
                .mapToInt(group -> group.initialUnits() * group.group().unitWidth())
                .distinct()
                .boxed()
                .flatMapToDouble(channels ->
                        IntStream.rangeClosed(1, channels).mapToDouble(kept -> 1 - (double) kept / channels))
                .sorted()
                .distinct()
                .toArray();
        double[] ends = DoubleStream.concat(Arrays.stream(changes), DoubleStream.of(1)).toArray();
        return IntStream.range(0, changes.length)
                .mapToObj(i -> reached((ends[i] + ends[i + 1]) / 2))
                .toList();
    }

    /// The outcome of cutting up to each distinct score.
    private List<Reached> globalOutcomes() {
        record Unit(double score, int group) {}
        List<RankedGroup> groups = selector.groups();
        List<Unit> units = IntStream.range(0, groups.size())
                .boxed()
                .flatMap(i -> IntStream.range(0, groups.get(i).units())
                        .mapToObj(rank -> new Unit(groups.get(i).score(rank), i)))
                .sorted(Comparator.comparingDouble(Unit::score))
                .toList();
        List<Reached> outcomes = new ArrayList<>();
        int[] requested = new int[groups.size()];
        int[] cuts = selector.cuts(requested);
        Removed removed = removed(cuts);
        for (int i = 0; i < units.size(); i++) {
            int group = units.get(i).group();
            requested[group]++;
            int cut = groups.get(group).cut(requested[group], selector.align());
            removed = new Removed(
                    removed.prunable() + prunableRemoved.get(group)[cut] - prunableRemoved.get(group)[cuts[group]],
                    removed.total() + totalRemoved.get(group)[cut] - totalRemoved.get(group)[cuts[group]]);
            cuts[group] = cut;
            boolean last = i + 1 == units.size();
            if (last || units.get(i + 1).score() > units.get(i).score()) {
                outcomes.add(reached((i + 0.5) / units.size(), removed));
            }
        }
        return outcomes;
    }

    private Reached reached(double ratio) {
        return reached(ratio, removed(selector.cuts(ratio)));
    }

    private Reached reached(double ratio, Removed removed) {
        return new Reached(ratio, (double) removed.prunable() / prunable, (double) removed.total() / total);
    }

    private Removed removed(int[] cuts) {
        long ofPrunable = 0;
        long ofTotal = 0;
        for (int i = 0; i < cuts.length; i++) {
            ofPrunable += prunableRemoved.get(i)[cuts[i]];
            ofTotal += totalRemoved.get(i)[cuts[i]];
        }
        return new Removed(ofPrunable, ofTotal);
    }

    /// For each number of units that may leave a group, the elements of these tensors that leave with them.
    private static long[] removed(RankedGroup ranked, Map<String, TensorShape> tensors) {
        Group group = ranked.group();
        long[] elements = new long[group.units()];
        for (Member member : group.members()) {
            TensorShape tensor = tensors.get(member.tensor());
            if (tensor != null) {
                int[] channels = group.channelsPerUnit(member);
                int across = member.axis() == Axis.ROWS ? tensor.cols() : tensor.rows();
                Arrays.setAll(elements, unit -> elements[unit] + (long) channels[unit] * across);
            }
        }
        long[] removed = new long[group.units() + 1];
        for (int rank = 0; rank < group.units(); rank++) {
            removed[rank + 1] = removed[rank] + elements[ranked.unit(rank)];
        }
        return removed;
    }

    private static long elements(Map<String, TensorShape> tensors) {
        return tensors.values().stream().mapToLong(TensorShape::elements).sum();
    }
}
