package espalier.kernels.vector;

import espalier.bindings.NativeMemory;
import espalier.kernels.Check;
import espalier.kernels.DType;
import espalier.kernels.cpu.CpuWeight;
import java.lang.foreign.Arena;
import java.util.Arrays;

/// Products of strided row-major matrices: `C[m, n] = alpha * op(A) op(B)`, or `+=`.
///
/// Both operands are packed into panels, converted to F32 on the way, and [GemmTile] runs over the panels. For each
/// block of `K`, A is packed whole; then each block of columns of B is packed to stay in the second-level cache while
/// the panels of A, each small enough for the first level, pass over it.
///
/// A task is a block of columns and some of the rows, see [Cuts]; `K` is never split over threads. An element sums
/// over `K` in order, cut only where [#blocksOfK] says, which depends on `k` alone. So results depend neither on threads
/// nor on tiles.
final class Gemm implements AutoCloseable {
    /// Which operand is stored transposed.
    enum Form {
        /// `C = A B^T`: A is `[m, k]`, B is `[n, k]`.
        NT,
        /// `C = A B`: A is `[m, k]`, B is `[k, n]`.
        NN,
        /// `C = A^T B`: A is `[k, m]`, B is `[k, n]`.
        TN,
        /// `C = A B^T`: A is `[m, k]`, B is `[n, k]`, packed by [#pack]; its stride means nothing.
        PACKED
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
    /// So many tasks for each thread keep the wait at the end of a region to a few percent of it.
    private static final int TASKS_OF_A_THREAD = 8;
    /// Rows of a task, so that packing a block of B again, where a thread gets another's, costs little beside them.
    private static final int LEAST_PANELS_OF_A = 16;

    private static final int ROWS = GemmTile.ROWS;
    private static final int COLUMNS = GemmTile.COLUMNS;
    private static final long TILE_WIDTH = (long) COLUMNS * Float.BYTES;

    private final Parallel parallel;
    private float[] packedA = new float[0];
    /// For each worker, panels of A of products inside a task.
    private final float[][] localA;
    private final PackBuffer[] packedB;
    private final Arena arena = Arena.ofShared();
    /// For each worker, the block of columns of B that it has packed for the present region, or -1, and where it is.
    private final int[] packedCut;
    private final long[] bPanels;
    /// For each worker, room for the packing scratch and a tile of sums.
    private final long[] scratch;

    /// @param parallel runs the tasks; stays open as long as this is used
    Gemm(Parallel parallel) {
        this.parallel = parallel;
        localA = new float[parallel.threads()][0];
        packedB = PackBuffer.perWorker(parallel.threads());
        packedCut = new int[parallel.threads()];
        bPanels = new long[parallel.threads()];
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
        localBatch(worker, 1, 0, 0, form, m, n, k, c, cStride, a, aStride, b, bType, bStride, alpha, accumulate);
    }

    /// Products that share their right operand, which is packed once for all of them, on the calling thread alone. The
    /// same bits as [#run] for each.
    ///
    /// @param worker number of the thread in the region
    /// @param batch number of products
    /// @param aStep elements from the left operand of one product to that of the next
    /// @param cStep elements from the result of one product to that of the next; see [#run] for the rest
    void localBatch(
            int worker, int batch, long aStep, long cStep, Form form, int m, int n, int k,
            long c, int cStride, long a, int aStride, long b, DType bType, int bStride, float alpha,
            boolean accumulate) {
        Product[] products = new Product[batch];
        for (int i = 0; i < batch; i++) {
            products[i] = new Product(form, m, n, k, c + 4 * i * cStep, cStride, a + 4 * i * aStep, aStride,
                    b, bType, bStride, alpha, accumulate);
            if (k == 0) {
                products[i].clear();
            }
        }
        if (m == 0 || n == 0 || k == 0 || batch == 0) {
            return;
        }
        int columns = Math.ceilDiv(n, COLUMNS);
        int blocks = products[0].blocks();
        for (int i = 0; i < blocks; i++) {
            Block block = products[0].block(i);
            int panels = block.panels();
            float[] aPanels = room(localA[worker], batch * panels, block.kc);
            localA[worker] = aPanels;
            for (int each = 0; each < batch; each++) {
                packRows(products[each], block, 0, panels, aPanels, each * panels, worker);
            }
            int cuts = Math.ceilDiv(columns, panelsOfB(block.kc));
            for (int cut = 0; cut < cuts; cut++) {
                int from = part(columns, cut, cuts);
                int to = part(columns, cut + 1, cuts);
                long bPanels = packColumns(products[0], block, from, to, worker);
                for (int each = 0; each < batch; each++) {
                    multiply(products[each], block, aPanels, each * panels, 0, panels, bPanels, from, to, worker);
                }
            }
        }
    }

