package espalier.eval;

/// The result of a perplexity measurement.
///
/// @param lossSum sum of the negative natural log-probabilities of all predicted tokens
/// @param tokens predicted tokens
/// @param windows sequences the model was run on
public record Perplexity(double lossSum, long tokens, int windows) {
    /// @return `exp(lossSum / tokens)`
    public double value() {
        return Math.exp(lossSum / tokens);
    }
}
