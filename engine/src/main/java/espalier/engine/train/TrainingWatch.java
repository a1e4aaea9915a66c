package espalier.engine.train;

import java.io.IOException;

/// Told how a run goes, from the thread that runs it.
public interface TrainingWatch {
    /// Tells nobody and never stops a run.
    TrainingWatch NONE = new TrainingWatch() {};

    /// A step that was done.
    ///
    /// @param step its number, from 1
    /// @param steps of the run
    /// @param loss mean over the labelled tokens of its batch
    /// @param validationLoss of the last validation; NaN if there was none
    /// @param learningRate of the first group; NaN if the optimiser has nothing to step
    /// @param gradientNorm before clipping
    /// @param tokensPerSecond of the run so far, validations not counted
    /// @param secondsLeft estimate, validations not counted
    /// @param skippedSteps steps of the run that were skipped because loss or gradient were not finite
    /// @param beside what was trained beside the optimiser's weights, in a few words, e.g. `sparsity 0.118 of 0.150`;
    ///     empty if nothing was
    record Step(
            long step,
            long steps,
            double loss,
            double validationLoss,
            double learningRate,
            double gradientNorm,
            double tokensPerSecond,
            double secondsLeft,
            long skippedSteps,
            String beside) {}

    /// @param step a step that was done
    /// @throws IOException if what is made of it cannot be written
    default void step(Step step) throws IOException {}

    /// @param step steps done
    /// @param text what the weights write at that point
    default void sample(long step, String text) {}

    /// @param step steps done
    /// @param done validation sequences run
    /// @param total of them
    default void validating(long step, long done, long total) {}

    /// @param message for the log
    default void say(String message) {}

    /// @return whether the run shall save its state and end
    default boolean isStopRequested() {
        return false;
    }
}
