package espalier.cli;

import espalier.engine.model.InitialWeights;
import espalier.engine.model.TensorShape;
import espalier.engine.weights.ByteSource;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.TensorToWrite;
import java.util.function.LongConsumer;

/// Writes weights of a model that was never trained, a tensor of any size piece by piece.
///
/// @param initial gives the values
/// @param type that the values are rounded to
/// @param progress told how many elements each piece had
record RandomWeights(InitialWeights initial, StoredType type, LongConsumer progress) {
    private static final int PIECE = 1 << 20;

    TensorToWrite tensor(TensorShape shape) {
        long[] dims = shape.dims().stream().mapToLong(Integer::longValue).toArray();
        return new TensorToWrite(shape.name(), type, dims, source(shape));
    }

    private ByteSource source(TensorShape shape) {
        return out -> {
            for (long from = 0; from < shape.elements(); from += PIECE) {
                int count = (int) Math.min(PIECE, shape.elements() - from);
                float[] values = initial.values(shape, from, count);
                TensorToWrite.ofFloats(shape.name(), type, new long[] {count}, values).source().writeTo(out);
                progress.accept(count);
            }
        };
    }
}
