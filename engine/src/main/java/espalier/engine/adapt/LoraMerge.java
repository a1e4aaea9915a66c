package espalier.engine.adapt;

import espalier.engine.model.Architecture;
import espalier.engine.model.Batch;
import espalier.engine.model.Difference;
import espalier.engine.model.HostCopy;
import espalier.engine.model.Model;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Pass;
import espalier.engine.model.TensorShape;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.FloatBits;
import espalier.engine.weights.PrunedConfig;
import espalier.engine.weights.SideFile;
import espalier.engine.weights.StoredTensor;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.TensorToWrite;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.StoredMatrix;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/// Adds adapters to the weights they belong to and writes a checkpoint that needs none, after a proof that the merged
/// model in F32 equals the model with its adapters.
public final class LoraMerge {
    /// Largest relative difference of a layer's output between the merged model in F32 and the model with adapters, see
    /// [MergeProof].
    public static final double TOLERANCE = 1e-5;

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// Where to and how.
    ///
    /// @param out the folder to write; its parent must exist
    /// @param writing shard size, and whether an existing result may be replaced
    /// @param sideFiles what goes into the folder beside the files of the base, for instance [PeftAdapter#files]
    /// @param probe token sequences on which the proof is run, each at least one token
    public record Request(Path out, CheckpointWriter.Options writing, List<SideFile> sideFiles, int[][] probe) {
        /// Copies the list.
        public Request {
            sideFiles = List.copyOf(sideFiles);
        }
    }

    /// What was written, and how it was proved.
    ///
    /// @param layerDifference largest relative difference of a layer of the merged model in F32: at most [#TOLERANCE]
    /// @param logitsDifference relative difference of the logits of the merged model in F32, run from end to end
    /// @param roundingDifference relative difference of the logits of the written model from those with adapters: what
    ///     rounding the merged weights to their stored type costs
    public record Written(double layerDifference, double logitsDifference, double roundingDifference) {}

    private LoraMerge() {}

    /// Proves and writes. Every tensor keeps its stored type; one without an adapter, or whose adapter adds nothing,
    /// keeps its bytes.
    ///
    /// @param base the model
    /// @param state its adapters
    /// @param request where to and how
    /// @return what was written
    /// @throws IllegalArgumentException if the adapters are of another model
    /// @throws ArithmeticException if a merged weight is beyond the range of its type, naming the tensor
    /// @throws IllegalStateException if the proof fails; then nothing was written
    /// @throws IOException if something cannot be written; then the target is as it was
    public static Written write(ModelFolder base, LoraState state, Request request) throws IOException {
        Model model = base.model();
        if (!model.shape().equals(state.shape())) {
            throw new IllegalArgumentException("the adapters are not of the model that they are to be merged into");
        }
        CheckpointWriter.checkTarget(request.out(), request.writing().overwrite());
        Batch probe = Batch.of(request.probe());
        MergeProof proof = MergeProof.run(base, state, probe);
        if (!(proof.layerDifference() <= TOLERANCE)) {
            throw new IllegalStateException(("the merged model in F32 differs from the one with adapters by %g at %s,"
                            + " rounding explains at most %g: the result was not written")
                    .formatted(proof.layerDifference(), proof.where(), TOLERANCE));
        }
        List<TensorToWrite> tensors = tensors(base, state);
        List<SideFile> sideFiles = new ArrayList<>();
        for (Path other : base.checkpoint().otherFiles()) {
            sideFiles.add(SideFile.copyOf(base.checkpoint().folder(), other));
        }
        sideFiles.addAll(request.sideFiles());
        ModelShape shape = state.shape();
        PrunedConfig sizes = new PrunedConfig(
                shape.layers(),
                shape.hidden(),
                shape.vocab(),
                shape.normEps(),
                tensors.getFirst().type(),
                base.config().prompt());
        double[] logits = new double[1];
        CheckpointWriter.write(
                request.out(),
                sizes.toJson(base.config()),
                Architecture.expectedTensors(base.config()),
                tensors,
                sideFiles,
                request.writing(),
                folder -> {
                    base.checkpoint().verifyUnchanged();
                    logits[0] = writtenDifference(folder, probe, proof, model.ops());
                });
        return new Written(proof.layerDifference(), proof.logitsDifference(), logits[0]);
    }

