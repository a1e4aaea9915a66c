package espalier.engine.prune;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/// How the scores that a unit has in the matrices of its group become one. LLM-Pruner (arXiv 2305.11627), section 3.2.
public sealed interface Reduction {
    /// Over all scored members, channel by channel of the root axis.
    enum Stacked implements Reduction {
        /// The sum; the default.
        SUM,
        /// The arithmetic mean.
        MEAN,
        /// The largest.
        MAX,
        /// The product.
        PROD
    }

    /// One member, chosen by its place in the group.
    enum Position implements Reduction {
        /// The root: q_proj (k_proj with grouped queries), gate_proj, the embedding.
        FIRST,
        /// The matrix that a forward pass reads last: o_proj, down_proj, lm_head. The paper's "last-only".
        LAST
    }

    /// One member, chosen by name. Lists one name for each kind of group that is to be pruned.
    ///
    /// @param modules e.g. `o_proj` and `down_proj`; exactly one must be in a group
    record Named(List<String> modules) implements Reduction {
        /// Copies the list and checks the names.
        public Named {
            modules = List.copyOf(modules);
            for (String module : modules) {
                if (!MODULES.contains(module)) {
                    throw new IllegalArgumentException(
                            "reduction " + module + " is unknown; allowed: " + ALLOWED);
                }
            }
        }
    }

    /// Names that [Named] accepts.
    List<String> MODULES = List.of(
            "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "embed_tokens", "lm_head",
            "norm");

    /// What [#parse] accepts, in words.
    String ALLOWED = "sum, mean, max, prod, first, last, or matrices by name (" + String.join(", ", MODULES) + ")";

    /// @param text `sum`, `mean`, `max`, `prod`, `first`, `last`, or module names separated by commas
    /// @return the reduction
    /// @throws IllegalArgumentException listing what is allowed
    static Reduction parse(String text) {
        for (Stacked stacked : Stacked.values()) {
            if (stacked.name().toLowerCase(Locale.ROOT).equals(text)) {
                return stacked;
            }
        }
        for (Position position : Position.values()) {
            if (position.name().toLowerCase(Locale.ROOT).equals(text)) {
                return position;
            }
        }
        if (text.equals("second")) {
            throw new IllegalArgumentException("reduction second is refused: which matrix the release finds at that"
                    + " position is not established; name one instead: " + String.join(", ", MODULES));
        }
        return new Named(Arrays.asList(text.split(",", -1)));
    }

    /// Folds each score vector to the channels of the root axis by adding, reduces over the members, then adds up the
    /// channels of each unit.
    ///
    /// @param group what is scored
    /// @param scores for each of [Group#scored], in order, one score per channel
    /// @param fold how query heads are added to their key/value head
    /// @return `[units]`
    /// @throws IllegalArgumentException see [#requireFits]; or if there are other numbers of scores
    /// @throws ArithmeticException naming the first score that is not finite
    default double[] unitScores(Group group, List<double[]> scores, GqaFold fold) {
        List<Member> members = group.scored();
        if (scores.size() != members.size()) {
            throw new IllegalArgumentException("%s need %d score vectors, got %d"
                    .formatted(group.name(), members.size(), scores.size()));
        }
        double[] reduced = IntStream.of(chosen(group, members))
                .mapToObj(index -> fold(group, members.get(index), scores.get(index), fold))
                .reduce(this::combine)
                .orElseThrow();
        double divisor = this == Stacked.MEAN ? members.size() : 1;
        double[] units = new double[group.units()];
        for (int channel = 0; channel < reduced.length; channel++) {
            units[channel / group.unitWidth()] += reduced[channel] / divisor;
        }
        return units;
    }

    /// Refuses a group that [#unitScores] would refuse whatever its scores.
    ///
    /// @param group what is to be scored
    /// @param fold how query heads are added to their key/value head
    /// @throws IllegalArgumentException if this names none or several of the group's matrices, or the fold is the
    ///     released one and query groups differ
    default void requireFits(Group group, GqaFold fold) {
        List<Member> members = group.scored();
        for (int index : chosen(group, members)) {
            requireFits(group, members.get(index), fold);
        }
    }

    private int[] chosen(Group group, List<Member> members) {
        return switch (this) {
            case Stacked _ -> IntStream.range(0, members.size()).toArray();
            case Position.FIRST -> new int[] {0};
            case Position.LAST -> new int[] {members.indexOf(group.members().get(group.last()))};
            case Named(List<String> modules) -> {
                int[] named = IntStream.range(0, members.size())
                        .filter(index -> modules.contains(members.get(index).module()))
                        .toArray();
                if (named.length != 1) {
                    throw new IllegalArgumentException("reduction %s names %d of the matrices of the %s (%s), not one"
                            .formatted(
                                    String.join(",", modules),
                                    named.length,
                                    group.name(),
                                    String.join(", ", members.stream().map(Member::module).distinct().toList())));
                }
                yield named;
            }
        };
    }

    private double[] combine(double[] left, double[] right) {
        double[] result = new double[left.length];
        for (int i = 0; i < result.length; i++) {
            result[i] = switch (this) {
                case Stacked.SUM, Stacked.MEAN -> left[i] + right[i];
                case Stacked.MAX -> Math.max(left[i], right[i]);
                case Stacked.PROD -> left[i] * right[i];
                case Position _, Named _ -> throw new IllegalStateException(this + " combines nothing");
            };
        }
        return result;
    }

    private static void requireFits(Group group, Member member, GqaFold fold) {
        if (fold == GqaFold.RELEASED
                && Arrays.stream(group.channelsPerUnit(member)).distinct().count() > 1) {
            throw new IllegalArgumentException(
                    "the released fold needs equal query groups, which the " + group.name() + " are not");
        }
    }

    private static double[] fold(Group group, Member member, double[] scores, GqaFold fold) {
        if (scores.length != member.length()) {
            throw new IllegalArgumentException("%s of the %s has %d channels, got %d scores"
                    .formatted(member.label(), group.name(), member.length(), scores.length));
        }
        requireFits(group, member, fold);
        int rootLength = group.root().length();
        double[] folded = new double[rootLength];
        for (int channel = 0; channel < scores.length; channel++) {
            if (!Double.isFinite(scores[channel])) {
                throw new ArithmeticException("score of channel %d, %s of the %s, is %s"
                        .formatted(channel, member.label(), group.name(), scores[channel]));
            }
            int root = switch (fold) {
                case BY_GROUP -> member.rootChannelOf()[channel];
                case RELEASED -> channel % rootLength;
            };
            folded[root] += scores[channel];
        }
        return folded;
    }
}
