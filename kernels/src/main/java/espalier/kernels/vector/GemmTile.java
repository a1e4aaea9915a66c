package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Lanes.ORDER;

import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/// One tile of a matrix product from packed operands: up to [#ROWS] rows by [#COLUMNS] columns.
///
/// Each element is `alpha` times a sum of partial sums over [#LONGEST_RUN] terms or fewer, each added from left to
/// right with fused multiply-adds, whatever tile it falls in: how a product is cut into tiles does not change its bits.
/// One sum over all terms would be a little faster and two to five times less accurate at the lengths of real models.
final class GemmTile {
    /// Rows of the largest tile. With 512-bit registers there are 32 of them: 24 accumulators. Otherwise there may be
    /// 16 only: 12 accumulators.
    static final int ROWS = Lanes.COUNT == 16 ? 12 : 6;
    /// Columns of a tile.
    static final int COLUMNS = 2 * Lanes.COUNT;

    /// Most terms that are added up in a register.
    static final int LONGEST_RUN = 128;

    /// Bytes of scratch: a tile of sums.
    static final long BYTES = (long) ROWS * COLUMNS * Float.BYTES;

    private static final VectorSpecies<Float> S = Lanes.F32;
    private static final long W = Lanes.BYTES;
    private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private GemmTile() {}

    /// Sums of one run, however long.
    ///
    /// @param rows rows of this tile, `1 .. ROWS`
    /// @param kc length of the sums
    /// @param a holds the panel
    /// @param panel where the panel, `[kc, rows]`, begins in it
    /// @param b packed `[kc, COLUMNS]`
    /// @param tile `[rows, COLUMNS]`, = the sums
    static void sums(int rows, int kc, float[] a, int panel, long b, long tile) {
        clear(rows, tile);
        addSums(rows, kc, a, panel, b, tile);
    }

    /// Adds the sums of one run, however long.
    ///
    /// @param rows rows of this tile, `1 .. ROWS`
    /// @param kc length of the sums
    /// @param a holds the panel
    /// @param panel where the panel, `[kc, rows]`, begins in it
    /// @param b packed `[kc, COLUMNS]`
    /// @param tile `[rows, COLUMNS]`, += the sums
    static void addSums(int rows, int kc, float[] a, int panel, long b, long tile) {
        switch (rows) {
            case 1 -> GemmShortTiles.rows1(kc, a, panel, b, tile);
            case 2 -> GemmShortTiles.rows2(kc, a, panel, b, tile);
            case 3 -> GemmShortTiles.rows3(kc, a, panel, b, tile);
            case 4 -> GemmShortTiles.rows4(kc, a, panel, b, tile);
            case 5 -> GemmShortTiles.rows5(kc, a, panel, b, tile);
            case 6 -> GemmShortTiles.rows6(kc, a, panel, b, tile);
            case 7 -> GemmMiddleTiles.rows7(kc, a, panel, b, tile);
            case 8 -> GemmMiddleTiles.rows8(kc, a, panel, b, tile);
            case 9 -> GemmMiddleTiles.rows9(kc, a, panel, b, tile);
            case 10 -> GemmTallTiles.rows10(kc, a, panel, b, tile);
            case 11 -> GemmTallTiles.rows11(kc, a, panel, b, tile);
            case 12 -> GemmTallTiles.rows12(kc, a, panel, b, tile);
            default -> throw new IllegalArgumentException("a tile of " + rows + " rows, expected 1 to 12");
        }
    }

    /// Multiplies two panels.
    ///
    /// @param rows rows of the panel of A, `1 .. ROWS`
    /// @param columns columns that C has here, `1 .. COLUMNS`
    /// @param kc length of the sums
    /// @param a holds the panel
    /// @param panel where the panel, `[kc, rows]`, begins in it
    /// @param b packed `[kc, COLUMNS]`
    /// @param c first element in C
    /// @param cStride bytes between rows of C
    /// @param alpha factor
    /// @param add whether to add to C
    /// @param tile scratch, [#BYTES]
    static void run(
            int rows, int columns, int kc, float[] a, int panel, long b,
            long c, long cStride, float alpha, boolean add, long tile) {
        clear(rows, tile);
        int runs = Math.ceilDiv(kc, LONGEST_RUN);
        int done = 0;
        for (int run = 1; run <= runs; run++) {
            int to = (int) ((long) kc * run / runs);
            addSums(rows, to - done, a, panel + done * rows, b + done * (2 * W), tile);
            done = to;
        }
        if (columns < COLUMNS) {
            storeNarrow(rows, columns, c, cStride, alpha, add, tile);
        } else if (add) {
            addWide(rows, c, cStride, alpha, tile);
        } else {
            storeWide(rows, c, cStride, alpha, tile);
        }
    }

    private static void clear(int rows, long tile) {
        FloatVector zero = FloatVector.zero(S);
        for (long offset = 0; offset < rows * (2 * W); offset += W) {
            zero.intoMemorySegment(ALL, tile + offset & Lanes.ADDRESS, ORDER);
        }
    }

    private static void storeWide(int rows, long c, long cStride, float alpha, long tile) {
        FloatVector scale = FloatVector.broadcast(S, alpha);
        for (int r = 0; r < rows; r++) {
            long to = c + r * cStride & Lanes.ADDRESS;
            long from = tile + r * (2 * W) & Lanes.ADDRESS;
            scale.mul(FloatVector.fromMemorySegment(S, ALL, from, ORDER)).intoMemorySegment(ALL, to, ORDER);
            scale.mul(FloatVector.fromMemorySegment(S, ALL, from + W, ORDER)).intoMemorySegment(ALL, to + W, ORDER);
        }
    }

    private static void addWide(int rows, long c, long cStride, float alpha, long tile) {
        FloatVector scale = FloatVector.broadcast(S, alpha);
        for (int r = 0; r < rows; r++) {
            long to = c + r * cStride & Lanes.ADDRESS;
            long from = tile + r * (2 * W) & Lanes.ADDRESS;
            FloatVector first = FloatVector.fromMemorySegment(S, ALL, to, ORDER);
            FloatVector second = FloatVector.fromMemorySegment(S, ALL, to + W, ORDER);
            scale.fma(FloatVector.fromMemorySegment(S, ALL, from, ORDER), first).intoMemorySegment(ALL, to, ORDER);
            scale.fma(FloatVector.fromMemorySegment(S, ALL, from + W, ORDER), second)
                    .intoMemorySegment(ALL, to + W, ORDER);
        }
    }

    private static void storeNarrow(int rows, int columns, long c, long cStride, float alpha, boolean add, long tile) {
        for (int r = 0; r < rows; r++) {
            for (int j = 0; j < columns; j++) {
                long to = c + r * cStride + 4L * j;
                float sum = ALL.get(F, tile + r * (2 * W) + 4L * j);
                ALL.set(F, to, add ? Math.fma(alpha, sum, ALL.get(F, to)) : alpha * sum);
            }
        }
    }
}
