package espalier.engine.model;

import espalier.kernels.Philox;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.IntStream;

/// Weights of a model that was never trained: matrices normal with deviation 0.02 (`initializer_range` of Llama
/// configurations), residual projections as well; norms 1, biases 0. An element is a function of seed, tensor name and
/// index.
///
/// @param seed of the random numbers
public record InitialWeights(long seed) {
    private static final double DEVIATION = 0.02;
    private static final int TASK = 1 << 14;

    /// @param shape the tensor
    /// @param from index of the first element
    /// @param count elements
    /// @return elements `from .. from + count - 1`
    public float[] values(TensorShape shape, long from, int count) {
        float[] values = new float[count];
        if (shape.isVector()) {
            Arrays.fill(values, shape.name().endsWith(".bias") ? 0 : 1);
            return values;
        }
        Philox random = new Philox(seed, stream(shape.name()));
        IntStream.range(0, Math.ceilDiv(count, TASK)).parallel().forEach(task -> {
            for (int i = task * TASK; i < Math.min(count, (task + 1) * TASK); i++) {
                values[i] = (float) (DEVIATION * random.gaussian(from + i));
            }
        });
        return values;
    }

    /// @param shape the tensor
    /// @return all its elements
    public float[] values(TensorShape shape) {
        return values(shape, 0, Math.toIntExact(shape.elements()));
    }

    /// FNV-1a (Fowler, Noll and Vo): equal names have equal streams in every version.
    private static long stream(String name) {
        long hash = 0xcbf29ce484222325L;
        for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
            hash = (hash ^ b & 0xFF) * 0x100000001b3L;
        }
        return hash;
    }
}
