package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;

import espalier.kernels.DType;
import espalier.kernels.HeadMap;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import java.lang.foreign.ValueLayout;

/// Gradients of [Attention]. Probabilities are computed again from `lse`.
///
/// A task is a sequence and a key/value head: it alone adds to that head's dK and dV, block by block of query rows and
/// head by head, so the order of the sums is fixed.
final class AttentionBackward implements AutoCloseable {
    private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private final Parallel parallel;
    private final Gemm gemm;
    /// For each worker, a block of probabilities and one of their gradients.
    private final PackBuffer[] blocks;

    /// @param parallel runs the tasks; stays open as long as this is used
    /// @param gemm products inside tasks, of the same threads
    AttentionBackward(Parallel parallel, Gemm gemm) {
        this.parallel = parallel;
        this.gemm = gemm;
        blocks = PackBuffer.perWorker(parallel.threads());
    }

    /// See [Ops#attentionBackward].
    void run(
            Tensor dQ, Tensor dK, Tensor dV, Tensor dOut, Tensor out, Tensor lse,
            Tensor q, Tensor k, Tensor v, int[] sequenceStart, HeadMap heads) {
        int sequences = sequenceStart.length - 1;
        Gradients gradients = new Gradients(dQ, dK, dV, dOut, out, lse, q, k, v, heads);
        parallel.run(Math.multiplyExact(sequences, heads.kvHeads()), (task, worker) -> {
            int s = task / heads.kvHeads();
            group(gradients, sequenceStart[s], sequenceStart[s + 1], task % heads.kvHeads(), worker);
        });
    }

    private void group(Gradients g, int start, int end, int kvHead, int worker) {
        int rows = end - start;
        int headDim = g.heads.headDim();
        for (int i = start; i < end; i++) {
            ALL.asSlice(g.dK.address() + g.kvOffset(i, kvHead), 4L * headDim).fill((byte) 0);
            ALL.asSlice(g.dV.address() + g.kvOffset(i, kvHead), 4L * headDim).fill((byte) 0);
        }
        int[] kvOfQuery = g.heads.kvOfQuery();
        int head = 0;
        while (head < kvOfQuery.length && kvOfQuery[head] < kvHead) {
            head++;
        }
        if (head == kvOfQuery.length || kvOfQuery[head] != kvHead) {
            return;
        }
        int heads = AttentionTasks.endOfGroup(kvOfQuery, head) - head;
        int step = Attention.rowsOfBlock(2L * rows * heads);
        for (int row = 0; row < rows; row += step) {
            block(g, start, row, Math.min(step, rows - row), head, heads, kvHead, worker);
        }
    }

    /// Query rows `[row, row + m)` of a sequence, all heads of a group. Rows of a block are head after head.
    private void block(Gradients g, int start, int row, int m, int head, int heads, int kvHead, int worker) {
        int headDim = g.heads.headDim();
        int stride = g.q.cols();
        int kvStride = g.k.cols();
        int keys = row + m;
        int width = AttentionTasks.padded(keys);
        long rowBytes = 4L * width;
        long p = blocks[worker].ensure(2 * heads * m * rowBytes);
        long dP = p + heads * m * rowBytes;
        long rowOffset = g.offset(start + row, head);
        long kvOffset = g.kvOffset(start, kvHead);
        long step = (long) m * width;
        float scale = g.heads.scale();

        gemm.localBatch(worker, heads, headDim, step, Gemm.Form.NT, m, keys, headDim, p, width,
                g.q.address() + rowOffset, stride, g.k.address() + kvOffset, DType.F32, kvStride, scale, false);
        gemm.localBatch(worker, heads, headDim, step, Gemm.Form.NT, m, keys, headDim, dP, width,
                g.dOut.address() + rowOffset, stride, g.v.address() + kvOffset, DType.F32, kvStride, 1, false);
        for (int i = 0; i < heads * m; i++) {
            int ofRow = i % m;
            long at = g.offset(start + row + ofRow, head + i / m);
            float lse = ALL.get(
                    F, g.lse.address() + 4 * ((long) (start + row + ofRow) * g.lse.cols() + head + i / m));
            AttentionKernels.exponentials(p + i * rowBytes, row + ofRow + 1, keys, lse);
            // sum_j p_j dP_j = sum_c dOut_c out_c
            float dot = GemvKernels.dotF32(g.dOut.address() + at, headDim, g.out.address() + at);
            AttentionKernels.scoreGradient(
                    dP + i * rowBytes, p + i * rowBytes, row + ofRow + 1, keys, dot, scale);
        }
        for (int h = 0; h < heads; h++) {
            long ofHead = rowOffset + 4L * h * headDim;
            gemm.local(worker, Gemm.Form.TN, keys, headDim, m, g.dV.address() + kvOffset, kvStride,
                    p + 4 * h * step, width, g.dOut.address() + ofHead, DType.F32, stride, 1, true);
            gemm.local(worker, Gemm.Form.TN, keys, headDim, m, g.dK.address() + kvOffset, kvStride,
                    dP + 4 * h * step, width, g.q.address() + ofHead, DType.F32, stride, 1, true);
        }
        gemm.localBatch(worker, heads, step, headDim, Gemm.Form.NN, m, headDim, keys, g.dQ.address() + rowOffset,
                stride, dP, width, g.k.address() + kvOffset, DType.F32, kvStride, 1, false);
    }

    @Override
    public void close() {
        for (PackBuffer buffer : blocks) {
            buffer.close();
        }
    }

    /// The tensors of a call.
    private record Gradients(
            Tensor dQ, Tensor dK, Tensor dV, Tensor dOut, Tensor out, Tensor lse,
            Tensor q, Tensor k, Tensor v, HeadMap heads) {
        long offset(int row, int head) {
            return 4 * ((long) row * q.cols() + (long) head * heads.headDim());
        }

        long kvOffset(int row, int kvHead) {
            return 4 * ((long) row * k.cols() + (long) kvHead * heads.headDim());
        }
    }
}
