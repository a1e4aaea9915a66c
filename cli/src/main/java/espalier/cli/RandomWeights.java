package espalier.cli;

import espalier.engine.model.TensorShape;
import espalier.engine.weights.ByteSource;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.TensorToWrite;
import espalier.kernels.Philox;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.LongConsumer;
import java.util.stream.IntStream;

/// Weights of a model that was never trained. An element is a function of seed, tensor name and index, so a tensor of
/// any size is made piece by piece while it is written.
///
/// @param seed of the random numbers
/// @param type that the values are rounded to
/// @param progress told how many elements each piece had
record RandomWeights(long seed, StoredType type, LongConsumer progress) {
    /// Standard deviation of matrices, `initializer_range` of Llama configurations.
    private static final double DEVIATION = 0.02;

    private static final int PIECE = 1 << 20;
    private static final int TASK = 1 << 14;

    TensorToWrite tensor(TensorShape shape) {
        long[] dims = shape.dims().stream().mapToLong(Integer::longValue).toArray();
        return new TensorToWrite(shape.name(), type, dims, source(shape));
    }

    private ByteSource source(TensorShape shape) {
        return out -> {
            for (long from = 0; from < shape.elements(); from += PIECE) {
                int count = (int) Math.min(PIECE, shape.elements() - from);
                float[] values = values(shape, from, count);
                TensorToWrite.ofFloats(shape.name(), type, new long[] {count}, values).source().writeTo(out);
                progress.accept(count);
            }
        };
    }

    /// @return elements `from .. from + count - 1` of a tensor, before rounding
    float[] values(TensorShape shape, long from, int count) {
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

    /// FNV-1a (Fowler, Noll and Vo): equal names have equal streams in every version.
    private static long stream(String name) {
        long hash = 0xcbf29ce484222325L;
        for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
            hash = (hash ^ b & 0xFF) * 0x100000001b3L;
        }
        return hash;
    }
}
