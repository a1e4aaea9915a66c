package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;

import espalier.kernels.DType;
import java.lang.foreign.ValueLayout;

/// `Y = X W^T` for a few rows of `X`: the weight is streamed once, unpacked, at the speed of memory.
///
/// A row of Y depends on its row of X and on the weight alone, not on how many rows there are or which thread computes
/// it. Sums differ from those of [Gemm] in their order.
final class Gemv implements AutoCloseable {
    /// Most rows of X. From 5 on, rows of X no longer fit beside each other in registers, and packing the weight for
    /// [Gemm] costs less than reading it again from the first-level cache.
    static final int MOST_ROWS = 4;

    /// A task streams about this many bytes of the weight: a few microseconds.
    private static final int TASK_BYTES = 1 << 17;
    private static final long SUMS_BYTES = 64;
    private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private final Parallel parallel;
    /// X with its elements in the order in which a pair kernel meets them.
    private final PackBuffer pairs = new PackBuffer();
    /// For each worker, the sums of a row of the weight, then the row as F32 where it is converted first.
    private final PackBuffer[] scratch;

    /// @param parallel runs the tasks; stays open as long as this is used
    Gemv(Parallel parallel) {
        this.parallel = parallel;
        scratch = PackBuffer.perWorker(parallel.threads());
    }

    /// @param m rows of X and Y, at most [#MOST_ROWS]
    /// @param n rows of W
    /// @param k columns of W and X
    /// @param y `[m, n]`, address
    /// @param yStride elements between its rows
    /// @param x `[m, k]`, address
    /// @param xStride elements between its rows
    /// @param w `[n, k]`, address, contiguous
    /// @param type element type of W
    /// @param accumulate whether to add to Y
    void run(
            int m, int n, int k, long y, int yStride, long x, int xStride, long w, DType type, boolean accumulate) {
        if (m > MOST_ROWS) {
            throw new IllegalArgumentException("%d rows of x, expected at most %d".formatted(m, MOST_ROWS));
        }
        if (m == 0 || n == 0) {
            return;
        }
        long rowBytes = (long) k * type.bytes();
        long perTask = Math.clamp(TASK_BYTES / Math.max(1, rowBytes), 1, Math.ceilDiv(n, 2 * parallel.threads()));
        int tasks = Math.toIntExact(Math.ceilDiv(n, perTask));
        Rows rows = new Rows(m, k, y, yStride, x, xStride, accumulate);
        long paired = type == DType.BF16 ? pairUp(rows) : 0;
        parallel.run(tasks, (task, worker) -> {
            long sums = scratch[worker].ensure(SUMS_BYTES + (type == DType.F16 ? 4L * k : 0));
            int end = (int) ((long) n * (task + 1) / tasks);
            for (int j = (int) ((long) n * task / tasks); j < end; j++) {
                long row = w + j * rowBytes;
                switch (type) {
                    case F32 -> rows.dotF32(row, j, sums);
                    case BF16 -> rows.dotBf16(row, j, paired, sums);
                    case F16 -> {
                        GemvKernels.convertF16(row, k, sums + SUMS_BYTES);
                        rows.dotF32(sums + SUMS_BYTES, j, sums);
                    }
                }
            }
        });
    }

    private long pairUp(Rows rows) {
        long stride = 4L * rows.k;
        long to = pairs.ensure(rows.m * stride);
        for (int i = 0; i < rows.m; i++) {
            GemvKernels.pairUp(rows.x + 4L * i * rows.xStride, rows.k, to + i * stride);
        }
        return to;
    }

    /// @return bytes of scratch memory, used or not
    long heldBytes() {
        return pairs.heldBytes() + PackBuffer.heldBytes(scratch);
    }

    @Override
    public void close() {
        pairs.close();
        for (PackBuffer buffer : scratch) {
            buffer.close();
        }
    }

    /// The activations of a call. Each method multiplies one row of the weight with all rows of X; where there are two
    /// or three, the last is computed again in place of those missing, which costs nothing that memory would not cost.
    private record Rows(int m, int k, long y, int yStride, long x, int xStride, boolean accumulate) {
        private void put(int i, int j, float sum) {
            long to = y + 4 * ((long) i * yStride + j);
            ALL.set(F, to, accumulate ? ALL.get(F, to) + sum : sum);
        }

        private void put(int j, long sums) {
            for (int i = 0; i < m; i++) {
                put(i, j, ALL.get(F, sums + 4L * i));
            }
        }

        void dotF32(long w, int j, long sums) {
            if (m == 1) {
                put(0, j, GemvKernels.dotF32(w, k, x));
            } else {
                long stride = 4L * xStride;
                GemvKernels.dotsF32(w, k, x, stride, Math.min(2, m - 1) * stride, Math.min(3, m - 1) * stride, sums);
                put(j, sums);
            }
        }

        void dotBf16(long w, int j, long pairs, long sums) {
            if (m == 1) {
                put(0, j, GemvKernels.dotBf16(w, k, pairs));
            } else {
                long stride = 4L * k;
                GemvKernels.dotsBf16(
                        w, k, pairs, stride, Math.min(2, m - 1) * stride, Math.min(3, m - 1) * stride, sums);
                put(j, sums);
            }
        }
    }
}
