package espalier.engine.model;

import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;

/// The tensors of a model as its layers hold them: made from those of a file, or trained in memory.
public interface ModelTensors {
    /// @param name of the tensor
    /// @param rows expected
    /// @param cols expected
    /// @return the matrix
    /// @throws IllegalArgumentException if it is missing or has another shape
    Weight matrix(String name, int rows, int cols);

    /// @param name of the tensor
    /// @param length expected
    /// @return `[1, length]`
    /// @throws IllegalArgumentException if it is missing or has another shape
    Tensor vector(String name, int length);

    /// Frozen tensors.
    ///
    /// @param source stays open as long as they are used
    /// @param ops the backend
    /// @param memory keeps the vectors
    /// @return its tensors
    static ModelTensors of(WeightSource source, Ops ops, Workspace memory) {
        return new ModelTensors() {
            @Override
            public Weight matrix(String name, int rows, int cols) {
                return ops.prepare(source.matrix(name, rows, cols));
            }

            @Override
            public Tensor vector(String name, int length) {
                Tensor vector = memory.take(1, length);
                ops.fromHost(source.vector(name, length), vector);
                return vector;
            }
        };
    }
}
