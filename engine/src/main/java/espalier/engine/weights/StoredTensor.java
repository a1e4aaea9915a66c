package espalier.engine.weights;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.List;

/// A tensor in a file: packed row-major little-endian elements, read-only, valid as long as the file is open.
///
/// @param name as in the file
/// @param file where it is stored, for messages
/// @param type element type
/// @param shape dimensions, outermost first; empty for a single element; any may be 0
/// @param data exactly `type.bytes(shape)` bytes, native, aligned to nothing
public record StoredTensor(String name, Path file, StoredType type, long[] shape, MemorySegment data) {
    private static final long HASH_PIECE_BYTES = 1 << 24;

    /// @throws IllegalArgumentException if the data has another size than type and shape take
    public StoredTensor {
        shape = shape.clone();
        if (data.byteSize() != type.bytes(shape)) {
            throw new IllegalArgumentException("tensor " + name + " has " + data.byteSize() + " bytes, expected "
                    + type.bytes(shape) + " for " + type + " " + Arrays.toString(shape));
        }
    }

    /// A copy of the dimensions.
    @Override
    public long[] shape() {
        return shape.clone();
    }

    /// Number of elements, 1 for the shape `[]`.
    public long elements() {
        long elements = 1;
        for (long dimension : shape) {
            elements *= dimension;
        }
        return elements;
    }

    /// Rows of a matrix.
    ///
    /// @throws CheckpointException if this is not a matrix
    public long rows() {
        return matrixDimension(0);
    }

    /// Columns of a matrix.
    ///
    /// @throws CheckpointException if this is not a matrix
    public long cols() {
        return matrixDimension(1);
    }

    private long matrixDimension(int axis) {
        if (shape.length != 2) {
            throw failure("has shape " + Arrays.toString(shape) + ", expected a matrix");
        }
        return shape[axis];
    }

    /// One element as a float: exact for F32, BF16 and F16, rounded to nearest for F64.
    ///
    /// @throws IllegalArgumentException for other types
    public float get(long flatIndex) {
        return (float) FloatBits.get(data, type, flatIndex);
    }

