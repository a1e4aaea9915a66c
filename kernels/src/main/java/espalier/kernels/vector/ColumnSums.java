package espalier.kernels.vector;

import static espalier.kernels.vector.Access.first;
import static espalier.kernels.vector.Access.load;
import static espalier.kernels.vector.Access.store;

import espalier.kernels.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// Sums over tokens, for gradients of what all tokens share: a row of weights, of gates, a bias.
///
/// A task goes through [#TOKENS] whole rows, since memory likes them whole, and adds them to a row of its own. Then the
/// tasks' rows are added in their order. Both cuts depend on the shape alone; and no F32 sum is long.
final class ColumnSums implements AutoCloseable {
    /// Rows that a task sums.
    static final int TOKENS = 32;
    /// Partial sums that are added in F32 before the result is added to the total.
    private static final int CHUNK = 16;
    private static final int COLUMNS = 256;
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;

    private final Parallel parallel;
    private final PackBuffer partial = new PackBuffer();

    /// @param parallel runs the tasks; stays open as long as this is used
    ColumnSums(Parallel parallel) {
        this.parallel = parallel;
    }

    /// Adds something of one row to the sums.
    @FunctionalInterface
    interface Row {
        /// @param row the row
        /// @param sums `[cols]`, +=, address; padded to whole registers
        /// @param worker thread that runs it
        void add(int row, long sums, int worker);
    }

    /// Runs `body` for every row, and leaves the tasks' sums for [#partial].
    ///
    /// @param elements of all rows that are read: whether threads are worth it
    /// @return tasks
    int run(int rows, int cols, long elements, Row body) {
        int tasks = Math.ceilDiv(rows, TOKENS);
        long bytes = bytes(cols);
        long memory = partial.ensure(tasks * bytes);
        Tasks.ranges(parallel, elements, rows, TOKENS, (from, to, worker) -> {
            long sums = memory + from / TOKENS * bytes;
            Elementwise.fill(sums, 0, (int) (bytes / Float.BYTES));
            for (int row = from; row < to; row++) {
                body.add(row, sums, worker);
            }
        });
        return tasks;
    }

    /// Runs `body` for every row and adds the sums to a row.
    void addTo(Tensor out, int rows, long elements, Row body) {                                     // out +=
        int tasks = run(rows, out.cols(), elements, body);
        addRows(parallel, out, partial.ensure(0), bytes(out.cols()), tasks);
    }

    /// @return address of a task's sums after [#run]
    long partial(int task, int cols) {
        return partial.ensure(0) + task * bytes(cols);
    }

    private static long bytes(int cols) {
        return Math.ceilDiv(cols, L) * W;
    }

    /// Adds all rows of a matrix to a row.
    ///
    /// @param out `[1, n]`, +=
    /// @param x address of row 0
    /// @param stride bytes between rows
    /// @param rows number of rows
    static void addRows(Parallel parallel, Tensor out, long x, long stride, int rows) {
        Tasks.ranges(parallel, (long) rows * out.cols(), out.cols(), COLUMNS, (from, to, worker) -> {
            long offset = (long) from * Float.BYTES;
            for (int row = 0; row < rows; row += CHUNK) {
                addRows(out.address() + offset, x + row * stride + offset, stride, Math.min(CHUNK, rows - row),
                        to - from);
            }
        });
    }

    private static void addRows(long out, long x, long stride, int rows, int n) {
        int i = 0;
        for (; i <= n - L; i += L, out += W, x += W) {
            FloatVector sum = FloatVector.zero(Lanes.F32);
            for (int row = 0; row < rows; row++) {
                sum = sum.add(load(x + row * stride));
            }
            store(out, sum.add(load(out)));
        }
        if (i < n) {
            addRest(out, x, stride, rows, n - i);
        }
    }

    private static void addRest(long out, long x, long stride, int rows, int n) {
        VectorMask<Float> m = first(n);
        FloatVector sum = FloatVector.zero(Lanes.F32);
        for (int row = 0; row < rows; row++) {
            sum = sum.add(load(x + row * stride, m));
        }
        store(out, sum.add(load(out, m)), m);
    }

    /// @return bytes of scratch memory, used or not
    long heldBytes() {
        return partial.heldBytes();
    }

    @Override
    public void close() {
        partial.close();
    }
}
