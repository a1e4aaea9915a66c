package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Lanes.ORDER;

import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/// Packs rows of the left operand of a product into panels `[kc, rows of the panel]`.
///
/// A panel's stores are full registers in ascending order, so the last one writes up to a register less one element
/// beyond the panel: [#panelBytes] leaves room for it.
final class PackRows {
    private static final VectorSpecies<Float> S = Lanes.F32;
    private static final int L = Lanes.COUNT;
    private static final long ADDRESS = Lanes.ADDRESS;
    private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private PackRows() {}

    /// @param kc columns packed
    /// @return bytes that a panel of [GemmTile#ROWS] rows or fewer takes, a multiple of 64
    static long panelBytes(int kc) {
        return Math.ceilDiv((long) GemmTile.ROWS * kc * Float.BYTES + Lanes.BYTES, 64) * 64;
    }

    /// Packs rows of a matrix that is stored row by row.
    ///
    /// @param a the panel's first element
    /// @param stride elements between rows
    /// @param rows rows of the panel, `1 .. ROWS`
    /// @param kc columns
    /// @param panel where to
    /// @param scratch [PackTranspose#BLOCK_BYTES]
    static void rowMajor(long a, int stride, int rows, int kc, long panel, long scratch) {
        long rowBytes = (long) stride * Float.BYTES;
        long step = (long) rows * Float.BYTES;
        if (kc < L) {
            for (int k = 0; k < kc; k++) {
                for (int r = 0; r < rows; r++) {
                    ALL.set(F, panel + k * step + 4L * r, ALL.get(F, a + r * rowBytes + 4L * k));
                }
            }
            return;
        }
        int k = 0;
        for (; k + L <= kc; k += L) {
            blocks(a + 4L * k, rowBytes, rows, panel + k * step, scratch);
        }
        if (k < kc) {
            blocks(a + 4L * (kc - L), rowBytes, rows, panel + (kc - L) * step, scratch);
        }
    }

    /// With fewer lanes than rows a panel takes several blocks; only the last may write beyond its rows, and what it
    /// spills is written over by the next column, since a store never reaches further than one column.
    private static void blocks(long a, long rowBytes, int rows, long panel, long scratch) {
        long step = (long) rows * Float.BYTES;
        if (rows <= L) {
            PackTranspose.block(a, rowBytes, rows, panel, step, scratch);
            return;
        }
        // The last rows first: their surplus falls on the first rows of the next column.
        for (int r = (rows - 1) / L * L; r >= 0; r -= L) {
            PackTranspose.block(a + r * rowBytes, rowBytes, Math.min(L, rows - r), panel + 4L * r, step, scratch);
        }
    }

    /// Packs rows of a matrix that is stored column by column, that is, the transpose of a row-major one.
    ///
    /// @param a the panel's first element
    /// @param stride elements between columns
    /// @param rows rows of the panel, `1 .. ROWS`
    /// @param kc columns
    /// @param readable elements that may be read from `a` on: those to the end of the matrix
    /// @param panel where to
    static void columnMajor(long a, int stride, int rows, int kc, long readable, long panel) {
        long columnBytes = (long) stride * Float.BYTES;
        long step = (long) rows * Float.BYTES;
        int whole = PackColumns.wholeRows(kc, stride, Math.ceilDiv(rows, L) * L, readable);
        for (int k = 0; k < whole; k++) {
            long from = a + k * columnBytes & ADDRESS;
            long to = panel + k * step & ADDRESS;
            for (int r = 0; r < rows; r += L) {
                FloatVector.fromMemorySegment(S, ALL, from + 4L * r, ORDER)
                        .intoMemorySegment(ALL, to + 4L * r, ORDER);
            }
        }
        for (int k = whole; k < kc; k++) {
            for (int r = 0; r < rows; r++) {
                ALL.set(F, panel + k * step + 4L * r, ALL.get(F, a + k * columnBytes + 4L * r));
            }
        }
    }
}
