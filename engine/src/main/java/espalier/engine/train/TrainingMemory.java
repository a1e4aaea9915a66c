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
    /// @throws IllegalArgumentException if a sequence is longer than the context
    public Workload workload() {
        requireContext(training);
        requireContext(validation);
        long longest = Math.max(training.longest(), validation.longest());
        long tokens = Math.multiplyExact(Math.min(settings.microBatch(), settings.batch()), longest);
        long parts = (settings.batch() + settings.microBatch() - 1L) / settings.microBatch();
        long levels = Long.SIZE - Long.numberOfLeadingZeros(parts);
        // Value, gradient, two moments; nodes of the tree; the best state; a state on its way to the disk.
        long copies = 4 + levels + 1 + 4;
        return Workload.of(shape, tokens, weightBytes)
                .with("trained", Math.multiplyExact(trained, Float.BYTES * copies))
                .with("data", bytes(training) + bytes(validation));
    }

    private void requireContext(Examples examples) {
        if (examples.longest() > shape.maxPositions()) {
            throw new IllegalArgumentException("the longest sequence has %d tokens, the model's context is %d"
                    .formatted(examples.longest(), shape.maxPositions()));
        }
    }

    private static long bytes(Examples examples) {
        // An array and a record for each sequence beside its ids.
        return examples.tokens() * Integer.BYTES + 48L * examples.size();
    }
}
