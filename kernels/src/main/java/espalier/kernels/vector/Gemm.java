package espalier.kernels.vector;

import espalier.bindings.NativeMemory;
import espalier.kernels.Check;
import espalier.kernels.DType;
import java.lang.foreign.Arena;

/// Products of strided row-major matrices: `C[m, n] = alpha * op(A) op(B)`, or `+=`.
///
/// Both operands are packed into panels, converted to F32 on the way, and [GemmTile] runs over the panels. For each
/// block of `K`, A is packed whole; then each block of columns of B is packed to stay in the second-level cache while
/// the panels of A, each small enough for the first level, pass over it.
///
/// A task is a block of columns and perhaps of rows; `K` is never split over threads. An element's sum runs over `K` in
/// order, cut only where [#blocksOfK] says, which depends on `k` alone. So results depend neither on threads nor on tiles.
final class Gemm implements AutoCloseable {
    /// Which operand is stored transposed.
    enum Form {
        /// `C = A B^T`: A is `[m, k]`, B is `[n, k]`.
        NT,
        /// `C = A B`: A is `[m, k]`, B is `[k, n]`.
        NN,
        /// `C = A^T B`: A is `[k, m]`, B is `[k, n]`.
        TN
    }

    /// Longest block of `K`: with it a panel of A fits the first-level cache.
    static final int LONGEST_K = 768;
    /// Floats of a block of B: half of a second-level cache of 1 MiB.
    private static final int BLOCK_OF_B = 1 << 17;
    /// Rows packed at a time: more of them would leave the last-level cache.
    private static final int MOST_ROWS = 4096;
    /// Packing A is cut into tasks of about this many panels.
    private static final int PANELS_OF_A = 16;
    private static final int COLUMNS_AT_A_TIME = 8;

    private static final int ROWS = GemmTile.ROWS;
    private static final int COLUMNS = GemmTile.COLUMNS;
    private static final long TILE_WIDTH = (long) COLUMNS * Float.BYTES;

    private final Parallel parallel;
    private float[] packedA = new float[0];
    /// For each worker, panels of A of products inside a task.
    private final float[][] localA;
    private final PackBuffer[] packedB;
    private final Arena arena = Arena.ofShared();
    /// For each worker, room for the packing scratch and a tile of sums.
    private final long[] scratch;

    /// @param parallel runs the tasks; stays open as long as this is used
    Gemm(Parallel parallel) {
        this.parallel = parallel;
        localA = new float[parallel.threads()][0];
        packedB = PackBuffer.perWorker(parallel.threads());
        scratch = new long[parallel.threads()];
        for (int i = 0; i < scratch.length; i++) {
            scratch[i] = arena.allocate(PackColumns.SCRATCH_BYTES + GemmTile.BYTES, 64).address();
        }
    }

    /// The product on all threads.
    ///
    /// @param form which operand is transposed
    /// @param m rows of C
    /// @param n columns of C
    /// @param k length of the sums; 0 makes them 0
    /// @param c `[m, n]`, address
    /// @param cStride elements between rows of C, at least `n`
    /// @param a address of F32
    /// @param aStride elements between its rows as stored
    /// @param b address
    /// @param bType element type of B
    /// @param bStride elements between its rows as stored
    /// @param alpha factor
    /// @param accumulate whether to add to C
    void run(
            Form form, int m, int n, int k, long c, int cStride, long a, int aStride,
            long b, DType bType, int bStride, float alpha, boolean accumulate) {
        Product p = new Product(form, m, n, k, c, cStride, a, aStride, b, bType, bStride, alpha, accumulate);
        if (m == 0 || n == 0) {
            return;
        }
        if (k == 0) {
            p.clear();
            return;
        }
        int blocks = p.blocks();
        for (int i = 0; i < blocks; i++) {
            runBlock(p, p.block(i));
        }
    }

