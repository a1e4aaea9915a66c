package espalier.engine.model;

import espalier.kernels.Ops;
import espalier.kernels.Tensor;

/// One RMSNorm with its weight.
///
/// @param site which one
/// @param weight `[1, hidden]`
/// @param eps added to the mean square
record Norm(NormSite site, Tensor weight, float eps) {
    static Norm of(ModelTensors tensors, ModelShape shape, NormSite site, int layer) {
        return new Norm(site, tensors.vector(site.weight(layer), shape.hidden()), (float) shape.normEps());
    }

    /// y = norm(x), rstd `[tokens, 1]` =.
    void forward(Tensor y, Tensor rstd, Tensor x, LayerCall call) {
        call.ops().rmsNorm(y, rstd, x, weight, eps, call.normDivisor(weight.cols()));
    }

    /// dX +=; the weight's gradient goes to its sink, per sequence where the sink has a row for each.
    void backward(Tensor dX, Tensor dY, Tensor x, Tensor rstd, LayerCall call) {
        Ops ops = call.ops();
        int divisor = call.normDivisor(weight.cols());
        Tensor dWeight = call.pass().weightGradients().norm(site, call.layer());
        if (dWeight.rows() <= 1) {
            ops.rmsNormBackward(dX, dWeight, dY, x, weight, rstd, divisor);
            return;
        }
        int[] start = call.batch().sequenceStart();
        for (int s = 0; s < dWeight.rows(); s++) {
            ops.rmsNormBackward(
                    dX.rowRange(start[s], start[s + 1]),
                    dWeight.rowRange(s, s + 1),
                    dY.rowRange(start[s], start[s + 1]),
                    x.rowRange(start[s], start[s + 1]),
                    weight,
                    rstd.rowRange(start[s], start[s + 1]),
                    divisor);
        }
    }
}
