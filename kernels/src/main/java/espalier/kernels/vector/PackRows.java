package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Lanes.ORDER;

import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/// Packs rows of the left operand of a product into panels `[kc, rows of the panel]`.
///
/// A panel's stores are full registers in ascending order, so the last one writes up to a register less one element
/// beyond the panel: [#panelFloats] leaves room for it.
final class PackRows {
    private static final VectorSpecies<Float> S = Lanes.F32;
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;
    private static final long ADDRESS = Lanes.ADDRESS;
    private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private PackRows() {}

    /// @param kc columns packed
    /// @return floats that a panel of [GemmTile#ROWS] rows or fewer takes, a multiple of a cache line
    static int panelFloats(int kc) {
        return Math.ceilDiv(GemmTile.ROWS * kc + L, 16) * 16;
    }

    /// Packs rows of a matrix that is stored row by row.
    ///
    /// @param a the panel's first element
    /// @param stride elements between rows
    /// @param rows rows of the panel, `1 .. ROWS`
    /// @param kc columns
    /// @param to receives the panel
    /// @param panel where in it
    /// @param scratch twice [PackTranspose#BLOCK_BYTES]
    static void rowMajor(long a, int stride, int rows, int kc, float[] to, int panel, long scratch) {
        long rowBytes = (long) stride * Float.BYTES;
        if (kc < L) {
            for (int k = 0; k < kc; k++) {
                for (int r = 0; r < rows; r++) {
                    to[panel + k * rows + r] = ALL.get(F, a + r * rowBytes + 4L * k);
                }
            }
            return;
        }
        int k = 0;
        for (; k + L <= kc; k += L) {
            blocks(a + 4L * k, rowBytes, rows, to, panel + k * rows, scratch);
        }
        if (k < kc) {
            blocks(a + 4L * (kc - L), rowBytes, rows, to, panel + (kc - L) * rows, scratch);
        }
    }

    /// With fewer lanes than rows a panel takes several blocks. The last rows go first: their surplus falls on the
    /// first rows of the next column, which are written over.
    private static void blocks(long a, long rowBytes, int rows, float[] to, int panel, long scratch) {
        long columns = scratch + PackTranspose.BLOCK_BYTES;
        for (int r = (rows - 1) / L * L; r >= 0; r -= L) {
            PackTranspose.block(a + r * rowBytes, rowBytes, Math.min(L, rows - r), columns, W, scratch);
            for (int i = 0; i < L; i++) {
                FloatVector.fromMemorySegment(S, ALL, columns + i * W & ADDRESS, ORDER)
                        .intoArray(to, panel + r + i * rows);
            }
        }
    }

    /// Packs rows of a matrix that is stored column by column, that is, the transpose of a row-major one.
    ///
    /// @param a the panel's first element
    /// @param stride elements between columns
    /// @param rows rows of the panel, `1 .. ROWS`
    /// @param kc columns
    /// @param readable elements that may be read from `a` on: those to the end of the matrix
    /// @param to receives the panel
    /// @param panel where in it
    static void columnMajor(long a, int stride, int rows, int kc, long readable, float[] to, int panel) {
        long columnBytes = (long) stride * Float.BYTES;
        int whole = PackColumns.wholeRows(kc, stride, Math.ceilDiv(rows, L) * L, readable);
        for (int k = 0; k < whole; k++) {
            long from = a + k * columnBytes & ADDRESS;
            for (int r = 0; r < rows; r += L) {
                FloatVector.fromMemorySegment(S, ALL, from + 4L * r, ORDER).intoArray(to, panel + k * rows + r);
            }
        }
        for (int k = whole; k < kc; k++) {
            for (int r = 0; r < rows; r++) {
                to[panel + k * rows + r] = ALL.get(F, a + k * columnBytes + 4L * r);
            }
        }
    }
}
