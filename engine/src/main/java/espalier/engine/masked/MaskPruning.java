package espalier.engine.masked;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.adapt.LoraMerge;
import espalier.engine.adapt.LoraState;
import espalier.engine.adapt.PeftAdapter;
import espalier.engine.gates.DeterministicMask;
import espalier.engine.gates.GateLayout;
import espalier.engine.gates.GateSparsity;
import espalier.engine.gates.TargetShift;
import espalier.engine.gates.WidthRule;
import espalier.engine.model.Architecture;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Probe;
import espalier.engine.prune.Compaction;
import espalier.engine.prune.LoraCut;
import espalier.engine.prune.MaskedPlan;
import espalier.engine.prune.Notice;
import espalier.engine.prune.PruningMemory;
import espalier.engine.train.RunConfig;
import espalier.engine.train.RunDescription;
import espalier.engine.train.RunFolder;
import espalier.engine.train.TrainingWatch;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.FileHash;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.ModelPrompt;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/// Makes a smaller model of a folder by masks that are trained in a run directory.
///
/// The masks are folded into the weights of a smaller base and the adapters are cut to it, so that the result is a base
/// with adapters, as it was in training; merging them comes last.
public final class MaskPruning {
    /// A change of sparsity that a user should hear of.
    private static final double WORTH_SAYING = 0.01;

    /// What to do.
    ///
    /// @param baseName name or path of the model, for files
    /// @param training what to train, and how
    /// @param landing where the masks come down
    /// @param widths that may be left
    /// @param dtype element type of the result; empty for each tensor's own
    /// @param merge whether adapters are merged into the written model, and the smaller base stays in the run
    ///     directory; else the base is what is written, with the adapters in its folder `adapter`
    /// @param prompt that the examples begin with, which the written model carries; empty if they have none
    /// @param shardBytes most tensor bytes of a written file
    /// @param program name and version of the program: another one may have other kernels
    public record Request(
            String baseName,
            MaskTraining.Request training,
            Landing landing,
            WidthRule widths,
            Optional<DType> dtype,
            boolean merge,
            Optional<ModelPrompt> prompt,
            long shardBytes,
            String program) {}

    /// Where the masks of a run that ends beside its target come down.
    public enum Landing {
        /// On the target, see [TargetShift].
        ON_TARGET,
        /// Where the training ended, as in the releases.
        AS_TRAINED
    }

    private MaskPruning() {}

    /// All that decides about the result, for the run directory.
    ///
    /// @param base the model
    /// @param request what to do
    /// @param data where the examples come from, for the reader of the file
    /// @return the resolved configuration
    /// @throws IllegalArgumentException if it cannot be done, see [MaskTraining#check] and [WidthRule#requireFits]
    public static RunConfig configuration(ModelFolder base, Request request, ObjectNode data) {
        MaskTraining.Request training = request.training();
        ModelShape shape = base.model().shape();
        long weightBytes = base.checkpoint().bytes();
        MaskTraining.check(shape, weightBytes, training);
        request.widths().requireFits(new GateLayout(shape, training.gates()));
        PruningMemory.withoutGradients(Architecture.forModelType(base.config().modelType()), shape, weightBytes)
                .require(training.memory());
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        ObjectNode model = json.putObject("model");
        model.put("name", request.baseName());
        model.put("fingerprint", base.fingerprint());
        json.set("data", data);
        MaskDescription.put(json, training, request.landing(), request.widths());
        training.adapters().ifPresent(state -> RunDescription.putAdapters(json, state));
        RunDescription.putTraining(
                json, training.training(), training.validation(), training.settings(), training.learningRate(),
                training.optimiser());
        json.put("dtype", request.dtype().map(DType::name).orElse("as stored"));
        json.put("merge", request.merge());
        json.put("prompt", request.prompt().map(ModelPrompt::style).orElse("none"));
        RunDescription.putMachine(json, base.model().ops(), request.program());
        return new RunConfig(json, RunDescription.FREE);
    }

