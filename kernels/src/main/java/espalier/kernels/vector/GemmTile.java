package espalier.kernels.vector;

/// One tile of a matrix product from packed operands: up to [#ROWS] rows by [#COLUMNS] columns.
///
/// Each element is `in + alpha * (a_0 b_0 + a_1 b_1 + ...)`, added from left to right with fused multiply-adds, whatever
/// tile it falls in: how a product is cut into tiles does not change its bits.
final class GemmTile {
    /// Rows of the largest tile. With 512-bit registers there are 32 of them: 24 accumulators. Otherwise there may be
    /// 16 only: 12 accumulators.
    static final int ROWS = Lanes.COUNT == 16 ? 12 : 6;
    /// Columns of a tile.
    static final int COLUMNS = 2 * Lanes.COUNT;

    private GemmTile() {}

    /// @param rows rows of this tile, `1 .. ROWS`
    /// @param kc length of the sums
    /// @param a packed `[kc, rows]`
    /// @param b packed `[kc, COLUMNS]`
    /// @param out tile of C, all columns, =
    /// @param outStride bytes between its rows
    /// @param in what the products are added to: the tile of C, or zeros
    /// @param inStride bytes between its rows, 0 for a row of zeros
    /// @param alpha factor
    static void run(int rows, int kc, long a, long b, long out, long outStride, long in, long inStride, float alpha) {
        switch (rows) {
            case 1 -> GemmShortTiles.rows1(kc, a, b, out, outStride, in, inStride, alpha);
            case 2 -> GemmShortTiles.rows2(kc, a, b, out, outStride, in, inStride, alpha);
            case 3 -> GemmShortTiles.rows3(kc, a, b, out, outStride, in, inStride, alpha);
            case 4 -> GemmShortTiles.rows4(kc, a, b, out, outStride, in, inStride, alpha);
            case 5 -> GemmShortTiles.rows5(kc, a, b, out, outStride, in, inStride, alpha);
            case 6 -> GemmShortTiles.rows6(kc, a, b, out, outStride, in, inStride, alpha);
            case 7 -> GemmMiddleTiles.rows7(kc, a, b, out, outStride, in, inStride, alpha);
            case 8 -> GemmMiddleTiles.rows8(kc, a, b, out, outStride, in, inStride, alpha);
            case 9 -> GemmMiddleTiles.rows9(kc, a, b, out, outStride, in, inStride, alpha);
            case 10 -> GemmTallTiles.rows10(kc, a, b, out, outStride, in, inStride, alpha);
            case 11 -> GemmTallTiles.rows11(kc, a, b, out, outStride, in, inStride, alpha);
            case 12 -> GemmTallTiles.rows12(kc, a, b, out, outStride, in, inStride, alpha);
            default -> throw new IllegalArgumentException("a tile of " + rows + " rows, expected 1 to 12");
        }
    }
}
