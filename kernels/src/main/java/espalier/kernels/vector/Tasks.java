package espalier.kernels.vector;

/// Cuts element-wise work into tasks. The cuts depend on the shape alone, never on the number of threads, so neither do
/// the results.
final class Tasks {
    /// Elements of a task: 64 KiB, of which a few operands fit the second-level cache.
    static final int BLOCK = 1 << 14;
    /// Columns of a task that sums over tokens; a multiple of every lane count.
    static final int COLUMNS = 128;
    /// Tokens that are summed in F32 before the sum is added to the total, which keeps rounding small.
    static final int CHUNK = 16;
    /// Below as many elements waking a thread costs more than it saves.
    private static final long WORTHWHILE = 2L * BLOCK;

    private Tasks() {}

    /// Some elements of a tensor whose shape does not matter.
    @FunctionalInterface
    interface Flat {
        /// @param offset bytes before the first element
        /// @param count elements
        /// @param task number of the task
        void run(long offset, int count, int task);
    }

    /// Some rows or columns.
    @FunctionalInterface
    interface Range {
        /// @param from first
        /// @param to one past the last
        /// @param worker thread that runs it
        void run(int from, int to, int worker);
    }

    /// @return tasks that [#flat] makes of as many elements
    static int flatTasks(long elements) {
        return Math.toIntExact(Math.ceilDiv(elements, BLOCK));
    }

    static void flat(Parallel parallel, long elements, Flat body) {
        share(parallel, elements, flatTasks(elements), (task, worker) -> {
            long from = (long) task * BLOCK;
            body.run(from * Float.BYTES, (int) Math.min(BLOCK, elements - from), task);
        });
    }

    /// Tasks of whole rows, of about [#BLOCK] elements.
    static void rows(Parallel parallel, int rows, int cols, Range body) {
        int step = Math.max(1, BLOCK / Math.max(1, cols));
        ranges(parallel, (long) rows * cols, rows, step, body);
    }

    /// Tasks of [#COLUMNS] columns and all rows.
    static void columns(Parallel parallel, int rows, int cols, Range body) {
        ranges(parallel, (long) rows * cols, cols, COLUMNS, body);
    }

    /// Tasks of `step` items out of `items`, over `elements` elements altogether.
    static void ranges(Parallel parallel, long elements, int items, int step, Range body) {
        share(parallel, elements, Math.ceilDiv(items, step), (task, worker) ->
                body.run(task * step, Math.min(items, (task + 1) * step), worker));
    }

    private static void share(Parallel parallel, long elements, int tasks, Parallel.Task body) {
        if (elements >= WORTHWHILE) {
            parallel.run(tasks, body);
        } else {
            for (int task = 0; task < tasks; task++) {
                body.run(task, 0);
            }
        }
    }
}
