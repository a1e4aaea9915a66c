package espalier.engine.prune;

import espalier.engine.Progress;
import espalier.engine.model.Architecture;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.ModelSize;
import espalier.engine.model.Probe;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.CheckpointWriter;
import espalier.kernels.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Makes a smaller model of a folder: checks it, chooses what stays, proves and writes the result.
public final class Pruning {
    /// Where to and how, whatever the method.
    ///
    /// @param out the folder to write; its parent must exist
    /// @param dtype element type of the result; empty for each tensor's own
    /// @param writing shard size, and whether an existing result may be replaced
    /// @param memory most bytes that may be used
    public record Request(Path out, Optional<DType> dtype, CheckpointWriter.Options writing, long memory) {}

    private record Choice(
            PruningPlan plan,
            List<Notice> notices,
            Optional<TargetSearch.Reached> reached,
            double loss,
            Map<String, String> settings) {}

    private Pruning() {}

    /// @param base the open model; closed before the result is mapped
    /// @param method how to choose what goes
    /// @param request where to and how
    /// @param watch told how it goes
    /// @return what was written
    /// @throws IllegalArgumentException see [#check]
    /// @throws CheckpointException if a weight is not finite or beyond the range of the result's element type, naming
    ///     it, if the source changed meanwhile, or if scores were computed with other settings, naming them
    /// @throws ArithmeticException if the calibration loss or a score is not finite
    /// @throws IllegalStateException if a proof fails; nothing is left behind
    /// @throws IOException if samples or scores cannot be read, or something cannot be written; then no result is left
    ///     behind
    public static Pruned run(ModelFolder base, PruningMethod method, Request request, PruningWatch watch)
            throws IOException {
        check(base, method, request);
        Architecture architecture = Architecture.forModelType(base.config().modelType());
        ModelShape shape = base.model().shape();
        Choice choice = switch (method) {
            case PruningMethod.FirstLayers first -> firstLayers(base, first, watch);
            case PruningMethod.ByGroups groups -> byGroups(base, groups, request.memory(), watch);
        };
        watch.chosen(choice.notices());
        Compaction.Written written = Compaction.write(base, choice.plan(), new Compaction.Request(
                request.out(),
                request.dtype(),
                request.writing(),
                Optional.empty(),
                choice.settings(),
                Probe.of(shape)));
        return new Pruned(
                request.out(),
                ModelSize.of(architecture, shape),
                ModelSize.of(architecture, written.shape()),
                choice.plan(),
                choice.notices(),
                choice.reached(),
                choice.loss(),
                written);
    }

    /// Refuses, before weights and samples are read, what [#run] would refuse.
    ///
    /// @param base the open model
    /// @param method how to choose what goes
    /// @param request where to and how
    /// @throws IllegalArgumentException if the memory does not suffice, listing its parts, or if the method does not
    ///     fit the model
    /// @throws IOException if there is something at `out` that may not be replaced
    public static void check(ModelFolder base, PruningMethod method, Request request) throws IOException {
        PruningMemory.of(base, method).require(request.memory());
        CheckpointWriter.checkTarget(request.out(), request.writing().overwrite());
        ModelShape shape = base.model().shape();
        switch (method) {
            case PruningMethod.FirstLayers first -> PruningPlan.keepFirstLayers(shape, first.count());
            case PruningMethod.ByGroups groups ->
                groups.settings().requireFit(
                        Architecture.forModelType(base.config().modelType()).graph(shape));
        }
    }

    /// All that decides about the result of [#run], to tell whether one that is there is the one that is asked for.
    ///
    /// @param base the model
    /// @param method how to choose what goes
    /// @param dtype element type of the result; empty for each tensor's own
    /// @return settings, and hashes of weights and samples
    /// @throws IOException if weights or samples cannot be read
    public static Map<String, String> origin(ModelFolder base, PruningMethod method, Optional<DType> dtype)
            throws IOException {
        Map<String, String> origin = MethodSettings.ofPlan(method);
        origin.put("dtype", dtype.map(DType::name).orElse("as stored"));
        switch (method) {
            case PruningMethod.FirstLayers first -> origin.put("model", base.fingerprint());
            case PruningMethod.ByGroups groups -> {
                origin.putAll(MethodSettings.ofScores(groups, base));
                origin.put("target", groups.settings().target().toString());
            }
        }
        return origin;
    }

    private static Choice firstLayers(ModelFolder base, PruningMethod.FirstLayers method, PruningWatch watch)
            throws IOException {
        PruningPlan plan = PruningPlan.keepFirstLayers(base.model().shape(), method.count());
        checkWeights(base, watch);
        return new Choice(plan, List.of(), Optional.empty(), Double.NaN, MethodSettings.ofPlan(method));
    }

    private static Choice byGroups(
            ModelFolder base, PruningMethod.ByGroups method, long memory, PruningWatch watch) throws IOException {
        checkWeights(base, watch);
        Optional<LlmPruner.ScoresAt> scoresAt = Optional.empty();
        if (method.scores().isPresent()) {
            scoresAt = Optional.of(
                    new LlmPruner.ScoresAt(method.scores().get(), MethodSettings.ofScores(method, base)));
        }
        LlmPruner.Calibration calibration =
                method.samples().map(PruningMethod.Samples::calibration).orElse(step -> new int[0][]);
        LlmPruner.Chosen chosen =
                LlmPruner.choose(base, method.settings(), calibration, scoresAt, memory, watch.scoring());
        Map<String, String> settings = MethodSettings.ofPlan(method);
        settings.put("group_ratio", Double.toString(chosen.reached().ratio()));
        return new Choice(
                chosen.plan(), chosen.notices(), Optional.of(chosen.reached()), chosen.loss(), settings);
    }

    /// Reads all weights, so whatever else can be wrong is checked before.
    private static void checkWeights(ModelFolder base, PruningWatch watch) throws IOException {
        Progress progress = watch.checking();
        long all = base.checkpoint().bytes();
        long[] done = {0};
        base.checkpoint().checkFinite(bytes -> progress.at(done[0] += bytes, all));
        base.checkpoint().releasePages();
    }
}