    /// Trains, from the beginning or from where the run was left, and writes the result.
    ///
    /// @param base the model; closed when the smaller one is written
    /// @param request what to do
    /// @param run the run directory, configured with [#configuration]
    /// @param watch told of steps
    /// @return what `result.json` says; nothing if the run was asked to stop before its end
    /// @throws ArithmeticException see [espalier.engine.train.Trainer#run]; or if a merged weight is beyond the range
    ///     of its type
    /// @throws IllegalStateException if the masks leave nothing of the model, or a proof fails; the state of the run
    ///     stays
    /// @throws IOException if something cannot be read or written
    public static Optional<ObjectNode> run(ModelFolder base, Request request, RunFolder run, TrainingWatch watch)
            throws IOException {
        Optional<ObjectNode> before = run.result();
        if (before.isPresent()) {
            if (isPublished(run.out(), request, before.get())) {
                return before;
            }
            watch.say(RunDescription.LOST);
        }
        SnapshotFolder snapshots = new SnapshotFolder(
                run.snapshotsFolder(), base.model().shape(), base.fingerprint(),
                request.training().adapters().map(LoraState::settings));
        MaskTraining.Trained trained = MaskTraining.run(base, request.training(), run, snapshots, watch);
        if (!trained.outcome().isComplete()) {
            return Optional.empty();
        }
        base.checkpoint().verifyUnchanged();
        return Optional.of(run.publish(
                RunDescription.result(trained.outcome()),
                (folder, result) -> new Writing(base, request, trained, run, watch).write(folder, result)));
    }

    private static boolean isPublished(Path out, Request request, ObjectNode result) throws IOException {
        boolean isMerged = result.path("merged").booleanValue();
        boolean hasAdapter = request.training().adapters().isEmpty()
                || Files.exists(out.resolve(PeftAdapter.FOLDER).resolve(PeftAdapter.TENSORS));
        return hasAdapter
                && isMerged == request.merge()
                && Files.exists(out.resolve("config.json"))
                && FileHash.ofWeightsIfPresent(out).orElse("").equals(result.path("sha256").asText());
    }