    /// The product on the calling thread alone, inside a task of a parallel region. The same bits as [#run].
    ///
    /// @param worker number of the thread in the region; see [#run] for the rest
    void local(
            int worker, Form form, int m, int n, int k, long c, int cStride, long a, int aStride,
            long b, DType bType, int bStride, float alpha, boolean accumulate) {
        Product p = new Product(form, m, n, k, c, cStride, a, aStride, b, bType, bStride, alpha, accumulate);
        if (m == 0 || n == 0) {
            return;
        }
        if (k == 0) {
            p.clear();
            return;
        }
        int columns = Math.ceilDiv(n, COLUMNS);
        int blocks = p.blocks();
        for (int i = 0; i < blocks; i++) {
            Block block = p.block(i);
            localA[worker] = room(localA[worker], block);
            float[] panels = localA[worker];
            packRows(p, block, 0, block.panels(), panels, worker);
            int cuts = Math.ceilDiv(columns, panelsOfB(block.kc));
            for (int cut = 0; cut < cuts; cut++) {
                multiply(p, block, panels, 0, block.panels(),
                        part(columns, cut, cuts), part(columns, cut + 1, cuts), worker);
            }
        }
    }

    private void runBlock(Product p, Block block) {
        int panels = block.panels();
        packedA = room(packedA, block);
        float[] aPanels = packedA;
        int packing = Math.max(Math.min(panels, parallel.threads()), panels / PANELS_OF_A);
        parallel.run(packing, (task, worker) -> packRows(
                p, block, part(panels, task, packing), part(panels, task + 1, packing), aPanels, worker));

        int columns = Math.ceilDiv(p.n, COLUMNS);
        int threads = parallel.threads();
        int cuts = Math.ceilDiv(columns, panelsOfB(block.kc));
        if (threads > 1) {
            cuts = Math.min(columns, Math.ceilDiv(cuts, 2 * threads) * 2 * threads);
        }
        int columnCuts = cuts;
        int rowCuts = Math.min(panels, columnCuts >= threads ? 1 : Math.ceilDiv(2 * threads, columnCuts));
        parallel.run(columnCuts * rowCuts, (task, worker) -> {
            int column = task / rowCuts;
            int row = task % rowCuts;
            multiply(p, block, aPanels, part(panels, row, rowCuts), part(panels, row + 1, rowCuts),
                    part(columns, column, columnCuts), part(columns, column + 1, columnCuts), worker);
        });
    }

    private static float[] room(float[] held, Block block) {
        int floats = block.panels() * PackRows.panelFloats(block.kc);
        return held.length >= floats ? held : new float[floats];
    }

    private void packRows(Product p, Block block, int from, int to, float[] aPanels, int worker) {
        int panelFloats = PackRows.panelFloats(block.kc);
        if (p.form != Form.TN) {
            for (int i = from; i < to; i++) {
                int row = block.rowOf(i);
                PackRows.rowMajor(p.a + 4 * ((long) row * p.aStride + block.k0), p.aStride, block.rowOf(i + 1) - row,
                        block.kc, aPanels, i * panelFloats, scratch[worker]);
            }
            return;
        }
        // Few columns at a time for all panels: each column may lie on a page of its own.
        for (int k = 0; k < block.kc; k += COLUMNS_AT_A_TIME) {
            int columns = Math.min(COLUMNS_AT_A_TIME, block.kc - k);
            for (int i = from; i < to; i++) {
                int row = block.rowOf(i);
                int rows = block.rowOf(i + 1) - row;
                long offset = (long) (block.k0 + k) * p.aStride + row;
                long readable = (long) (p.k - 1) * p.aStride + p.m - offset;
                PackRows.columnMajor(p.a + 4 * offset, p.aStride, rows, columns, readable,
                        aPanels, i * panelFloats + k * rows);
            }
        }
    }

