package espalier.engine.model;

import espalier.engine.weights.LayerShape;
import java.util.List;
import java.util.Optional;

/// How a step is run within a limit of memory: whether frozen weights are packed once, and how many layers keep their
/// activations. Neither changes a bit of its results.
///
/// @param isPacked whether packed copies of the weights are made
/// @param keep what a forward keeps
/// @param memory what is planned to be held
public record StepPlan(boolean isPacked, Keep keep, MemoryPlan memory) {
    /// Part of a forward's time that packed weights save: 1.66 s became 1.56 s at 2048 tokens of SmolLM2-135M, see
    /// `docs/results/cpu-2026-11-24.md`.
    private static final double PACKING_SAVES = 0.06;

    /// The fastest of the plans that fit. Work is counted by the elements of the weights that are gone through, as
    /// attention is a small part of it; the backward itself takes the same time in all plans.
    ///
    /// @param work what is run
    /// @param limit bytes that may be used
    /// @return the plan
    /// @throws IllegalArgumentException if even the smallest does not fit, listing its parts
    public static StepPlan choose(Workload work, long limit) {
        Optional<StepPlan> plain = mostKept(work, false, limit);
        Optional<StepPlan> packed = work.copyBytes() == 0 ? Optional.empty() : mostKept(work, true, limit);
        if (plain.isEmpty() && packed.isEmpty()) {
            smallest(work).require(limit);
        }
        if (plain.isEmpty() || packed.isEmpty()) {
            return plain.or(() -> packed).orElseThrow();
        }
        return packed.get().cost(work) < plain.get().cost(work) ? packed.get() : plain.get();
    }

    /// @param work what is run
    /// @return what it takes at least
    public static MemoryPlan smallest(Workload work) {
        return MemoryPlan.training(work, Keep.LAYER_INPUTS, false);
    }

    private static Optional<StepPlan> mostKept(Workload work, boolean isPacked, long limit) {
        for (int layers = work.shape().layers().size(); layers >= 0; layers--) {
            Keep keep = Keep.lastLayers(layers);
            MemoryPlan memory = MemoryPlan.training(work, keep, isPacked);
            if (memory.total() <= limit) {
                return Optional.of(new StepPlan(isPacked, keep, memory));
            }
        }
        return Optional.empty();
    }

    /// How long what differs between plans takes, in elements of weights gone through.
    private double cost(Workload work) {
        List<LayerShape> layers = work.shape().layers();
        double elements = (double) work.shape().hidden() * work.shape().vocab();
        double again = 0;
        for (int layer = 0; layer < layers.size(); layer++) {
            double ofLayer = elements(work.shape().hidden(), layers.get(layer));
            elements += ofLayer;
            again += keep.hasActivations(layer, layers.size()) ? 0 : ofLayer;
        }
        return ((work.hasTeacher() ? 2 : 1) * elements + again) * (isPacked ? 1 - PACKING_SAVES : 1);
    }

    private static double elements(int hidden, LayerShape layer) {
        return (double) hidden * (2 * layer.queryWidth() + 2 * layer.kvWidth() + 3 * layer.ffn());
    }

    /// @return bytes that copies of the weights may take, for [PackedModel#of]
    public long mostCopyBytes() {
        return isPacked ? Long.MAX_VALUE : 0;
    }

    /// @param layers of the model
    /// @return the choice in words
    public String describe(int layers) {
        return "weights are %s, %d of %d layers keep their activations; planned are %,d bytes".formatted(
                isPacked ? "packed" : "not packed", Math.min(layers, keep.lastLayers()), layers, memory.total());
    }
}
