package espalier.engine.model;

import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.List;

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

    List<Projection> projections() {
        return List.of(q, k, v, o);
    }

    AttentionBlock packed(Ops ops, Workspace copies) {
        return new AttentionBlock(norm, q.packed(ops, copies), k.packed(ops, copies), v.packed(ops, copies),
                o.packed(ops, copies), heads);
    }

    AttentionBlock gathered(LiveLayer live, Ops ops, Workspace copies) {
        return new AttentionBlock(
                norm, q.gathered(live, ops, copies), k.gathered(live, ops, copies), v.gathered(live, ops, copies),
                o.gathered(live, ops, copies), live.heads().map(LiveHeads::map).orElse(heads));
    }

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
    Kept forward(Tensor y, Tensor x, LayerCall call) {
        Ops ops = call.ops();
        Kept kept = take(x.rows(), x.cols(), call.ws());
        norm.forward(kept.normed, kept.rstd, x, call);
        q.forward(kept.q, kept.normed, false, call);
        k.forward(kept.k, kept.normed, false, call);
        v.forward(kept.v, kept.normed, false, call);
        ops.rope(kept.q, call.rope(), call.batch().positions(), false);
        ops.rope(kept.k, call.rope(), call.batch().positions(), false);
        KeyValues keyValues = call.batch().cache().isPresent()
                ? call.batch().cache().get().cache().append(call.layer(), call.batch(), kept.k, kept.v)
                : KeyValues.packed(call.batch().sequenceStart(), kept.k, kept.v);
        ops.attention(kept.out, kept.lse, kept.q, keyValues, heads);
        long mark = call.ws().mark();
        Residual.forward(y, x, o, gated(kept.out, call), call);
        call.ws().release(mark);
        return kept;
    }

    private Tensor gated(Tensor out, LayerCall call) {
        if (!call.headGate().isPresent()) {
            return out;
        }
        Tensor gated = call.ws().take(out.rows(), out.cols());
        call.ops().gateColumns(gated, out, call.headGate(), heads.headDim(), false);
        return gated;
    }

    /// d `[tokens, hidden]`: the gradient of y on entry, of x on return.
    void backward(Tensor d, Tensor x, Kept kept, LayerCall call) {
        Ops ops = call.ops();
        Workspace ws = call.ws();
        int tokens = x.rows();
        long mark = ws.mark();
        Tensor dOut = ws.take(tokens, q.outputs());
        Residual.backward(dOut, d, o, gated(kept.out, call), call);
        if (call.headGate().isPresent()) {
            ops.gateColumnsBackward(
                    dOut, call.headGateGradient(), dOut, kept.out, call.headGate(), heads.headDim());
        }
        Tensor dQ = ws.take(tokens, q.outputs());
        Tensor dK = ws.take(tokens, k.outputs());
        Tensor dV = ws.take(tokens, v.outputs());
        ops.attentionBackward(
                dQ, dK, dV, dOut, kept.out, kept.lse, kept.q, kept.k, kept.v, call.batch().sequenceStart(), heads);
        ops.rope(dQ, call.rope(), call.batch().positions(), true);
        ops.rope(dK, call.rope(), call.batch().positions(), true);
        Tensor dNormed = ws.take(tokens, x.cols());
        q.backward(dNormed, false, dQ, kept.normed, call);
        k.backward(dNormed, true, dK, kept.normed, call);
        v.backward(dNormed, true, dV, kept.normed, call);
        norm.backward(d, dNormed, x, kept.rstd, call);
        ws.release(mark);
    }
}