    private static double writtenDifference(Path folder, Batch probe, MergeProof proof, Ops ops) throws IOException {
        try (ModelFolder result = ModelFolder.open(folder, ops)) {
            Pass plain = Pass.plain(result.model().shape().layers().size());
            double difference =
                    Difference.relative(HostCopy.logits(result.model(), probe, plain), proof.logits());
            if (!Double.isFinite(difference)) {
                throw new IllegalStateException("the merged model's logits are not finite: the result was dropped");
            }
            return difference;
        }
    }

    private static List<TensorToWrite> tensors(ModelFolder base, LoraState state) {
        Map<String, LoraFactors> adapters = state.factors().stream()
                .collect(Collectors.toMap(factors -> factors.module().name() + ".weight", Function.identity()));
        List<TensorToWrite> tensors = new ArrayList<>();
        for (TensorShape tensor : Architecture.forModelType(base.config().modelType()).tensors(state.shape())) {
            StoredMatrix stored = base.storedMatrix(tensor);
            StoredType type = StoredType.valueOf(stored.type().name());
            long[] shape = tensor.dims().stream().mapToLong(Integer::longValue).toArray();
            tensors.add(Optional.ofNullable(adapters.get(tensor.name()))
                    .map(adapter -> new TensorToWrite(tensor.name(), type, shape, out -> {
                        float[] values = merge(floats(stored), adapter);
                        requireInRange(tensor.name(), stored.type(), values);
                        TensorToWrite.ofFloats(tensor.name(), type, shape, values).source().writeTo(out);
                    }))
                    .orElseGet(() -> TensorToWrite.of(new StoredTensor(
                            tensor.name(), base.checkpoint().folder(), type, shape, stored.data()))));
        }
        return tensors;
    }

    /// W + scale B A: each sum in float64, rounded once to F32. An element to which nothing is added keeps its bits.
    ///
    /// @param weight `[out, in]`, changed in place
    /// @return `weight`
    static float[] merge(float[] weight, LoraFactors adapter) {
        LoraModule module = adapter.module();
        int in = module.in();
        double[] delta = new double[in];
        for (int row = 0; row < module.out(); row++) {
            Arrays.fill(delta, 0);
            for (int k = 0; k < module.rank(); k++) {
                double b = (double) module.scale() * adapter.b()[row * module.rank() + k];
                for (int col = 0; col < in; col++) {
                    delta[col] += b * adapter.a()[k * in + col];
                }
            }
            for (int col = 0; col < in; col++) {
                // Adding a zero would turn -0 into 0.
                if (delta[col] != 0) {
                    weight[row * in + col] = (float) (weight[row * in + col] + delta[col]);
                }
            }
        }
        return weight;
    }

    /// @param matrix a stored matrix
    /// @return its elements, exactly
    static float[] floats(StoredMatrix matrix) {
        float[] values = new float[Math.multiplyExact(matrix.rows(), matrix.cols())];
        for (int i = 0; i < values.length; i++) {
            values[i] = switch (matrix.type()) {
                case F32 -> matrix.data().get(FLOAT, 4L * i);
                case BF16 -> FloatBits.fromBf16(matrix.data().get(SHORT, 2L * i));
                case F16 -> Float.float16ToFloat(matrix.data().get(SHORT, 2L * i));
            };
        }
        return values;
    }

    private static void requireInRange(String name, DType type, float[] merged) {
        for (float value : merged) {
            float rounded = switch (type) {
                case F32 -> value;
                case BF16 -> FloatBits.fromBf16(FloatBits.toBf16(value));
                case F16 -> Float.float16ToFloat(Float.floatToFloat16(value));
            };
            if (!Float.isFinite(rounded)) {
                throw new ArithmeticException(
                        "tensor %s: the merged value %s is beyond the range of %s".formatted(name, value, type));
            }
        }
    }
}
