package espalier.engine.prune;

import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Space;
import espalier.engine.weights.LayerShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.IntPredicate;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/// Carries out a [Selection].
final class Selector {
    private final Selection selection;
    private final ModelShape initial;
    private final ModelShape current;
    private final List<RankedGroup> groups = new ArrayList<>();

    Selector(Selection selection, ModelShape initial, ModelShape current, List<UnitScores> scores) {
        this.selection = selection;
        this.initial = initial;
        this.current = current;
        if (initial.layers().size() != current.layers().size()) {
            throw new IllegalArgumentException("the model had %d layers and now has %d"
                    .formatted(initial.layers().size(), current.layers().size()));
        }
        switch (selection) {
            case Selection.Local local -> collect(local.attention(), local.ffn(), scores);
            case Selection.Global global -> collect(global.attention(), global.ffn(), scores);
            case Selection.Uniform _ -> {
                requireAlike(initial);
                requireAlike(current);
                LayerRange all = new LayerRange(0, current.layers().size());
                collect(all, all, scores);
            }
            case Selection.Channels _ ->
                add(
                        "hidden channels",
                        find(scores, Space.WHOLE_MODEL, Group.Kind.HIDDEN::equals, "hidden channels"),
                        current.hidden(),
                        1,
                        initial.hidden());
        }
    }

    /// The groups that may be pruned: of each layer attention, then FFN.
    List<RankedGroup> groups() {
        return groups;
    }

    /// How many units of each of [#groups] leave.
    int[] cuts(double ratio) {
        return cuts(requested(ratio));
    }

    /// Rounds what is asked of each group to what leaves.
    int[] cuts(int[] requested) {
        int align = align();
        int[] cuts = new int[groups.size()];
        Arrays.setAll(cuts, i -> groups.get(i).cut(requested[i], align));
        if (selection instanceof Selection.Uniform) {
            Arrays.setAll(
                    cuts,
                    i -> groups.get(i).group().kind().isAttention() ? dividingCut(groups.get(i), cuts[i]) : cuts[i]);
        }
        return cuts;
    }

    Selection.Selected select(double ratio) {
        int[] requested = requested(ratio);
        int[] cuts = cuts(requested);
        return new Selection.Selected(plan(cuts), notices(ratio, requested, cuts));
    }

    private int[] requested(double ratio) {
        if (!(ratio >= 0 && ratio < 1)) {
            throw new IllegalArgumentException("ratio must be in [0, 1), got " + ratio);
        }
        return switch (selection) {
            case Selection.Global _ -> requestedGlobally(ratio);
            case Selection.Local _, Selection.Uniform _, Selection.Channels _ ->
                groups.stream().mapToInt(group -> group.requested(ratio)).toArray();
        };
    }

    private int[] requestedGlobally(double ratio) {
        int[] requested = new int[groups.size()];
        int count = requestedUnits(ratio);
        if (count <= 0) {
            return requested;
        }
        double threshold = groups.stream()
                .flatMapToDouble(group -> IntStream.range(0, group.units()).mapToDouble(group::score))
                .sorted()
                .skip(count - 1)
                .findFirst()
                .orElseThrow();
        for (int i = 0; i < requested.length; i++) {
            RankedGroup group = groups.get(i);
            requested[i] = (int) IntStream.range(0, group.units())
                    .takeWhile(rank -> group.score(rank) <= threshold)
                    .count();
        }
        return requested;
    }

    private int requestedUnits(double ratio) {
        int units = groups.stream().mapToInt(RankedGroup::units).sum();
        int initialUnits = groups.stream().mapToInt(RankedGroup::initialUnits).sum();
        return units - (int) (initialUnits * (1 - ratio));
    }

    /// The multiple that kept FFN channels are rounded to.
    int align() {
        return switch (selection) {
            case Selection.Local local -> local.align();
            case Selection.Global global -> global.align();
            case Selection.Uniform uniform -> uniform.align();
            case Selection.Channels _ -> 1;
        };
    }

