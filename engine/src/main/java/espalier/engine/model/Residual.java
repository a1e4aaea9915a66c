package espalier.engine.model;

import espalier.kernels.Ops;
import espalier.kernels.Tensor;

/// The end of a block: `y = x + z_hidden * projection(in)`, one rule for attention and FFN.
final class Residual {
    private Residual() {}

    /// y `[tokens, hidden]`, =.
    static void forward(Tensor y, Tensor x, Projection projection, Tensor in, LayerCall call) {
        Ops ops = call.ops();
        ops.copy(y, x);
        if (!call.hiddenGate().isPresent()) {
            projection.forward(y, in, true, call);
            return;
        }
        long mark = call.ws().mark();
        Tensor out = call.ws().take(y.rows(), y.cols());
        projection.forward(out, in, false, call);
        ops.gateColumns(y, out, call.hiddenGate(), 1, true);
        call.ws().release(mark);
    }

    /// dIn =; dY `[tokens, hidden]` is read. The gradient of x is dY itself.
    static void backward(Tensor dIn, Tensor dY, Projection projection, Tensor in, LayerCall call) {
        Ops ops = call.ops();
        if (!call.hiddenGate().isPresent()) {
            projection.backward(dIn, false, dY, in, call);
            return;
        }
        long mark = call.ws().mark();
        Tensor dOut = call.ws().take(dY.rows(), dY.cols());
        if (call.hiddenGateGradient().isPresent()) {
            Tensor out = call.ws().take(dY.rows(), dY.cols());
            projection.forward(out, in, false, call);
            ops.gateColumnsBackward(dOut, call.hiddenGateGradient(), dY, out, call.hiddenGate(), 1);
        } else {
            ops.gateColumns(dOut, dY, call.hiddenGate(), 1, false);
        }
        projection.backward(dIn, false, dOut, in, call);
        call.ws().release(mark);
    }
}
