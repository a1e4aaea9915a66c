package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Lanes.ADDRESS;
import static espalier.kernels.vector.Lanes.I32;
import static espalier.kernels.vector.Lanes.ORDER;

import espalier.kernels.Tensor;
import espalier.kernels.cpu.CpuWeight;
import espalier.kernels.cpu.HostMemory;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/// Rows of a weight as F32, exactly, and the gradient of looking them up.
final class WeightRows {
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;
    /// As many 16-bit lanes as there are F32 lanes.
    private static final VectorSpecies<Short> I16 =
            VectorSpecies.of(short.class, VectorShape.forBitSize(L * Short.SIZE));
    /// Columns of a task of the backward.
    private static final int COLUMNS = 128;

    private WeightRows() {}

    static void dequantize(Parallel parallel, Tensor y, CpuWeight w, int fromRow) {                 // y =
        Tasks.rows(parallel, y.rows(), y.cols(), (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                copy(y.address() + (long) r * y.cols() * Float.BYTES, w, fromRow + r, 0, w.cols());
            }
        });
    }

    static void embed(Parallel parallel, Tensor y, CpuWeight table, int[] ids) {                    // y =
        Tasks.rows(parallel, y.rows(), y.cols(), (from, to, worker) -> {
            for (int t = from; t < to; t++) {
                copy(y.address() + (long) t * y.cols() * Float.BYTES, table, ids[t], 0, table.cols());
            }
        });
    }

    /// Copies `n` columns of a row from column `col` on.
    static void copy(long y, CpuWeight w, int row, int col, int n) {
        long x = w.rowAddress(row) + (long) col * w.type().bytes();
        int done = switch (w.type()) {
            case F32 -> {
                MemorySegment.copy(ALL, x, ALL, y, (long) n * Float.BYTES);
                yield n;
            }
            case BF16 -> fromBf16(y, x, n);
            case F16 -> fromF16(y, x, n);
        };
        for (int i = done; i < n; i++) {
            Access.set(y + (long) i * Float.BYTES, HostMemory.get(w, row, col + i));
        }
    }

    /// Converts whole registers; returns how many elements those are.
    private static int fromBf16(long y, long x, int n) {
        int i = 0;
        for (; i <= n - L; i += L, y += W, x += W / 2) {
            PackConvert.evenBf16(loadShorts(x)).intoMemorySegment(ALL, y & ADDRESS, ORDER);
        }
        return i;
    }

    private static int fromF16(long y, long x, int n) {
        int i = 0;
        for (; i <= n - L; i += L, y += W, x += W / 2) {
            PackConvert.evenF16(loadShorts(x)).intoMemorySegment(ALL, y & ADDRESS, ORDER);
        }
        return i;
    }

    /// Elements in the lower halves of the lanes.
    private static IntVector loadShorts(long x) {
        ShortVector shorts = ShortVector.fromMemorySegment(I16, ALL, x & ADDRESS, ORDER);
        return (IntVector) shorts.convertShape(VectorOperators.ZERO_EXTEND_S2I, I32, 0);
    }

    /// Every task adds the tokens in their order, so that a token that occurs twice gets the same bits each time.
    static void embedBackward(Parallel parallel, Tensor dTable, int fromRow, Tensor dY, int[] ids) { // dTable +=
        Tasks.ranges(parallel, dY.elements(), dY.cols(), COLUMNS, (from, to, worker) -> {
            for (int t = 0; t < ids.length; t++) {
                int row = ids[t] - fromRow;
                if (row >= 0 && row < dTable.rows()) {
                    long y = dTable.address() + ((long) row * dTable.cols() + from) * Float.BYTES;
                    long x = dY.address() + ((long) t * dY.cols() + from) * Float.BYTES;
                    Elementwise.addScaled(y, x, 1, to - from);
                }
            }
        });
    }
}
