package espalier.engine.train;

/// A learning rate over the steps of a run, by the formulas of Hugging Face transformers (`optimization.py`): it rises
/// linearly over the warm-up and then follows its shape.
///
/// @param peak reached at the end of the warm-up; finite, not negative
/// @param shape what follows the warm-up
/// @param warmup steps of the warm-up, not negative
/// @param total steps of the run, positive
public record LearningRate(double peak, Shape shape, long warmup, long total) {
    /// What follows the warm-up.
    public enum Shape {
        /// Falls in a straight line to 0, which it would reach at step `total`.
        LINEAR,
        /// Falls along half a cosine to 0.
        COSINE,
        /// Stays.
        CONSTANT
    }

    /// Checks the ranges.
    public LearningRate {
        if (!(peak >= 0 && peak < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("learning rate is " + peak + ", expected a number that is not negative");
        }
        if (warmup < 0) {
            throw new IllegalArgumentException("warm-up steps must not be negative, got " + warmup);
        }
        if (total < 1) {
            throw new IllegalArgumentException("steps must be positive, got " + total);
        }
    }

    /// @param step steps done before: 0 for the first, whose rate is 0 where there is a warm-up
    /// @return the rate of the step that follows
    public double at(long step) {
        if (step < warmup) {
            return peak * ((double) step / warmup);
        }
        double progress = (double) (step - warmup) / Math.max(1, total - warmup);
        return switch (shape) {
            case LINEAR -> peak * Math.max(0, 1 - progress);
            case COSINE -> peak * Math.max(0, 0.5 * (1 + StrictMath.cos(Math.PI * Math.min(1, progress))));
            case CONSTANT -> peak;
        };
    }
}
