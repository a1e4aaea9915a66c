package espalier.engine.train;

import espalier.engine.model.Keep;
import espalier.engine.model.MemoryPlan;
import espalier.engine.model.ModelShape;

/// What decides about the memory of a run, whatever it trains.
///
/// @param shape of the model
/// @param weightBytes of its weights that are not trained
/// @param trained elements that are trained
/// @param settings of the run
/// @param training what is learnt from
/// @param validation what is held out
record TrainingMemory(
        ModelShape shape,
        long weightBytes,
        long trained,
        TrainingSettings settings,
        Examples training,
        Examples validation) {
    /// Activations are kept where they fit, since computing them again costs a third more.
    ///
    /// @param available bytes
    /// @return what a training forward keeps
    /// @throws IllegalArgumentException if a sequence is longer than the context, or the memory does not suffice
    Keep keep(long available) {
        requireContext(training);
        requireContext(validation);
        if (plan(Keep.ACTIVATIONS).total() <= available) {
            return Keep.ACTIVATIONS;
        }
        plan(Keep.LAYER_INPUTS).require(available);
        return Keep.LAYER_INPUTS;
    }

    private void requireContext(Examples examples) {
        if (examples.longest() > shape.maxPositions()) {
            throw new IllegalArgumentException("the longest sequence has %d tokens, the model's context is %d"
                    .formatted(examples.longest(), shape.maxPositions()));
        }
    }

    /// @param keep what a training forward keeps
    /// @return the plan
    MemoryPlan plan(Keep keep) {
        long longest = Math.max(training.longest(), validation.longest());
        long tokens = Math.multiplyExact(Math.min(settings.microBatch(), settings.batch()), longest);
        long parts = (settings.batch() + settings.microBatch() - 1L) / settings.microBatch();
        long levels = Long.SIZE - Long.numberOfLeadingZeros(parts);
        // Value, gradient, two moments; nodes of the tree; the best state; a state on its way to the disk.
        long copies = 4 + levels + 1 + 4;
        return MemoryPlan.training(shape, weightBytes, tokens, keep)
                .with("trained", Math.multiplyExact(trained, Float.BYTES * copies))
                .with("data", bytes(training) + bytes(validation));
    }

    private static long bytes(Examples examples) {
        // An array and a record for each sequence beside its ids.
        return examples.tokens() * Integer.BYTES + 48L * examples.size();
    }
}
