package espalier.engine.train;

import espalier.engine.model.Parameter;
import java.io.IOException;
import java.util.List;

/// What a run minimises: a loss over examples, and the gradients of what is trained.
public interface Objective {
    /// A part of a batch.
    ///
    /// @param examples the sequences
    /// @param step steps of the run done before: the key of dropout and samples
    /// @param firstRow index of the first sequence in the whole batch, likewise
    /// @param batchRows sequences of the whole batch
    /// @param scale of the gradient: 1 / number of labelled tokens of the whole batch
    record MicroBatch(Examples examples, long step, int firstRow, int batchRows, double scale) {}

    /// Losses of some tokens.
    ///
    /// @param sum in nats
    /// @param labels tokens that are predicted
    /// @param tokens all of them
    record LossSum(double sum, long labels, long tokens) {
        /// Nothing.
        public static final LossSum ZERO = new LossSum(0, 0, 0);

        /// @param other losses of other tokens
        /// @return of both
        public LossSum plus(LossSum other) {
            return new LossSum(sum + other.sum, labels + other.labels, tokens + other.tokens);
        }

        /// @return mean over the predicted tokens; 0 if there is none
        public double mean() {
            return labels == 0 ? 0 : sum / labels;
        }
    }

    /// @return what has gradients: the optimiser's parameters, and what [#beside] reads the gradients of
    List<Parameter> parameters();

    /// @return what is trained with other rules than the optimiser's
    default TrainedBeside beside() {
        return TrainedBeside.NONE;
    }

    /// Runs forward and backward; adds the gradient of `scale` times the sum of the losses to the parameters' gradients.
    ///
    /// @param part of a batch
    /// @return its losses, not scaled
    /// @throws IOException if something that it needs cannot be read
    LossSum train(MicroBatch part) throws IOException;

    /// Runs forward, without dropout.
    ///
    /// @param examples a few sequences
    /// @return their losses
    LossSum evaluate(Examples examples);
}
