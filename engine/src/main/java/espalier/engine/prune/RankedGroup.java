package espalier.engine.prune;

import espalier.engine.model.AlignedWidth;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/// A group whose units are in order of importance.
final class RankedGroup {
    private final UnitScores scores;
    private final int[] order;
    private final int initialUnits;

    /// @param scores the group's scores
    /// @param initialUnits units before the first step of pruning, at least those that it has
    RankedGroup(UnitScores scores, int initialUnits) {
        this.scores = scores;
        this.initialUnits = initialUnits;
        double[] values = scores.scores();
        // Adding 0 makes -0 equal to 0, so that equal scores keep their order.
        order = IntStream.range(0, values.length)
                .boxed()
                .sorted(Comparator.comparingDouble(unit -> values[unit] + 0.0))
                .mapToInt(Integer::intValue)
                .toArray();
        if (initialUnits < values.length) {
            throw new IllegalArgumentException("%s: %d units now, but only %d initially"
                    .formatted(group().name(), values.length, initialUnits));
        }
    }

    Group group() {
        return scores.group();
    }

    int units() {
        return order.length;
    }

    int initialUnits() {
        return initialUnits;
    }

    /// The unit of a rank, 0 for the least important.
    int unit(int rank) {
        return order[rank];
    }

    /// The score of a rank.
    double score(int rank) {
        return scores.scores()[order[rank]] + 0.0;
    }

    /// How many units a ratio asks for, perhaps all.
    int requested(double ratio) {
        int width = group().unitWidth();
        int channels = units() * width - (int) ((double) (initialUnits * width) * (1 - ratio));
        return Math.max(channels, 0) / width;
    }

    /// How many units leave when so many are asked for: none instead of all, and FFN channels that stay rounded.
    int cut(int requested, int align) {
        if (requested == 0 || requested == units()) {
            return 0;
        }
        if (group().kind() != Group.Kind.FFN) {
            return requested;
        }
        return units() - AlignedWidth.of(units() - requested, units(), align);
    }

    /// Which units stay when so many leave.
    boolean[] kept(int cut) {
        boolean[] kept = new boolean[units()];
        Arrays.fill(kept, true);
        for (int rank = 0; rank < cut; rank++) {
            kept[order[rank]] = false;
        }
        return kept;
    }
}
