package espalier.engine.model;

import espalier.kernels.Ops;
import espalier.kernels.Tensor;

/// The end of a block: `y = x + z_hidden * projection(in)`, one rule for attention and FFN.
final class Residual {
    private Residual() {}

    /// y `[tokens, hidden]`, =.
    static void forward(Tensor y, Tensor x, Projection projection, Tensor in, Step step) {
        Ops ops = step.ops();
        ops.copy(y, x);
        if (!step.hiddenGate().isPresent()) {
            projection.forward(y, in, true, step);
            return;
        }
        long mark = step.ws().mark();
        Tensor out = step.ws().take(y.rows(), y.cols());
        projection.forward(out, in, false, step);
        ops.gateColumns(y, out, step.hiddenGate(), 1, true);
        step.ws().release(mark);
    }

    /// dIn =; dY `[tokens, hidden]` is read. The gradient of x is dY itself.
    static void backward(Tensor dIn, Tensor dY, Projection projection, Tensor in, Step step) {
        Ops ops = step.ops();
        if (!step.hiddenGate().isPresent()) {
            projection.backward(dIn, false, dY, in, step);
            return;
        }
        long mark = step.ws().mark();
        Tensor dOut = step.ws().take(dY.rows(), dY.cols());
        if (step.hiddenGateGradient().isPresent()) {
            Tensor out = step.ws().take(dY.rows(), dY.cols());
            projection.forward(out, in, false, step);
            ops.gateColumnsBackward(dOut, step.hiddenGateGradient(), dY, out, step.hiddenGate(), 1);
        } else {
            ops.gateColumns(dOut, dY, step.hiddenGate(), 1, false);
        }
        projection.backward(dIn, false, dOut, in, step);
        step.ws().release(mark);
    }
}
