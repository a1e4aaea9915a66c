package espalier.kernels;

/// The scalars of one step of AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101), see [Ops#adamW]. They are computed
/// in float64 and rounded to F32 once, by the backend.
///
/// @param learningRate finite; negative for gradient ascent
/// @param beta1 decay of the first moment, in `[0, 1)`
/// @param beta2 decay of the second moment, in `[0, 1)`
/// @param eps added to the root of the second moment, not negative
/// @param weightDecay finite, not negative
/// @param step number of this step, from 1: it decides the bias corrections
/// @param gradientScale what the gradient is multiplied by first, finite: 1, or the factor of a clipped norm
public record AdamWStep(
        double learningRate, double beta1, double beta2, double eps, double weightDecay, long step,
        double gradientScale) {
    /// Checks the ranges.
    public AdamWStep {
        finite("learningRate", learningRate);
        fraction("beta1", beta1);
        fraction("beta2", beta2);
        notNegative("eps", eps);
        notNegative("weightDecay", weightDecay);
        finite("gradientScale", gradientScale);
        if (step < 1) {
            throw new IllegalArgumentException("step must be positive, got " + step);
        }
    }

    private static void finite(String name, double value) {
        if (!Double.isFinite(value)) {
            throw new IllegalArgumentException(name + " must be finite, got " + value);
        }
    }

    private static void fraction(String name, double value) {
        if (!(value >= 0 && value < 1)) {
            throw new IllegalArgumentException(name + " must be at least 0 and below 1, got " + value);
        }
    }

    private static void notNegative(String name, double value) {
        if (!(value >= 0 && value < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(name + " must be finite and not negative, got " + value);
        }
    }

    /// @return what a parameter is multiplied by before its update
    public double keptFraction() {
        return 1 - learningRate * weightDecay;
    }

    /// @return learning rate over the first moment's bias correction
    public double stepSize() {
        return learningRate / (1 - StrictMath.pow(beta1, step));
    }

    /// @return root of the second moment's bias correction
    public double rootOfCorrection2() {
        return StrictMath.sqrt(1 - StrictMath.pow(beta2, step));
    }
}