    /// From trained masks to files.
    ///
    /// @param base the model
    /// @param request what was done
    /// @param trained what came out
    /// @param run says where the result will be, and where the smaller base goes if adapters are merged
    /// @param watch told of what a user should hear about the masks
    private record Writing(
            ModelFolder base, Request request, MaskTraining.Trained trained, RunFolder run, TrainingWatch watch) {
        void write(Path folder, ObjectNode result) throws IOException {
            Ops ops = base.model().ops();
            Architecture architecture = Architecture.forModelType(base.config().modelType());
            double[] logAlpha = landed();
            MaskedPlan masked = MaskedPlan.of(
                    architecture,
                    DeterministicMask.of(trained.layout(), logAlpha, WidthRule.FREE),
                    DeterministicMask.of(trained.layout(), logAlpha, request.widths()),
                    target(),
                    expected(logAlpha));
            describe(masked, logAlpha, result);
            Optional<LoraState> adapters =
                    trained.adapters().map(state -> LoraCut.cut(architecture, masked.plan(), state));
            boolean merges = request.merge() && adapters.isPresent();
            Path smaller = merges ? run.baseFolder() : folder;
            Compaction.Written written = Compaction.write(base, masked.plan(), new Compaction.Request(
                    smaller, request.dtype(), writing(), request.prompt(), settings(), Probe.of(base.model().shape())));
            result.put("bytes", written.bytes());
            result.put("masked_difference", written.maskedDifference());
            result.put("logits_difference", written.logitsDifference());
            result.put("rounding_difference", written.roundingDifference());
            if (merges) {
                merge(smaller, adapters.get(), folder, result, ops);
            } else if (adapters.isPresent()) {
                adapter(run.out(), adapters.get()).write(folder.resolve(PeftAdapter.FOLDER), true);
            }
            result.put("merged", request.merge());
            result.put("sha256", FileHash.ofWeights(folder));
        }

        private double target() {
            return request.training().sparsity().target();
        }

        private double expected(double[] logAlpha) {
            return new GateSparsity(trained.layout()).expected(logAlpha);
        }

        private double[] landed() {
            return switch (request.landing()) {
                case ON_TARGET -> TargetShift.to(trained.layout(), trained.logAlpha(), target());
                case AS_TRAINED -> trained.logAlpha();
            };
        }

        private CheckpointWriter.Options writing() {
            return new CheckpointWriter.Options(request.shardBytes(), true);
        }

        private void merge(Path smaller, LoraState adapters, Path folder, ObjectNode result, Ops ops)
                throws IOException {
            try (ModelFolder model = ModelFolder.open(smaller, ops)) {
                LoraMerge.Written written = LoraMerge.write(model, adapters, new LoraMerge.Request(
                        folder, writing(), adapter(smaller, adapters).files(PeftAdapter.FOLDER + "/"),
                        Probe.of(model.model().shape())));
                result.put("merge_difference", written.layerDifference());
            }
        }

        /// @param model where the base of the adapters is in the end
        private static PeftAdapter adapter(Path model, LoraState adapters) {
            return new PeftAdapter(model.toString(), adapters);
        }

        /// For the metadata of the plan.
        private Map<String, String> settings() {
            Map<String, String> settings = new TreeMap<>();
            settings.put("method", MaskDescription.name(request.training().method()));
            settings.put("target_sparsity", Double.toString(target()));
            settings.put("steps", Long.toString(request.training().settings().steps()));
            settings.put("seed", Long.toString(request.training().settings().seed()));
            settings.put("model", base.fingerprint());
            return settings;
        }

        private void describe(MaskedPlan masked, double[] logAlpha, ObjectNode result) {
            result.put("method", MaskDescription.name(request.training().method()));
            result.put("target_sparsity", target());
            ObjectNode sparsity = result.putObject("sparsity");
            sparsity.put("trained", expected(trained.logAlpha()));
            sparsity.put("expected", expected(logAlpha));
            sparsity.put("realised", masked.realised());
            sparsity.put("aligned", masked.prunableRemoved());
            result.put("parameters_before", masked.before().parameters());
            result.put("parameters_after", masked.after().parameters());
            result.put("macs_before", masked.before().macs());
            result.put("macs_after", masked.after().macs());
            result.put("prunable_removed", masked.prunableRemoved());
            result.put("total_removed", masked.totalRemoved());
            if (request.training().method() instanceof MaskMethod.NutePrune) {
                result.put("teachers", trained.snapshots());
            }
            result.set("kept", kept(masked.plan().source(), masked.plan().resultShape()));
            ArrayNode notices = result.putArray("notices");
            Stream.concat(landing(logAlpha).stream(), masked.notices().stream().map(Notice::message))
                    .forEach(message -> {
                        notices.add(message);
                        watch.say(message);
                    });
        }

        private Optional<String> landing(double[] logAlpha) {
            double before = expected(trained.logAlpha());
            return Math.abs(before - expected(logAlpha)) <= WORTH_SAYING
                    ? Optional.empty()
                    : Optional.of(("training ended at an expected sparsity of %.4f; all gates were moved alike, to the"
                            + " %.4f that is wanted").formatted(before, target()));
        }

        private static ObjectNode kept(ModelShape before, ModelShape after) {
            ObjectNode kept = JsonNodeFactory.instance.objectNode();
            kept.put("hidden", after.hidden());
            kept.put("of_hidden", before.hidden());
            ArrayNode layers = kept.putArray("layers");
            for (int i = 0; i < before.layers().size(); i++) {
                LayerShape is = after.layers().get(i);
                LayerShape was = before.layers().get(i);
                layers.addObject()
                        .put("heads", is.heads())
                        .put("of_heads", was.heads())
                        .put("kv_heads", is.kvHeads())
                        .put("of_kv_heads", was.kvHeads())
                        .put("ffn", is.ffn())
                        .put("of_ffn", was.ffn());
            }
            return kept;
        }
    }
}
