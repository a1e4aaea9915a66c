package espalier.engine.train;

import espalier.kernels.Check;
import espalier.kernels.Dropout;

/// How a run goes through its data.
///
/// @param steps of the optimiser, positive
/// @param batch sequences of a step, positive
/// @param microBatch sequences that are run at once, positive; changes sums in their last bits and nothing else
/// @param seed of the order of the data, and of dropout
/// @param clip largest norm of the gradient, or 0 for no clipping
/// @param evalEvery steps between two validations, positive; the first and the last step have one too
/// @param saveEvery steps between two saved states, positive
public record TrainingSettings(
        long steps, int batch, int microBatch, long seed, double clip, long evalEvery, long saveEvery) {
    /// Checks the ranges.
    public TrainingSettings {
        positive("steps", steps);
        Check.positive("batch", batch);
        if (batch > Dropout.MOST_BATCH_ROWS) {
            throw new IllegalArgumentException("batch is %d, expected at most %d: dropout tells no more rows apart"
                    .formatted(batch, Dropout.MOST_BATCH_ROWS));
        }
        Check.positive("micro-batch", microBatch);
        if (!(clip >= 0 && clip < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("clip is " + clip + ", expected a number that is not negative");
        }
        positive("steps between validations", evalEvery);
        positive("steps between saved states", saveEvery);
    }

    private static void positive(String name, long value) {
        if (value < 1) {
            throw new IllegalArgumentException(name + " must be positive, got " + value);
        }
    }

    /// @param more steps before these, not negative
    /// @return the settings of a run with them
    public TrainingSettings after(long more) {
        return new TrainingSettings(
                Math.addExact(steps, more), batch, microBatch, seed, clip, evalEvery, saveEvery);
    }

    boolean isEvaluated(long step) {
        return step == 0 || step == steps || step % evalEvery == 0;
    }
}