    /// Packs the column panels `[firstColumn, lastColumn)` of B and multiplies panels of A with them.
    private void multiply(
            Product p, Block block, float[] aPanels, int firstRow, int lastRow, int firstColumn, int lastColumn,
            int worker) {
        long bBytes = PackColumns.panelBytes(block.kc);
        long bPanels = packedB[worker].ensure((lastColumn - firstColumn) * bBytes);
        for (int j = firstColumn; j < lastColumn; j++) {
            packColumns(p, block, j * COLUMNS, bPanels + (j - firstColumn) * bBytes, worker);
        }
        int panelFloats = PackRows.panelFloats(block.kc);
        boolean add = p.accumulate || block.k0 > 0;
        long rowBytes = (long) p.cStride * Float.BYTES;
        for (int i = firstRow; i < lastRow; i++) {
            int row = block.rowOf(i);
            int rows = block.rowOf(i + 1) - row;
            for (int j = firstColumn; j < lastColumn; j++) {
                long tile = p.c + row * rowBytes + j * TILE_WIDTH;
                long bPanel = bPanels + (j - firstColumn) * bBytes;
                GemmTile.run(rows, Math.min(COLUMNS, p.n - j * COLUMNS), block.kc, aPanels, i * panelFloats, bPanel,
                        tile, rowBytes, p.alpha, add, scratch[worker] + PackColumns.SCRATCH_BYTES);
            }
        }
    }

    private void packColumns(Product p, Block block, int column, long panel, int worker) {
        int columns = Math.min(COLUMNS, p.n - column);
        int size = p.bType.bytes();
        if (p.form == Form.NT) {
            long offset = (long) column * p.bStride + block.k0;
            PackColumns.transposed(
                    p.b + size * offset, p.bType, p.bStride, columns, block.kc, panel, scratch[worker]);
        } else {
            long offset = (long) block.k0 * p.bStride + column;
            long readable = (long) (p.k - 1) * p.bStride + p.n - offset;
            PackColumns.rowMajor(p.b + size * offset, p.bType, p.bStride, columns, block.kc, readable, panel);
        }
    }

    /// @param k length of the sums
    /// @return number of blocks of nearly equal length that they are cut into
    static int blocksOfK(int k) {
        return Math.ceilDiv(k, LONGEST_K);
    }

    private static int panelsOfB(int kc) {
        return Math.max(1, BLOCK_OF_B / (kc * COLUMNS));
    }

    /// @return where part `i` of `parts` nearly equal parts of `n` begins
    private static int part(int n, int i, int parts) {
        return (int) ((long) n * i / parts);
    }

    /// @return bytes of packing memory held
    long heldBytes() {
        long bytes = 4L * packedA.length;
        for (int i = 0; i < packedB.length; i++) {
            bytes += packedB[i].heldBytes() + 4L * localA[i].length;
        }
        return bytes;
    }

    @Override
    public void close() {
        for (PackBuffer buffer : packedB) {
            buffer.close();
        }
        arena.close();
    }

    /// The arguments of [#run].
    private record Product(
            Form form, int m, int n, int k, long c, int cStride, long a, int aStride,
            long b, DType bType, int bStride, float alpha, boolean accumulate) {
        Product {
            Check.notNegative("m", m);
            Check.notNegative("n", n);
            Check.notNegative("k", k);
        }

        int blocks() {
            return Math.ceilDiv(m, MOST_ROWS) * blocksOfK(k);
        }

        /// Block `i` of the product, those of the same rows in the order of their terms.
        Block block(int i) {
            int rowBlocks = Math.ceilDiv(m, MOST_ROWS);
            int termBlocks = blocksOfK(k);
            int row = part(m, i / termBlocks, rowBlocks);
            int k0 = part(k, i % termBlocks, termBlocks);
            return new Block(row, part(m, i / termBlocks + 1, rowBlocks) - row,
                    k0, part(k, i % termBlocks + 1, termBlocks) - k0);
        }

        void clear() {
            if (!accumulate) {
                for (int i = 0; i < m; i++) {
                    long rowAddress = c + (long) i * cStride * Float.BYTES;
                    NativeMemory.ALL.asSlice(rowAddress, (long) n * Float.BYTES).fill((byte) 0);
                }
            }
        }
    }

    /// Rows `[row, row + rows)` and terms `[k0, k0 + kc)` of a product. Its rows are cut into panels of nearly equal
    /// height: 32 rows are 11 + 11 + 10, not 12 + 12 + 8.
    private record Block(int row, int rows, int k0, int kc) {
        int panels() {
            return Math.ceilDiv(rows, ROWS);
        }

        int rowOf(int panel) {
            return row + part(rows, panel, panels());
        }
    }
}
