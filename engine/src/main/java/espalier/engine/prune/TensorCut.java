package espalier.engine.prune;

import espalier.engine.model.TensorShape;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.FloatBits;
import espalier.kernels.DType;
import espalier.kernels.StoredMatrix;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.stream.IntStream;

/// What happens to one tensor under a plan: which rows and columns stay, and what they are multiplied by.
///
/// @param tensor the source tensor; a vector counts as a matrix of one column
/// @param rows kept rows, ascending
/// @param cols kept columns, ascending
/// @param rowFactors `[rows of the source]`, or empty for ones
/// @param colFactors `[columns of the source]`, or empty for ones
record TensorCut(TensorShape tensor, int[] rows, int[] cols, double[] rowFactors, double[] colFactors) {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// @return whether the kept elements stay as they are
    boolean isPureSlice() {
        return rowFactors.length == 0 && colFactors.length == 0;
    }

    /// @return whether the tensor stays as it is
    boolean keepsEverything() {
        return isPureSlice() && rows.length == tensor.rows() && cols.length == tensor.cols();
    }

    /// Copies some of the kept rows. Elements that are neither multiplied nor converted keep their bits; others are
    /// rounded once, to nearest, ties to even.
    ///
    /// @param source the stored tensor
    /// @param from first kept row, an index into `rows`
    /// @param to one past the last
    /// @param target type to write
    /// @param out `(to - from) * cols` elements of the target type
    /// @throws CheckpointException naming tensor and value if a finite one becomes infinite
    void copy(StoredMatrix source, int from, int to, DType target, MemorySegment out) {
        if (isPureSlice() && source.type() == target) {
            copyBits(source, from, to, out);
            return;
        }
        long at = 0;
        for (int r = from; r < to; r++) {
            double rowFactor = rowFactors.length == 0 ? 1 : rowFactors[rows[r]];
            long row = (long) rows[r] * source.cols();
            for (int col : cols) {
                double factor = colFactors.length == 0 ? rowFactor : rowFactor * colFactors[col];
                float value = get(source.data(), source.type(), row + col);
                float kept = factor == 1 ? value : (float) (value * factor);
                set(out, target, at, kept);
                if (!Float.isFinite(get(out, target, at)) && Float.isFinite(value)) {
                    throw new CheckpointException("tensor %s: %s%s is beyond the range of %s".formatted(
                            tensor.name(), value, factor == 1 ? "" : " times " + factor, target));
                }
                at++;
            }
        }
    }

    private void copyBits(StoredMatrix source, int from, int to, MemorySegment out) {
        int width = source.type().bytes();
        long rowBytes = (long) source.cols() * width;
        boolean whole = cols.length == source.cols();
        long at = 0;
        for (int r = from; r < to; r++) {
            long row = rows[r] * rowBytes;
            if (whole) {
                MemorySegment.copy(source.data(), row, out, at, rowBytes);
                at += rowBytes;
                continue;
            }
            if (width == Short.BYTES) {
                for (int col : cols) {
                    out.set(SHORT, at, source.data().get(SHORT, row + 2L * col));
                    at += 2;
                }
            } else {
                for (int col : cols) {
                    out.set(FLOAT, at, source.data().get(FLOAT, row + 4L * col));
                    at += 4;
                }
            }
        }
    }

    private static float get(MemorySegment data, DType type, long index) {
        return switch (type) {
            case F32 -> data.get(FLOAT, 4 * index);
            case BF16 -> FloatBits.fromBf16(data.get(SHORT, 2 * index));
            case F16 -> Float.float16ToFloat(data.get(SHORT, 2 * index));
        };
    }

    private static void set(MemorySegment data, DType type, long index, float value) {
        switch (type) {
            case F32 -> data.set(FLOAT, 4 * index, value);
            case BF16 -> data.set(SHORT, 2 * index, FloatBits.toBf16(value));
            case F16 -> data.set(SHORT, 2 * index, Float.floatToFloat16(value));
        }
    }

    static int[] all(int count) {
        return IntStream.range(0, count).toArray();
    }
}
