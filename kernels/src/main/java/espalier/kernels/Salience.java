package espalier.kernels;

/// What one weight element contributes to a unit's importance: LLM-Pruner (Ma et al. 2023, arXiv:2305.11627) Eq. 3 to 6
/// as released, and the magnitude baselines. `w` the weight, `g` the gradient of the batch's loss, `a` the mean over
/// samples of the squared per-sample gradients.
public enum Salience {
    /// `w g`, summed with its sign; the absolute value is taken of the sum ("vectorize").
    VECTOR(true, false),
    /// `|w g|` ("param_first").
    FIRST_ORDER(true, false),
    /// `|w a w|` ("param_second").
    SECOND_ORDER(false, true),
    /// `|w g - 0.5 w a w|` ("param_mix").
    MIXED(true, true),
    /// `|w|`.
    L1(false, false),
    /// `w^2`, no root taken.
    L2(false, false);

    private final boolean needsGradient;
    private final boolean needsMeanSquare;

    Salience(boolean needsGradient, boolean needsMeanSquare) {
        this.needsGradient = needsGradient;
        this.needsMeanSquare = needsMeanSquare;
    }

    /// @return whether the batch gradient is read
    public boolean needsGradient() {
        return needsGradient;
    }

    /// @return whether the mean of squared per-sample gradients is read
    public boolean needsMeanSquare() {
        return needsMeanSquare;
    }

    /// One element's contribution.
    ///
    /// @param w weight
    /// @param g gradient of the batch's loss
    /// @param a mean of the squared per-sample gradients
    /// @return the contribution; [#VECTOR]'s keeps its sign
    public double of(double w, double g, double a) {
        return switch (this) {
            case VECTOR -> w * g;
            case FIRST_ORDER -> Math.abs(w * g);
            case SECOND_ORDER -> Math.abs(w * a * w);
            case MIXED -> Math.abs(w * g - 0.5 * w * a * w);
            case L1 -> Math.abs(w);
            case L2 -> w * w;
        };
    }
}
