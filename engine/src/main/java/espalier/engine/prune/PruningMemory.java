package espalier.engine.prune;

import espalier.engine.model.Architecture;
import espalier.engine.model.MemoryPlan;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.ModelSize;
import espalier.engine.model.Probe;
import espalier.engine.model.StepPlan;
import espalier.engine.model.Workload;

/// How much memory a pruning will need.
public final class PruningMemory {
    private PruningMemory() {}

    /// @param base the model
    /// @param method how it is pruned
    /// @return the plan
    public static MemoryPlan of(ModelFolder base, PruningMethod method) {
        Architecture architecture = Architecture.forModelType(base.config().modelType());
        ModelShape shape = base.model().shape();
        long weights = base.checkpoint().bytes();
        return switch (method) {
            case PruningMethod.FirstLayers _ -> withoutGradients(architecture, shape, weights);
            case PruningMethod.ByGroups groups -> groups.samples()
                    .map(samples -> withGradients(architecture, shape, weights, samples.count(), samples.tokens()))
                    .orElseGet(() -> withoutGradients(architecture, shape, weights));
        };
    }

    /// A pruning whose scores need gradients, at least.
    ///
    /// @param architecture the model's family
    /// @param shape the model
    /// @param weightBytes of its mapped files
    /// @param samples calibration sequences
    /// @param tokens of each
    /// @return the plan
    public static MemoryPlan withGradients(
            Architecture architecture, ModelShape shape, long weightBytes, int samples, int tokens) {
        return StepPlan.smallest(scoring(architecture, shape, weightBytes, samples, tokens));
    }

    /// The pass that a pruning with gradients scores by. It is run once for each of its steps, which does not pay for
    /// packing the weights.
    ///
    /// @param architecture the model's family
    /// @param shape the model
    /// @param weightBytes of its mapped files
    /// @param samples calibration sequences
    /// @param tokens of each
    /// @return with all that is held meanwhile
    public static Workload scoring(
            Architecture architecture, ModelShape shape, long weightBytes, int samples, int tokens) {
        // Two norms for each layer and the last one, needed where hidden channels are scored.
        long norms = (long) samples * shape.hidden() * (2L * shape.layers().size() + 1);
        return Workload.of(shape, Math.multiplyExact((long) samples, tokens), weightBytes)
                .withSequences(tokens)
                .with("gradient_tiles", (TaylorScores.MOST_TILE_FLOATS + norms) * Float.BYTES + TaylorScores.GROWTH)
                .with("cut_layer", cutLayer(architecture, shape, weightBytes));
    }

    /// A pruning by magnitudes, at random, or of whole layers.
    ///
    /// @param architecture the model's family
    /// @param shape the model
    /// @param weightBytes of its mapped files
    /// @return the plan
    public static MemoryPlan withoutGradients(Architecture architecture, ModelShape shape, long weightBytes) {
        MemoryPlan plan = MemoryPlan.inference(shape, weightBytes, Probe.MOST_TOKENS, 0);
        return plan.with("cut_layer", cutLayer(architecture, shape, weightBytes));
    }

    /// What [espalier.engine.model.StreamedModel] holds at most of the smaller model: one layer, embedding and lm_head,
    /// as large as before.
    private static long cutLayer(Architecture architecture, ModelShape shape, long weightBytes) {
        ModelSize size = ModelSize.of(architecture, shape);
        long inLayers = size.layers().stream().mapToLong(ModelSize.LayerSize::parameters).sum();
        long largest = size.layers().stream().mapToLong(ModelSize.LayerSize::parameters).max().orElse(0);
        double bytesPerParameter = (double) weightBytes / size.parameters();
        return Math.round((largest + size.parameters() - inLayers) * bytesPerParameter);
    }
}
