package espalier.engine.model;

import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.List;

/// The FFN half of a decoder layer: `y = x + z_hidden * down_proj(silu(z * gate) * z * up)` over `norm(x)`.
///
/// A block without channels adds only down_proj's bias, if there is one.
record FeedForwardBlock(Norm norm, Projection gate, Projection up, Projection down) {
    /// What the backward needs besides the block's input.
    ///
    /// @param normed `[tokens, hidden]`
    /// @param rstd `[tokens, 1]`
    /// @param gate `[tokens, ffn]`, before the FFN gates
    /// @param up `[tokens, ffn]`, likewise
    record Kept(Tensor normed, Tensor rstd, Tensor gate, Tensor up) {}

    List<Projection> projections() {
        return List.of(gate, up, down);
    }

    FeedForwardBlock packed(Ops ops, Workspace copies) {
        return new FeedForwardBlock(
                norm, gate.packed(ops, copies), up.packed(ops, copies), down.packed(ops, copies));
    }

    FeedForwardBlock gathered(LiveLayer live, Ops ops, Workspace copies) {
        return new FeedForwardBlock(
                norm, gate.gathered(live, ops, copies), up.gathered(live, ops, copies),
                down.gathered(live, ops, copies));
    }

    private Kept take(int tokens, int hidden, Workspace ws) {
        return new Kept(
                ws.take(tokens, hidden),
                ws.take(tokens, 1),
                ws.take(tokens, gate.outputs()),
                ws.take(tokens, up.outputs()));
    }

    /// y `[tokens, hidden]`, =; x `[tokens, hidden]`.
    Kept forward(Tensor y, Tensor x, LayerCall call) {
        Kept kept = take(x.rows(), x.cols(), call.ws());
        norm.forward(kept.normed, kept.rstd, x, call);
        gate.forward(kept.gate, kept.normed, false, call);
        up.forward(kept.up, kept.normed, false, call);
        long mark = call.ws().mark();
        Residual.forward(y, x, down, activated(kept, call), call);
        call.ws().release(mark);
        return kept;
    }

    private Tensor activated(Kept kept, LayerCall call) {
        Tensor activated = call.ws().take(kept.gate.rows(), kept.gate.cols());
        call.ops().swiglu(activated, kept.gate, kept.up, call.ffnGate());
        return activated;
    }

    /// d `[tokens, hidden]`: the gradient of y on entry, of x on return.
    void backward(Tensor d, Tensor x, Kept kept, LayerCall call) {
        Ops ops = call.ops();
        Workspace ws = call.ws();
        int tokens = x.rows();
        long mark = ws.mark();
        Tensor dGate = ws.take(tokens, gate.outputs());
        Tensor dUp = ws.take(tokens, up.outputs());
        Residual.backward(dGate, d, down, activated(kept, call), call);
        ops.swigluBackward(dGate, dUp, call.ffnGateGradient(), dGate, kept.gate, kept.up, call.ffnGate());
        Tensor dNormed = ws.take(tokens, x.cols());
        gate.backward(dNormed, false, dGate, kept.normed, call);
        up.backward(dNormed, true, dUp, kept.normed, call);
        norm.backward(d, dNormed, x, kept.rstd, call);
        ws.release(mark);
    }
}
