package espalier.engine.weights;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;

/// A tensor declared to a writer, and where its bytes will come from.
///
/// @param name not `__metadata__`
/// @param type element type
/// @param shape dimensions, outermost first
/// @param source gives exactly `type.bytes(shape)` bytes, little-endian, row-major
public record TensorToWrite(String name, StoredType type, long[] shape, ByteSource source) {
    private static final int FLOATS_PER_PIECE = 1 << 16;

    /// Copies the shape.
    public TensorToWrite {
        shape = shape.clone();
    }

    /// A copy of the dimensions.
    @Override
    public long[] shape() {
        return shape.clone();
    }

    /// Bytes of the tensor.
    ///
    /// @throws IllegalArgumentException if the shape is invalid, see [StoredType#bytes]
    public long bytes() {
        return type.bytes(shape);
    }

    /// A tensor of a file, unchanged; the file must stay open until it is written.
    public static TensorToWrite of(StoredTensor tensor) {
        ByteSource bytes = ByteSource.of(tensor.data());
        return new TensorToWrite(tensor.name(), tensor.type(), tensor.shape(), out -> {
            try {
                bytes.writeTo(out);
            } catch (InternalError e) {
                throw SafetensorsFile.unreadable(tensor.file(), e);
            }
        });
    }

    /// Floats in memory, converted on the way: rounded to nearest, ties to even.
    ///
    /// @param type F64, F32, BF16 or F16
    /// @param values `product(shape)` values; read when the tensor is written
    /// @throws IllegalArgumentException if the number of values does not fit the shape, or for another type
    public static TensorToWrite ofFloats(String name, StoredType type, long[] shape, float[] values) {
        long bytes = type.bytes(shape);
        if (!type.isWeightFloat() || bytes != (long) values.length * type.bits() / 8) {
            throw new IllegalArgumentException("tensor " + name + " of " + type + " " + Arrays.toString(shape)
                    + " cannot be written from " + values.length + " floats");
        }
        return new TensorToWrite(name, type, shape, out -> {
            int width = type.bits() / 8;
            for (int at = 0; at < values.length; at += FLOATS_PER_PIECE) {
                int count = Math.min(FLOATS_PER_PIECE, values.length - at);
                byte[] piece = new byte[count * width];
                MemorySegment segment = MemorySegment.ofArray(piece);
                for (int i = 0; i < count; i++) {
                    FloatBits.set(segment, type, i, values[at + i]);
                }
                out.write(ByteBuffer.wrap(piece));
            }
        });
    }
}
