package espalier.engine.prune;

/// How important each unit of a group is.
///
/// @param group the group
/// @param scores `[units]`, finite; the smallest leave first
public record UnitScores(Group group, double[] scores) {
    /// Checks length and values, and copies the array.
    public UnitScores {
        scores = scores.clone();
        if (scores.length != group.units()) {
            throw new IllegalArgumentException(
                    "%s have %d units, got %d scores".formatted(group.name(), group.units(), scores.length));
        }
        for (int unit = 0; unit < scores.length; unit++) {
            if (!Double.isFinite(scores[unit])) {
                throw new IllegalArgumentException(
                        "score of unit %d of the %s is %s".formatted(unit, group.name(), scores[unit]));
            }
        }
    }

    /// @param group a group
    /// @return equal scores, for plans of which only the widths matter: the first units leave first
    public static UnitScores equal(Group group) {
        return new UnitScores(group, new double[group.units()]);
    }
}