    /// All elements as floats: exact for F32, bit for bit, for BF16 and F16; rounded to nearest for F64.
    ///
    /// @throws IllegalArgumentException for other types
    public float[] toFloats() {
        return SafetensorsFile.guarded(file, () -> {
            float[] values = new float[arrayLength()];
            if (type == StoredType.F32) {
                // A conversion would make a signalling NaN a quiet one.
                MemorySegment.copy(data, FloatBits.LE_FLOAT, 0, values, 0, values.length);
                return values;
            }
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) FloatBits.get(data, type, i);
            }
            return values;
        });
    }

    /// All elements as doubles, exactly.
    ///
    /// @throws IllegalArgumentException for types other than F64, F32, BF16, F16
    public double[] toDoubles() {
        return SafetensorsFile.guarded(file, () -> {
            double[] values = new double[arrayLength()];
            for (int i = 0; i < values.length; i++) {
                values[i] = FloatBits.get(data, type, i);
            }
            return values;
        });
    }

    /// All elements of an I64 or I32 tensor, for instance token ids.
    ///
    /// @throws IllegalArgumentException for other types
    public long[] toLongs() {
        if (type != StoredType.I64 && type != StoredType.I32) {
            throw new IllegalArgumentException("tensor " + name + " has type " + type + ", expected I64 or I32");
        }
        return SafetensorsFile.guarded(file, () -> {
            long[] values = new long[arrayLength()];
            for (int i = 0; i < values.length; i++) {
                values[i] = type == StoredType.I64
                        ? data.get(FloatBits.LE_LONG, 8L * i)
                        : data.get(FloatBits.LE_INT, 4L * i);
            }
            return values;
        });
    }

    /// SHA-256 of the stored bytes.
    public byte[] sha256() {
        return SafetensorsFile.guarded(file, () -> {
            MessageDigest digest = newSha256();
            for (long at = 0; at < data.byteSize(); at += HASH_PIECE_BYTES) {
                digest.update(
                        data.asSlice(at, Math.min(HASH_PIECE_BYTES, data.byteSize() - at)).asByteBuffer());
            }
            return digest.digest();
        });
    }

    /// A fresh SHA-256.
    public static MessageDigest newSha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    private int arrayLength() {
        if (elements() > Integer.MAX_VALUE - 8) {
            throw failure("has " + elements() + " elements, more than an array holds");
        }
        return (int) elements();
    }

    /// Half-open range of indexes of one dimension.
    ///
    /// @param start first index
    /// @param stop index after the last
    public record Range(long start, long stop) {}

    /// Copies a rectangular part, packed, into new memory.
    ///
    /// @param allocator gives the memory
    /// @param ranges one for each of the first dimensions; those that are left out are taken whole
    /// @throws CheckpointException if there are more ranges than dimensions, a range starts at or after its dimension's
    ///     end, stops after it or before its start, or cuts through a byte
    public StoredTensor slice(SegmentAllocator allocator, Range... ranges) {
        String asked = Arrays.toString(ranges);
        if (ranges.length > shape.length) {
            throw failure("has shape " + Arrays.toString(shape) + ", but the slice " + asked + " names "
                    + ranges.length + " dimensions");
        }
        long[] part = shape.clone();
        for (int axis = 0; axis < ranges.length; axis++) {
            Range range = ranges[axis];
            boolean inside = 0 <= range.start && range.start < shape[axis] && range.stop <= shape[axis];
            if (!inside || range.stop < range.start) {
                throw failure("has shape " + Arrays.toString(shape) + ", but the slice " + asked + " asks for "
                        + range.start + " to " + range.stop + " of dimension " + axis + " of size " + shape[axis]);
            }
            part[axis] = range.stop - range.start;
        }
        long runBits = type.bits();
        for (int axis = shape.length - 1; axis >= ranges.length; axis--) {
            runBits *= shape[axis];
        }
        if (ranges.length > 0) {
            requireWholeBytes(runBits * ranges[ranges.length - 1].start, asked);
            requireWholeBytes(runBits * shape[ranges.length - 1], asked);
            requireWholeBytes(runBits * part[ranges.length - 1], asked);
        }
        MemorySegment target = allocator.allocate(type.bytes(part));
        return SafetensorsFile.guarded(file, () -> {
            copyPart(List.of(ranges), 0, 0, 0, target);
            return new StoredTensor(name, file, type, part, target.asReadOnly());
        });
    }

    /// Copies the part of one sub-tensor, axis by axis; the last given range is one contiguous run.
    ///
    /// @param index which sub-tensor of the dimensions before `axis`, counted through
    /// @return bytes written to the target so far
    private long copyPart(List<Range> ranges, int axis, long index, long written, MemorySegment target) {
        if (ranges.isEmpty()) {
            target.copyFrom(data);
            return data.byteSize();
        }
        Range range = ranges.get(axis);
        if (axis == ranges.size() - 1) {
            long inner = type.bits();
            for (int i = axis + 1; i < shape.length; i++) {
                inner *= shape[i];
            }
            long from = (index * shape[axis] + range.start) * inner / 8;
            long bytes = (range.stop - range.start) * inner / 8;
            MemorySegment.copy(data, from, target, written, bytes);
            return written + bytes;
        }
        long position = written;
        for (long i = range.start; i < range.stop; i++) {
            position = copyPart(ranges, axis + 1, index * shape[axis] + i, position, target);
        }
        return position;
    }

    private void requireWholeBytes(long bits, String asked) {
        if ((bits & 7) != 0) {
            throw failure("of type " + type + " cannot be sliced as " + asked + ": the slice cuts through a byte");
        }
    }

    private CheckpointException failure(String message) {
        return CheckpointException.in(file, "tensor " + name + " " + message);
    }
}
