package espalier.engine.model;

import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;

/// The attention half of a decoder layer: `y = x + z_hidden * o_proj(z_head * attention(norm(x)))`.
///
/// A block without heads adds only o_proj's bias, if there is one.
record AttentionBlock(Norm norm, Projection q, Projection k, Projection v, Projection o, HeadMap heads) {
    /// What the backward needs besides the block's input.
    ///
    /// @param normed `[tokens, hidden]`
    /// @param rstd `[tokens, 1]`
    /// @param q `[tokens, heads * headDim]`, rotated
    /// @param k `[tokens, kvHeads * headDim]`, rotated
    /// @param v like `k`
    /// @param lse `[tokens, heads]`
    /// @param out `[tokens, heads * headDim]`, before the head gates
    record Kept(Tensor normed, Tensor rstd, Tensor q, Tensor k, Tensor v, Tensor lse, Tensor out) {}

    private Kept take(int tokens, int hidden, Workspace ws) {
        return new Kept(
                ws.take(tokens, hidden),
                ws.take(tokens, 1),
                ws.take(tokens, q.outputs()),
                ws.take(tokens, k.outputs()),
                ws.take(tokens, v.outputs()),
                ws.take(tokens, heads.heads()),
                ws.take(tokens, q.outputs()));
    }

    /// y `[tokens, hidden]`, =; x `[tokens, hidden]`.
    Kept forward(Tensor y, Tensor x, Step step) {
        Ops ops = step.ops();
        Kept kept = take(x.rows(), x.cols(), step.ws());
        norm.forward(kept.normed, kept.rstd, x, step);
        q.forward(kept.q, kept.normed, false, step);
        k.forward(kept.k, kept.normed, false, step);
        v.forward(kept.v, kept.normed, false, step);
        ops.rope(kept.q, step.rope(), step.batch().positions(), false);
        ops.rope(kept.k, step.rope(), step.batch().positions(), false);
        KeyValues keyValues = step.batch().cache().isPresent()
                ? step.batch().cache().get().cache().append(step.layer(), step.batch(), kept.k, kept.v)
                : KeyValues.packed(step.batch().sequenceStart(), kept.k, kept.v);
        ops.attention(kept.out, kept.lse, kept.q, keyValues, heads);
        long mark = step.ws().mark();
        Residual.forward(y, x, o, gated(kept.out, step), step);
        step.ws().release(mark);
        return kept;
    }

    private Tensor gated(Tensor out, Step step) {
        if (!step.headGate().isPresent()) {
            return out;
        }
        Tensor gated = step.ws().take(out.rows(), out.cols());
        step.ops().gateColumns(gated, out, step.headGate(), heads.headDim(), false);
        return gated;
    }

    /// d `[tokens, hidden]`: the gradient of y on entry, of x on return.
    void backward(Tensor d, Tensor x, Kept kept, Step step) {
        Ops ops = step.ops();
        Workspace ws = step.ws();
        int tokens = x.rows();
        long mark = ws.mark();
        Tensor dOut = ws.take(tokens, q.outputs());
        Residual.backward(dOut, d, o, gated(kept.out, step), step);
        if (step.headGate().isPresent()) {
            ops.gateColumnsBackward(
                    dOut, step.headGateGradient(), dOut, kept.out, step.headGate(), heads.headDim());
        }
        Tensor dQ = ws.take(tokens, q.outputs());
        Tensor dK = ws.take(tokens, k.outputs());
        Tensor dV = ws.take(tokens, v.outputs());
        ops.attentionBackward(
                dQ, dK, dV, dOut, kept.out, kept.lse, kept.q, kept.k, kept.v, step.batch().sequenceStart(), heads);
        ops.rope(dQ, step.rope(), step.batch().positions(), true);
        ops.rope(dK, step.rope(), step.batch().positions(), true);
        Tensor dNormed = ws.take(tokens, x.cols());
        q.backward(dNormed, false, dQ, kept.normed, step);
        k.backward(dNormed, true, dK, kept.normed, step);
        v.backward(dNormed, true, dV, kept.normed, step);
        norm.backward(d, dNormed, x, kept.rstd, step);
        ws.release(mark);
    }
}