    private int dividingCut(RankedGroup group, int cut) {
        LayerShape layer = current.layers().get(group.group().layer());
        int queries = layer.heads() / layer.kvHeads();
        int smaller = cut;
        while (smaller > 0 && current.hidden() % ((group.units() - smaller) * queries) != 0) {
            smaller--;
        }
        return smaller;
    }

    private PruningPlan plan(int[] cuts) {
        PruningPlan all = PruningPlan.keepAll(current);
        List<PruningPlan.Kept> layers = new ArrayList<>(all.layers());
        int[] hidden = all.keptHidden();
        for (int i = 0; i < cuts.length; i++) {
            Group group = groups.get(i).group();
            int layer = group.layer();
            boolean[] kept = groups.get(i).kept(cuts[i]);
            switch (group.kind()) {
                case HEADS, KV_GROUPS -> {
                    int[] kvOfQuery = current.layers().get(layer).headMap().kvOfQuery();
                    int[] heads = indices(kvOfQuery.length, head -> kept[kvOfQuery[head]]);
                    layers.set(layer, new PruningPlan.Kept(heads, layers.get(layer).ffn()));
                }
                case FFN -> {
                    int[] channels = indices(kept.length, channel -> kept[channel]);
                    layers.set(layer, new PruningPlan.Kept(layers.get(layer).heads(), channels));
                }
                case HIDDEN -> hidden = indices(kept.length, channel -> kept[channel]);
            }
        }
        return new PruningPlan(current, all.keptLayers(), layers, hidden, all.factors(), normRule());
    }

    private NormRule normRule() {
        return selection instanceof Selection.Channels channels ? channels.normRule() : NormRule.RELEASED;
    }

    private List<Notice> notices(double ratio, int[] requested, int[] cuts) {
        List<Notice> notices = new ArrayList<>();
        if (selection instanceof Selection.Global) {
            int excess = IntStream.of(requested).sum() - Math.max(0, requestedUnits(ratio));
            if (excess > 0) {
                notices.add(new Notice(
                        Notice.Reason.OVERSHOOT,
                        List.of(),
                        "%d units more than requested score no better than the threshold and leave too"
                                .formatted(excess)));
            }
        }
        for (Group.Kind kind : Group.Kind.values()) {
            int[] ofKind = indices(cuts.length, i -> groups.get(i).group().kind() == kind);
            if (ofKind.length > 0 && ratio > 0) {
                noticesOf(kind, ratio, ofKind, requested, cuts, notices);
            }
        }
        return notices;
    }

    private void noticesOf(
            Group.Kind kind, double ratio, int[] ofKind, int[] requested, int[] cuts, List<Notice> notices) {
        if (IntStream.of(ofKind).allMatch(i -> requested[i] == 0
                && groups.get(i).units() == groups.get(i).initialUnits())) {
            notices.add(new Notice(
                    Notice.Reason.NOTHING_CUT,
                    layers(ofKind),
                    "ratio %s is too small for one of the %s%s%s"
                            .formatted(ratio, kind.label(), where(layers(ofKind)), firstRatio(ofKind))));
        }
        int[] whole = Arrays.stream(ofKind)
                .filter(i -> requested[i] > 0 && requested[i] == groups.get(i).units())
                .toArray();
        if (whole.length > 0) {
            notices.add(new Notice(
                    Notice.Reason.LEFT_WHOLE,
                    layers(whole),
                    "ratio %s would take the last of the %s%s, which all stay"
                            .formatted(ratio, kind.label(), where(layers(whole)))));
        }
        int[] rounded = Arrays.stream(ofKind)
                .filter(i -> kind == Group.Kind.FFN
                        && requested[i] > 0
                        && requested[i] < groups.get(i).units()
                        && cuts[i] == 0)
                .toArray();
        if (rounded.length > 0) {
            notices.add(new Notice(
                    Notice.Reason.LEFT_WHOLE,
                    layers(rounded),
                    "rounded to a multiple of %d, the %s%s all stay"
                            .formatted(align(), kind.label(), where(layers(rounded)))));
        }
        if (kind.isAttention() && selection instanceof Selection.Uniform) {
            RankedGroup group = groups.get(ofKind[0]);
            int asked = group.cut(requested[ofKind[0]], 1);
            if (asked != cuts[ofKind[0]]) {
                LayerShape layer = current.layers().getFirst();
                int queries = layer.heads() / layer.kvHeads();
                notices.add(new Notice(
                        Notice.Reason.WIDENED,
                        layers(ofKind),
                        "%d query heads stay instead of %d, whose number does not divide the hidden width %d"
                                .formatted(
                                        (group.units() - cuts[ofKind[0]]) * queries,
                                        (group.units() - asked) * queries,
                                        current.hidden())));
            }
        }
    }