    private void runBlock(Product p, Block block) {
        int panels = block.panels();
        packedA = room(packedA, panels, block.kc);
        float[] aPanels = packedA;
        int packing = Math.max(Math.min(panels, parallel.threads()), panels / PANELS_OF_A);
        parallel.run(packing, (task, worker) -> packRows(
                p, block, part(panels, task, packing), part(panels, task + 1, packing), aPanels, 0, worker));

        int columns = Math.ceilDiv(p.n, COLUMNS);
        Cuts cuts = Cuts.of(panels, columns, panelsOfB(block.kc), parallel.threads());
        Arrays.fill(packedCut, -1);
        parallel.run(cuts.tasks(), (task, worker) -> {
            int column = cuts.column(task);
            int row = cuts.row(task);
            int from = part(columns, column, cuts.columns);
            int to = part(columns, column + 1, cuts.columns);
            if (packedCut[worker] != column) {
                bPanels[worker] = packColumns(p, block, from, to, worker);
                packedCut[worker] = column;
            }
            multiply(p, block, aPanels, 0, part(panels, row, cuts.rows), part(panels, row + 1, cuts.rows),
                    bPanels[worker], from, to, worker);
        });
    }

    private static float[] room(float[] held, int panels, int kc) {
        int floats = Math.multiplyExact(panels, PackRows.panelFloats(kc));
        return held.length >= floats ? held : new float[floats];
    }

    /// Packs the row panels `[from, to)` of A.
    ///
    /// @param first place of the product's first panel
    private void packRows(Product p, Block block, int from, int to, float[] aPanels, int first, int worker) {
        int panelFloats = PackRows.panelFloats(block.kc);
        if (p.form != Form.TN) {
            for (int i = from; i < to; i++) {
                int row = block.rowOf(i);
                PackRows.rowMajor(p.a + 4 * ((long) row * p.aStride + block.k0), p.aStride, block.rowOf(i + 1) - row,
                        block.kc, aPanels, (first + i) * panelFloats, scratch[worker]);
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
                        aPanels, (first + i) * panelFloats + k * rows);
            }
        }
    }

    /// Packs a weight for [Form#PACKED].
    ///
    /// @param w the weight
    /// @param to receives [PackedWeights#bytes]
    void pack(CpuWeight w, long to) {
        int columns = Math.ceilDiv(w.rows(), COLUMNS);
        int blocks = blocksOfK(w.cols());
        parallel.run(columns, (panel, worker) -> {
            for (int i = 0; i < blocks; i++) {
                int k0 = part(w.cols(), i, blocks);
                int kc = part(w.cols(), i + 1, blocks) - k0;
                long panelBytes = PackedWeights.panelBytes(w.type(), kc);
                PackedWeights.pack(w, panel * COLUMNS, k0, kc,
                        to + PackedWeights.offset(w.type(), w.cols(), k0, columns) + panel * panelBytes,
                        scratch[worker]);
            }
        });
    }

