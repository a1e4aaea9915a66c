package espalier.engine.model;

import espalier.kernels.StoredMatrix;

/// Where a model's tensors come from: a checkpoint, or a checkpoint seen through a pruning plan.
public interface WeightSource {
    /// @param name of the tensor
    /// @param rows expected
    /// @param cols expected
    /// @return the matrix; its memory lives as long as the source, unless the source says that it ends earlier
    /// @throws IllegalArgumentException naming file, tensor, actual and expected shape
    StoredMatrix matrix(String name, int rows, int cols);

    /// @param name of the tensor
    /// @param length expected
    /// @return its elements as F32
    /// @throws IllegalArgumentException naming file, tensor, actual and expected shape
    float[] vector(String name, int length);
}
