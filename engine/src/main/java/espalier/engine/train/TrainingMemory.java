package espalier.engine.train;

import espalier.engine.model.ModelShape;
import espalier.engine.model.Workload;

/// What decides about the memory of a run, whatever it trains.
///
/// @param shape of the model
/// @param weightBytes of its weights that are not trained
/// @param trained elements that are trained
/// @param settings of the run
/// @param training what is learnt from
/// @param validation what is held out
public record TrainingMemory(
        ModelShape shape,
        long weightBytes,
        long trained,
        TrainingSettings settings,
        Examples training,
        Examples validation) {
    /// @return the work of a micro-batch, without adapters, and what is held beside
    /// @throws IllegalArgumentException if a sequence is longer than the context or has an id that the model does not
    ///     know
    public Workload workload() {
        requireFit(training);
        requireFit(validation);
        int longest = Math.max(training.longest(), validation.longest());
        return workload(shape, weightBytes, trained, settings.batch(), settings.microBatch(), longest)
                .with("data", bytes(training) + bytes(validation));
    }

    /// @param shape of the model
    /// @param weightBytes of its weights that are not trained
    /// @param trained elements that are trained
    /// @param batch sequences of a step
    /// @param microBatch sequences that are run at once
    /// @param longest tokens of a sequence
    /// @return the work of a micro-batch, without adapters and data
    public static Workload workload(
            ModelShape shape, long weightBytes, long trained, int batch, int microBatch, int longest) {
        long tokens = Math.multiplyExact((long) Math.min(microBatch, batch), longest);
        long parts = (batch + microBatch - 1L) / microBatch;
        long levels = Long.SIZE - Long.numberOfLeadingZeros(parts);
        // Value, gradient, two moments; nodes of the tree; the best state; a state on its way to the disk.
        long copies = 4 + levels + 1 + 4;
        return Workload.of(shape, tokens, weightBytes)
                .withSequences(longest)
                .with("trained", Math.multiplyExact(trained, Float.BYTES * copies));
    }

    private void requireFit(Examples examples) {
        if (examples.longest() > shape.maxPositions()) {
            throw new IllegalArgumentException("the longest sequence has %d tokens, the model's context is %d"
                    .formatted(examples.longest(), shape.maxPositions()));
        }
        examples.list().forEach(example -> shape.requireIds("the data", example.ids()));
    }

    private static long bytes(Examples examples) {
        // An array and a record for each sequence beside its ids.
        return examples.tokens() * Integer.BYTES + 48L * examples.size();
    }
}
