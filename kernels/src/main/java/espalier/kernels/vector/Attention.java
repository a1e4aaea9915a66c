package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;

import espalier.kernels.DType;
import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import java.lang.foreign.ValueLayout;

/// Causal attention in blocks of query rows: scores of a block with all keys it sees, softmax, product with the values.
/// Only a block of scores exists at a time and thread. Start at [#forward]; the backward is [AttentionBackward].
final class Attention implements AutoCloseable {
    /// Most query rows of a block: keys that the mask hides from its first row but not from its last are wasted work.
    static final int MOST_ROWS = 6 * 12;
    /// Floats of a block of scores where the keys are many: a second-level cache of 1 MiB.
    static final int BLOCK_OF_SCORES = 1 << 18;
    private static final int FEWEST_ROWS = 12;

    private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private final Parallel parallel;
    private final Gemm gemm;
    private final PackBuffer[] scores;

    /// @param parallel runs the tasks; stays open as long as this is used
    /// @param gemm products inside tasks, of the same threads
    Attention(Parallel parallel, Gemm gemm) {
        this.parallel = parallel;
        this.gemm = gemm;
        scores = PackBuffer.perWorker(parallel.threads());
    }

    /// See [Ops#attention].
    void forward(Tensor out, Tensor lse, Tensor q, KeyValues kv, HeadMap heads) {
        AttentionTasks tasks = AttentionTasks.forward(kv, heads);
        parallel.run(tasks.count(), (task, worker) -> block(out, lse, q, kv, heads, tasks, task, worker));
    }

    /// Rows of the block are head after head. A single query row has its heads side by side in memory and is one
    /// product; otherwise each head is one, and all share the packed keys and values.
    private void block(
            Tensor out, Tensor lse, Tensor q, KeyValues kv, HeadMap heads, AttentionTasks tasks, int task, int worker) {
        int s = tasks.sequence(task);
        int head = tasks.firstHead(task);
        int rows = tasks.rows(task);
        int headDim = heads.headDim();
        int firstRow = kv.queryStart()[s] + tasks.firstRow(task);
        int batch = rows > 1 ? tasks.heads(task) : 1;
        int m = rows > 1 ? rows : tasks.heads(task);
        int stride = rows > 1 ? q.cols() : headDim;
        long offset = 4L * ((long) firstRow * q.cols() + (long) head * headDim);
        long kvOffset = 4L * heads.kvOfQuery()[head] * headDim;
        int visible = kv.keyLength()[s] - (kv.queryStart()[s + 1] - kv.queryStart()[s]) + tasks.firstRow(task) + 1;
        int keys = visible + rows - 1;
        int width = AttentionTasks.padded(keys);
        long block = scores[worker].ensure(4L * batch * m * (width + 1));
        long factors = block + 4L * batch * m * width;

        for (int p = 0, from = 0; from < keys; p++, from += kv.pageRows()) {
            Tensor page = kv.keys()[s][p];
            gemm.localBatch(worker, batch, headDim, (long) m * width, Gemm.Form.NT,
                    m, Math.min(kv.pageRows(), keys - from), headDim, block + 4L * from, width,
                    q.address() + offset, stride, page.address() + kvOffset, DType.F32, page.cols(),
                    heads.scale(), false);
        }
        for (int i = 0; i < batch * m; i++) {
            int row = i % rows;
            long at = block + 4L * i * width;
            float maximum = AttentionKernels.maximum(at, visible + row);
            float sum = AttentionKernels.exponentials(at, visible + row, keys, maximum);
            ALL.set(F, factors + 4L * i, 1 / sum);
            ALL.set(F, lse.address() + 4 * ((long) (firstRow + row) * lse.cols() + head + i / rows),
                    (float) (maximum + StrictMath.log(sum)));
        }
        for (int p = 0, from = 0; from < keys; p++, from += kv.pageRows()) {
            Tensor page = kv.values()[s][p];
            gemm.localBatch(worker, batch, (long) m * width, headDim, Gemm.Form.NN,
                    m, headDim, Math.min(kv.pageRows(), keys - from), out.address() + offset, stride,
                    block + 4L * from, width, page.address() + kvOffset, DType.F32, page.cols(), 1, from > 0);
        }
        for (int i = 0; i < batch * m; i++) {
            long at = out.address() + offset + 4 * ((long) (i % rows) * q.cols() + (long) (i / rows) * headDim);
            Elementwise.scaled(at, at, ALL.get(F, factors + 4L * i), headDim);
        }
    }

    /// @param scoresOfRow scores that belong to a query row
    /// @return query rows of a block
    static int rowsOfBlock(long scoresOfRow) {
        long fit = BLOCK_OF_SCORES / Math.max(1, scoresOfRow) / FEWEST_ROWS * FEWEST_ROWS;
        return Math.clamp(fit, FEWEST_ROWS, MOST_ROWS);
    }

    @Override
    public void close() {
        for (PackBuffer buffer : scores) {
            buffer.close();
        }
    }
}