    /// Packs the column panels `[from, to)` of B.
    ///
    /// @return where they are, until the worker's next call
    private long packColumns(Product p, Block block, int from, int to, int worker) {
        long panelBytes = PackColumns.panelBytes(block.kc);
        if (p.form == Form.PACKED) {
            long stored = PackedWeights.panelBytes(p.bType, block.kc);
            long first = p.b + PackedWeights.offset(p.bType, p.k, block.k0, Math.ceilDiv(p.n, COLUMNS)) + from * stored;
            if (p.bType == DType.F32) {
                return first;
            }
            long unpacked = packedB[worker].ensure((to - from) * panelBytes);
            for (int j = 0; j < to - from; j++) {
                PackedWeights.unpack(p.bType, first + j * stored, block.kc, unpacked + j * panelBytes);
            }
            return unpacked;
        }
        long panels = packedB[worker].ensure((to - from) * panelBytes);
        int size = p.bType.bytes();
        for (int j = from; j < to; j++) {
            int column = j * COLUMNS;
            int columns = Math.min(COLUMNS, p.n - column);
            long panel = panels + (j - from) * panelBytes;
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
        return panels;
    }

    /// Multiplies the row panels `[firstRow, lastRow)` with the column panels `[firstColumn, lastColumn)`.
    private void multiply(
            Product p, Block block, float[] aPanels, int first, int firstRow, int lastRow,
            long bPanels, int firstColumn, int lastColumn, int worker) {
        long bBytes = PackColumns.panelBytes(block.kc);
        int panelFloats = PackRows.panelFloats(block.kc);
        boolean add = p.accumulate || block.k0 > 0;
        long rowBytes = (long) p.cStride * Float.BYTES;
        for (int i = firstRow; i < lastRow; i++) {
            int row = block.rowOf(i);
            int rows = block.rowOf(i + 1) - row;
            for (int j = firstColumn; j < lastColumn; j++) {
                GemmTile.run(rows, Math.min(COLUMNS, p.n - j * COLUMNS), block.kc,
                        aPanels, (first + i) * panelFloats, bPanels + (j - firstColumn) * bBytes,
                        p.c + row * rowBytes + j * TILE_WIDTH, rowBytes, p.alpha, add,
                        scratch[worker] + PackColumns.SCRATCH_BYTES);
            }
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

    /// @return bytes of scratch memory, used or not
    long heldBytes() {
        return 4L * packedA.length + PackBuffer.heldBytes(packedB)
                + Arrays.stream(localA).mapToLong(panels -> 4L * panels.length).sum()
                + scratch.length * (PackColumns.SCRATCH_BYTES + GemmTile.BYTES);
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

    /// How a block of a product is cut into tasks: into blocks of columns of B that fit the second-level cache, and
    /// those into parts of the rows until the threads end at nearly the same time.
    ///
    /// Consecutive tasks belong to different blocks of columns, as many as there are threads. A thread that takes each
    /// of so many tasks meets its own block again and need not pack it again.
    ///
    /// @param columns blocks of columns
    /// @param rows parts of the rows
    /// @param threads that share the tasks
    private record Cuts(int columns, int rows, int threads) {
        /// @param panelsOfA all row panels
        /// @param panelsOfB all column panels
        /// @param most column panels that fit the cache
        static Cuts of(int panelsOfA, int panelsOfB, int most, int threads) {
            int columns = Math.ceilDiv(panelsOfB, most);
            if (threads == 1) {
                return new Cuts(columns, 1, 1);
            }
            int wanted = TASKS_OF_A_THREAD * threads;
            columns = Math.min(panelsOfB, Math.ceilDiv(columns, threads) * threads);
            int rows = Math.clamp(panelsOfA / LEAST_PANELS_OF_A, 1, Math.ceilDiv(wanted, columns));
            columns = Math.clamp(Math.ceilDiv(wanted, rows), columns, panelsOfB);
            return new Cuts(columns, rows, threads);
        }

        int tasks() {
            return columns * rows;
        }

        int column(int task) {
            int first = task / (threads * rows) * threads;
            return first + (task - first * rows) % together(first);
        }

        int row(int task) {
            int first = task / (threads * rows) * threads;
            return (task - first * rows) / together(first);
        }

        private int together(int first) {
            return Math.min(threads, columns - first);
        }
    }
}
