package espalier.kernels.vector;

import espalier.kernels.Tensor;

/// Packs the keys or values of one head as left operands of [GemmTile#sums].
///
/// @param pages the rows, `[.., kvHeads * headDim]`, in pages
/// @param pageRows rows of a page, at least 1
/// @param count rows in use
/// @param column first column of the head
/// @param width columns of the head
record AttentionPanels(Tensor[] pages, int pageRows, int count, int column, int width) {
    /// Rows of a panel of [#packRows].
    static final int ROWS = GemmTile.ROWS;

    /// @param row counted over the pages
    /// @return address of the head's part of it
    private long address(int row) {
        Tensor page = pages[row / pageRows];
        return page.address() + Float.BYTES * ((long) (row % pageRows) * page.cols() + column);
    }

    /// @return floats that [#packRows] needs
    static int floatsOfRows(int count, int width) {
        return Math.addExact(Math.multiplyExact(Math.ceilDiv(count, ROWS) * ROWS, width), Lanes.COUNT);
    }

    /// @return floats that [#packColumns] needs
    static int floatsOfColumns(int count, int width) {
        return Math.addExact(Math.multiplyExact(count, width), Lanes.COUNT);
    }

    /// Panels `[width, ROWS]`, one for each [#ROWS] rows: for sums over the columns. Rows that are missing in the last
    /// one are zeros.
    ///
    /// @param to receives [#floatsOfRows]
    /// @param offset where in it
    /// @param scratch `ROWS * width` floats and twice [PackTranspose#BLOCK_BYTES]
    void packRows(float[] to, int offset, long scratch) {
        long rowBytes = (long) width * Float.BYTES;
        long block = scratch + ROWS * rowBytes;
        for (int first = 0; first < count; first += ROWS) {
            for (int r = 0; r < ROWS; r++) {
                long row = scratch + r * rowBytes;
                if (first + r < count) {
                    Elementwise.scaled(row, address(first + r), 1, width);
                } else {
                    Elementwise.fill(row, 0, width);
                }
            }
            PackRows.rowMajor(scratch, width, ROWS, width, to, offset + first * width, block);
        }
    }

    /// Panels `[count, rows]`, one for each of the [#cuts] of the columns: for sums over the rows.
    ///
    /// @param to receives [#floatsOfColumns]
    /// @param offset where in it
    void packColumns(float[] to, int offset) {
        int cuts = cuts(width);
        for (int cut = 0; cut < cuts; cut++) {
            int from = cut(width, cut);
            int rows = cut(width, cut + 1) - from;
            for (int first = 0; first < count; first += pageRows) {
                Tensor page = pages[first / pageRows];
                long readable = page.elements() - column - from;
                PackRows.columnMajor(address(first) + (long) from * Float.BYTES, page.cols(), rows,
                        Math.min(pageRows, count - first), readable, to, offset + count * from + first * rows);
            }
        }
    }

    /// @return panels that `width` columns are cut into
    static int cuts(int width) {
        return Math.ceilDiv(width, ROWS);
    }

    /// @return column where panel `i` of [#cuts] begins
    static int cut(int width, int i) {
        return width * i / cuts(width);
    }
}
