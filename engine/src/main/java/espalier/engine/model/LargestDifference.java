package espalier.engine.model;

/// The largest of several differences, and where it was found. The first NaN counts as the largest, and stays.
public final class LargestDifference {
    private double value;
    private String where = "nowhere";

    /// No difference yet: 0, nowhere.
    public LargestDifference() {}

    /// @param place what was compared
    /// @param difference at least 0, or NaN
    public void add(String place, double difference) {
        // Negated, since every comparison with a NaN is false; the first part keeps one that was found.
        if (!Double.isNaN(value) && !(difference <= value)) {
            value = difference;
            where = place;
        }
    }

    /// @return the largest difference; NaN if there was one
    public double value() {
        return value;
    }

    /// @return where it was found
    public String where() {
        return where;
    }
}
