package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;

import espalier.kernels.DType;
import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import espalier.kernels.Tensor;
import java.lang.foreign.ValueLayout;

/// Causal attention of sequences with so few query rows, as in decoding, that the rows of all heads of a group fit one
/// tile: scores of all keys, softmax, product with the values.
final class AttentionFewRows implements AutoCloseable {
    /// Most query vectors of a group.
    static final int MOST = GemmTile.ROWS;

    private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private final Gemm gemm;
    private final PackBuffer[] scores;

    /// @param threads workers that may call [#run]
    /// @param gemm products inside tasks, of the same threads
    AttentionFewRows(int threads, Gemm gemm) {
        this.gemm = gemm;
        scores = PackBuffer.perWorker(threads);
    }

    /// Rows of scores are head after head. A single query row has its heads side by side in memory and is one
    /// product; otherwise each head is one, and all share the packed keys and values.
    void run(
            Tensor out, Tensor lse, Tensor q, KeyValues kv, HeadMap heads, AttentionGroup group, int worker) {
        int s = group.sequence();
        int head = group.head();
        int rows = group.rows();
        int headDim = heads.headDim();
        int firstRow = group.firstRow();
        int batch = rows > 1 ? group.heads() : 1;
        int m = rows > 1 ? rows : group.heads();
        int stride = rows > 1 ? q.cols() : headDim;
        long offset = 4L * ((long) firstRow * q.cols() + (long) head * headDim);
        long kvOffset = 4L * heads.kvOfQuery()[head] * headDim;
        int visible = group.past() + 1;
        int keys = group.keys();
        int width = AttentionKernels.padded(keys);
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

    /// @return bytes of scratch memory, used or not
    long heldBytes() {
        return PackBuffer.heldBytes(scores);
    }

    @Override
    public void close() {
        for (PackBuffer buffer : scores) {
            buffer.close();
        }
    }
}
