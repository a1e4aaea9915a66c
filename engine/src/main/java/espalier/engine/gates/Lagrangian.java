package espalier.engine.gates;

/// The constraint's share of the loss, `lambda1 g + lambda2 g^2` for the gap `g` between expected and wanted sparsity.
/// The multipliers are unconstrained; as they ascend, the second only grows.
///
/// @param lambda1 multiplier of the gap
/// @param lambda2 multiplier of its square
public record Lagrangian(double lambda1, double lambda2) {
    /// @param gap expected minus wanted sparsity
    /// @return share of the loss
    public double value(double gap) {
        return lambda1 * gap + lambda2 * gap * gap;
    }

    /// @param gap expected minus wanted sparsity
    /// @return d value / d gap
    public double slope(double gap) {
        return lambda1 + 2 * lambda2 * gap;
    }

    /// @param gap expected minus wanted sparsity
    /// @return `[2]`, d value / d lambda1 and d value / d lambda2
    public static double[] multiplierGradient(double gap) {
        return new double[] {gap, gap * gap};
    }
}
