package espalier.engine.model;

/// Losses of single tokens.
///
/// @param values `[tokens]`, natural logarithm; 0 where there was no target
/// @param sum of the values
/// @param count tokens with a target
public record TokenLosses(double[] values, double sum, int count) {
    static TokenLosses of(double[] values, int count) {
        double sum = 0;
        for (double value : values) {
            sum += value;
        }
        return new TokenLosses(values, sum, count);
    }

    /// @return the mean over tokens with a target
    /// @throws IllegalStateException if there is none
    public double mean() {
        if (count == 0) {
            throw new IllegalStateException("no token has a target");
        }
        return sum / count;
    }
}
