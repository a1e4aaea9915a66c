package espalier.engine.prune;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.Architecture;
import espalier.engine.model.Batch;
import espalier.engine.model.Difference;
import espalier.engine.model.HostCopy;
import espalier.engine.model.Model;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Pass;
import espalier.engine.model.StreamedModel;
import espalier.engine.weights.Checkpoint;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.ModelPrompt;
import espalier.engine.weights.PretrainedConfig;
import espalier.engine.weights.PrunedConfig;
import espalier.engine.weights.SideFile;
import espalier.engine.weights.StoredType;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Turns a plan into a smaller checkpoint, and proves it: first that the plan applied in F32 equals the masked model,
/// then, before the folder gets its name, that it holds exactly the intended bytes. Source and result are never mapped
/// at the same time.
public final class Compaction {
    /// Largest relative difference between a stage of the masked model and of the plan applied in F32, see [PlanProof].
    public static final double TOLERANCE = 1e-5;

    /// Where to and how.
    ///
    /// @param out the folder to write; its parent must exist
    /// @param dtype element type of the result; empty for each tensor's own
    /// @param writing shard size, and whether an existing result may be replaced
    /// @param prompt that the model was trained with meanwhile; empty for the source's, if it has one
    /// @param settings how the plan came about, for the plan file's metadata
    /// @param probe token sequences on which the proof is run, each at least one token
    public record Request(
            Path out,
            Optional<DType> dtype,
            CheckpointWriter.Options writing,
            Optional<ModelPrompt> prompt,
            Map<String, String> settings,
            int[][] probe) {}

    /// What was written, and how it was proved.
    ///
    /// @param shape of the smaller model
    /// @param bytes of its tensors
    /// @param maskedDifference largest relative difference of a stage of the plan applied in F32 from the masked
    ///     model's, both given the same input: at most [#TOLERANCE]
    /// @param logitsDifference relative difference of the logits of the two, run from end to end: rounding, amplified
    ///     by the layers between
    /// @param roundingDifference relative difference of the written model's logits from those: what rounding to the
    ///     result's element type caused
    public record Written(
            ModelShape shape,
            long bytes,
            double maskedDifference,
            double logitsDifference,
            double roundingDifference) {}

    private Compaction() {}

    /// @param source the open model; closed before the result is mapped
    /// @param plan what is kept of it
    /// @param request where to and how
    /// @return what was written
    /// @throws IllegalStateException if a proof fails; nothing is left behind
    /// @throws CheckpointException if a weight is beyond the range of the result's element type, or the source changed
    ///     meanwhile
    /// @throws IOException if the result cannot be written; nothing is left behind
    public static Written write(ModelFolder source, PruningPlan plan, Request request) throws IOException {
        Ops ops = source.model().ops();
        Surgery surgery = Surgery.of(Architecture.forModelType(source.config().modelType()), plan);
        Batch probe = Batch.of(request.probe());
        PlanProof.Result proof;
        try (StreamedModel smaller = PrunedWeights.streamed(surgery, source.weights(), ops)) {
            proof = PlanProof.run(source.model(), smaller.model(), plan, probe);
        }
        if (!(proof.stageDifference() <= TOLERANCE)) {
            throw new IllegalStateException(("the plan applied in F32 differs from the masked model by %g at %s, "
                            + "rounding explains at most %g: the result was not written")
                    .formatted(proof.stageDifference(), proof.stage(), TOLERANCE));
        }
        List<CutTensor> tensors = cutTensors(surgery, source, request.dtype());
        ObjectNode config = config(source, plan, tensors, request.prompt()).toJson(source.config());
        double[] roundingDifference = new double[1];
        CheckpointWriter.write(
                request.out(),
                config,
                Architecture.expectedTensors(PretrainedConfig.parse(config, request.out().toString())),
                tensors.stream().map(CutTensor::toWrite).toList(),
                sideFiles(source.checkpoint(), plan, request.settings()),
                request.writing(),
                folder -> {
                    // What was proved and what was written are the same only if the source is what it was.
                    source.checkpoint().verifyUnchanged();
                    source.close();
                    roundingDifference[0] = proveFile(folder, tensors, probe, proof.logits(), ops);
                });
        long bytes = tensors.stream().mapToLong(tensor -> tensor.toWrite().bytes()).sum();
        return new Written(
                plan.resultShape(),
                bytes,
                proof.stageDifference(),
                proof.logitsDifference(),
                roundingDifference[0]);
    }

    private static List<CutTensor> cutTensors(Surgery surgery, ModelFolder source, Optional<DType> dtype) {
        List<CutTensor> tensors = new ArrayList<>();
        surgery.cuts().forEach((name, cut) -> tensors.add(CutTensor.of(name, cut, source, dtype)));
        return tensors;
    }

    /// The dtype of a configuration is that of most of the weights: the first matrix of the model.
    private static PrunedConfig config(
            ModelFolder source, PruningPlan plan, List<CutTensor> tensors, Optional<ModelPrompt> prompt) {
        ModelShape shape = plan.resultShape();
        StoredType dtype = tensors.getFirst().toWrite().type();
        return new PrunedConfig(
                shape.layers(),
                shape.hidden(),
                shape.vocab(),
                shape.normEps(),
                dtype,
                prompt.or(source.config()::prompt));
    }

    private static List<SideFile> sideFiles(Checkpoint source, PruningPlan plan, Map<String, String> settings)
            throws IOException {
        List<SideFile> files = new ArrayList<>();
        for (Path other : source.otherFiles()) {
            files.add(SideFile.copyOf(source.folder(), other));
        }
        files.add(PlanFile.of(plan, settings));
        return files;
    }

    private static double proveFile(Path folder, List<CutTensor> tensors, Batch probe, float[] planned, Ops ops)
            throws IOException {
        try (ModelFolder result = ModelFolder.open(folder, ops)) {
            for (CutTensor tensor : tensors) {
                tensor.requireWritten(result.checkpoint());
            }
            Model model = result.model();
            float[] written = HostCopy.logits(model, probe, Pass.plain(model.shape().layers().size()));
            double rounding = Difference.relative(written, planned);
            if (!Double.isFinite(rounding)) {
                throw new IllegalStateException("the written model's logits are not finite: the result was dropped");
            }
            return rounding;
        }
    }
}