    /// From which ratio on a first unit leaves, where the rule is one of counts alone.
    private String firstRatio(int[] ofKind) {
        if (selection instanceof Selection.Global) {
            return "";
        }
        double least = IntStream.of(ofKind)
                .mapToDouble(i -> {
                    int width = groups.get(i).group().unitWidth();
                    return (width - 1.0) / (groups.get(i).initialUnits() * width);
                })
                .min()
                .orElseThrow();
        return String.format(Locale.ROOT, "; a first one leaves above %.4f", least);
    }

    private List<Integer> layers(int[] indices) {
        return IntStream.of(indices)
                .mapToObj(i -> groups.get(i).group().layer())
                .filter(layer -> layer != Space.WHOLE_MODEL)
                .toList();
    }

    private static String where(List<Integer> layers) {
        if (layers.isEmpty()) {
            return "";
        }
        boolean run = layers.getLast() - layers.getFirst() == layers.size() - 1;
        return layers.size() == 1
                ? " of layer " + layers.getFirst()
                : run ? " of layers " + layers.getFirst() + ".." + layers.getLast() : " of layers " + layers;
    }

    private void collect(LayerRange attention, LayerRange ffn, List<UnitScores> scores) {
        attention.check("attention", current.layers().size());
        ffn.check("FFN", current.layers().size());
        for (int layer = 0; layer < current.layers().size(); layer++) {
            LayerShape now = current.layers().get(layer);
            LayerShape before = initial.layers().get(layer);
            if (attention.contains(layer) && now.kvHeads() > 0) {
                String name = "attention of layer " + layer;
                UnitScores found = find(scores, layer, Group.Kind::isAttention, name);
                add(name, found, now.kvHeads(), now.headDim(), before.kvHeads());
            }
            if (ffn.contains(layer) && now.ffn() > 0) {
                String name = "FFN channels of layer " + layer;
                add(name, find(scores, layer, Group.Kind.FFN::equals, name), now.ffn(), 1, before.ffn());
            }
        }
    }

    private static UnitScores find(List<UnitScores> scores, int layer, Predicate<Group.Kind> kind, String name) {
        List<UnitScores> found = scores.stream()
                .filter(score -> score.group().layer() == layer && kind.test(score.group().kind()))
                .toList();
        if (found.size() != 1) {
            throw new IllegalArgumentException("%d score vectors given for the %s, expected 1"
                    .formatted(found.size(), name));
        }
        return found.getFirst();
    }

    private void add(String name, UnitScores scores, int units, int width, int initialUnits) {
        Group group = scores.group();
        if (group.units() != units || group.unitWidth() != width) {
            throw new IllegalArgumentException("scores for the %s have %d units of %d channels, the model %d of %d"
                    .formatted(name, group.units(), group.unitWidth(), units, width));
        }
        groups.add(new RankedGroup(scores, initialUnits));
    }

    private static void requireAlike(ModelShape shape) {
        LayerShape first = shape.layers().getFirst();
        for (int layer = 0; layer < shape.layers().size(); layer++) {
            LayerShape other = shape.layers().get(layer);
            if (!other.equals(first) || !other.hasEqualGroups()) {
                throw new IllegalArgumentException(
                        "uniform pruning needs equal layers with equal query groups; layer %d is %s, layer 0 is %s"
                                .formatted(layer, other, first));
            }
        }
    }

    private static int[] indices(int count, IntPredicate wanted) {
        return IntStream.range(0, count).filter(wanted).toArray();
    }
}
