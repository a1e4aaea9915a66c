package espalier.engine.prune;

import espalier.engine.model.StreamedModel;
import espalier.engine.model.TensorShape;
import espalier.engine.model.WeightSource;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.StoredMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// A model's tensors seen through a plan: slices keep their stored type, what is multiplied becomes F32, so nothing is
/// rounded that the file will not round.
///
/// @param surgery the cuts
/// @param source the model before; stays open
/// @param memory holds the cut tensors
record PrunedWeights(Surgery surgery, WeightSource source, Arena memory) implements WeightSource {
    /// @param surgery the cuts
    /// @param source the model before; stays open
    /// @param ops the backend
    /// @return the smaller model, cut out of the source layer by layer
    static StreamedModel streamed(Surgery surgery, WeightSource source, Ops ops) {
        return new StreamedModel(
                memory -> new PrunedWeights(surgery, source, memory), surgery.plan().resultShape(), ops);
    }

    @Override
    public StoredMatrix matrix(String name, int rows, int cols) {
        TensorCut cut = cut(name, rows, cols);
        TensorShape tensor = cut.tensor();
        StoredMatrix stored = source.matrix(tensor.name(), tensor.rows(), tensor.cols());
        if (cut.keepsEverything()) {
            return new StoredMatrix(name, stored.type(), rows, cols, stored.data());
        }
        DType type = cut.isPureSlice() ? stored.type() : DType.F32;
        MemorySegment data = memory.allocate((long) rows * cols * type.bytes(), 64);
        cut.copy(stored, 0, rows, type, data);
        return new StoredMatrix(name, type, rows, cols, data);
    }

    @Override
    public float[] vector(String name, int length) {
        TensorCut cut = cut(name, length, 1);
        float[] stored = source.vector(cut.tensor().name(), cut.tensor().rows());
        float[] kept = new float[length];
        for (int i = 0; i < length; i++) {
            int row = cut.rows()[i];
            kept[i] = cut.isPureSlice() ? stored[row] : (float) (stored[row] * cut.rowFactors()[row]);
        }
        return kept;
    }

    private TensorCut cut(String name, int rows, int cols) {
        TensorCut cut = surgery.cuts().get(name);
        if (cut == null || cut.rows().length != rows || cut.cols().length != cols) {
            throw new IllegalArgumentException("the plan makes %s, not a tensor %s [%d, %d]".formatted(
                    cut == null ? "nothing of that name" : "[" + cut.rows().length + ", " + cut.cols().length + "]",
                    name, rows, cols));
        }
        return cut;
    }
}
