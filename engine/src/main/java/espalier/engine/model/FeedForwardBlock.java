package espalier.engine.model;

import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;

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

    private Kept take(int tokens, int hidden, Workspace ws) {
        return new Kept(
                ws.take(tokens, hidden),
                ws.take(tokens, 1),
                ws.take(tokens, gate.outputs()),
                ws.take(tokens, up.outputs()));
    }

    /// y `[tokens, hidden]`, =; x `[tokens, hidden]`.
    Kept forward(Tensor y, Tensor x, Step step) {
        Kept kept = take(x.rows(), x.cols(), step.ws());
        norm.forward(kept.normed, kept.rstd, x, step);
        gate.forward(kept.gate, kept.normed, false, step);
        up.forward(kept.up, kept.normed, false, step);
        long mark = step.ws().mark();
        Residual.forward(y, x, down, activated(kept, step), step);
        step.ws().release(mark);
        return kept;
    }

    private Tensor activated(Kept kept, Step step) {
        Tensor activated = step.ws().take(kept.gate.rows(), kept.gate.cols());
        step.ops().swiglu(activated, kept.gate, kept.up, step.ffnGate());
        return activated;
    }

    /// d `[tokens, hidden]`: the gradient of y on entry, of x on return.
    void backward(Tensor d, Tensor x, Kept kept, Step step) {
        Ops ops = step.ops();
        Workspace ws = step.ws();
        int tokens = x.rows();
        long mark = ws.mark();
        Tensor dGate = ws.take(tokens, gate.outputs());
        Tensor dUp = ws.take(tokens, up.outputs());
        Residual.backward(dGate, d, down, activated(kept, step), step);
        ops.swigluBackward(dGate, dUp, step.ffnGateGradient(), dGate, kept.gate, kept.up, step.ffnGate());
        Tensor dNormed = ws.take(tokens, x.cols());
        gate.backward(dNormed, false, dGate, kept.normed, step);
        up.backward(dNormed, true, dUp, kept.normed, step);
        norm.backward(d, dNormed, x, kept.rstd, step);
        ws.release(mark);
    }
}
