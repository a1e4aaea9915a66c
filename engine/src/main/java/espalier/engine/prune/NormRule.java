package espalier.engine.prune;

/// What happens to RMSNorm when residual channels leave, since it then averages over fewer of them.
public enum NormRule {
    /// Nothing, as in the LLM-Pruner release. The result differs from the source with those channels set to zero.
    RELEASED,
    /// Weights grow by `sqrt(before / after)` and epsilon by `before / after`, which cancels the change of the divisor:
    /// the result equals the source with those channels set to zero.
    EXACT;

    /// @param before residual width of the source
    /// @param after residual width that is kept
    /// @return what every norm weight is multiplied by
    public double weightFactor(int before, int after) {
        return switch (this) {
            case RELEASED -> 1;
            case EXACT -> Math.sqrt((double) before / after);
        };
    }

    /// @param eps epsilon of the source
    /// @param before residual width of the source
    /// @param after residual width that is kept
    /// @return epsilon of the result
    public double eps(double eps, int before, int after) {
        return switch (this) {
            case RELEASED -> eps;
            case EXACT -> eps * before / after;
        };
    }
}
