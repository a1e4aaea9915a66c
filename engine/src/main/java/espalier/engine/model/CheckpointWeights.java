package espalier.engine.model;

import espalier.engine.weights.Checkpoint;
import espalier.engine.weights.StoredTensor;
import espalier.kernels.DType;
import espalier.kernels.StoredMatrix;

/// The tensors of a checkpoint as a model asks for them. An embedding that is stored under lm_head's name only is
/// found.
///
/// @param checkpoint stays open as long as the model
public record CheckpointWeights(Checkpoint checkpoint) implements WeightSource {
    @Override
    public StoredMatrix matrix(String name, int rows, int cols) {
        StoredTensor tensor = checkpoint.get(storedName(name), rows, cols);
        return new StoredMatrix(name, kernelType(tensor), rows, cols, tensor.data());
    }

    StoredMatrix stored(TensorShape shape) {
        if (!shape.isVector()) {
            return matrix(shape.name(), shape.rows(), shape.cols());
        }
        StoredTensor tensor = checkpoint.get(shape.name(), shape.rows());
        return new StoredMatrix(shape.name(), kernelType(tensor), shape.rows(), 1, tensor.data());
    }

    @Override
    public float[] vector(String name, int length) {
        return checkpoint.get(name, length).toFloats();
    }

    /// @param name as the architecture declares it
    /// @return the name under which the checkpoint stores it
    public String storedName(String name) {
        return switch (name) {
            case "model.embed_tokens.weight" -> checkpoint.embeddingName();
            case "lm_head.weight" -> checkpoint.lmHeadName();
            default -> name;
        };
    }

    private static DType kernelType(StoredTensor tensor) {
        return switch (tensor.type()) {
            case F32 -> DType.F32;
            case BF16 -> DType.BF16;
            case F16 -> DType.F16;
            default -> throw new IllegalArgumentException("%s: tensor %s has type %s, expected F32, BF16 or F16"
                    .formatted(tensor.file(), tensor.name(), tensor.type()));
        };
    }
}
