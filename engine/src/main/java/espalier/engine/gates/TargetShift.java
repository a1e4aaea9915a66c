package espalier.engine.gates;

/// Moves trained gates onto the target that their training ended beside: all log-alphas by one amount, which keeps their
/// order. Not in the releases, whose runs of thousands of steps end near their target; in short ones the multipliers
/// still swing.
public final class TargetShift {
    /// Below this share of the target gates have not been told apart yet, and which of them leave would be noise.
    private static final double LEAST = 0.5;
    /// As far as from one end of a gate's range to the other, and again as far.
    private static final double MOST = 4 * HardConcrete.MAX_LOG_ALPHA;
    /// Halvings of that, to below the spacing of F32.
    private static final int HALVINGS = 40;

    private TargetShift() {}

    /// @param layout the gates
    /// @param logAlpha one per gate, finite
    /// @param target expected sparsity that is wanted, reachable
    /// @return log-alphas that expect it; the same if these expect less than half of it, or if no shift would, as
    ///     gates over layers are closed
    public static double[] to(GateLayout layout, double[] logAlpha, double target) {
        GateSparsity sparsity = new GateSparsity(layout);
        double closing = -MOST;
        boolean isToldApart = sparsity.expected(logAlpha) >= LEAST * target;
        if (!isToldApart || sparsity.expected(moved(layout, logAlpha, closing)) < target) {
            return logAlpha;
        }
        double opening = MOST;
        for (int i = 0; i < HALVINGS; i++) {
            double middle = (closing + opening) / 2;
            if (sparsity.expected(moved(layout, logAlpha, middle)) > target) {
                closing = middle;
            } else {
                opening = middle;
            }
        }
        return moved(layout, logAlpha, (closing + opening) / 2);
    }

    /// Gates that enable others stay: they say whether, not how much.
    private static double[] moved(GateLayout layout, double[] logAlpha, double shift) {
        double[] moved = logAlpha.clone();
        for (GateBlock block : layout.blocks()) {
            if (!block.family().isEnabling()) {
                for (int i = block.offset(); i < block.end(); i++) {
                    moved[i] += shift;
                }
            }
        }
        return moved;
    }
}
