package espalier.kernels.scalar;

import static espalier.kernels.cpu.HostMemory.get;
import static espalier.kernels.cpu.HostMemory.set;

import espalier.kernels.Tensor;

/// RMSNorm.
final class ScalarNorm {
    private ScalarNorm() {}

    static void forward(Tensor y, Tensor rstd, Tensor x, Tensor weight, float eps, int divisor) {   // y =, rstd =
        for (int t = 0; t < x.rows(); t++) {
            double squares = 0;
            for (int c = 0; c < x.cols(); c++) {
                double value = get(x, t, c);
                squares += value * value;
            }
            double scale = 1 / Math.sqrt(squares / divisor + eps);
            set(rstd, t, 0, (float) scale);
            for (int c = 0; c < x.cols(); c++) {
                set(y, t, c, (float) (get(x, t, c) * scale * get(weight, 0, c)));
            }
        }
    }

    /// With `r = rstd` and `p = dY * weight`: `dX += r p - x r^3 / divisor * sum(p x)`, `dWeight += sum_t dY x r`.
    static void backward(
            Tensor dX, Tensor dWeight, Tensor dY, Tensor x, Tensor weight, Tensor rstd, int divisor) {
        for (int t = 0; t < x.rows(); t++) {
            double r = get(rstd, t, 0);
            double dot = 0;
            for (int c = 0; c < x.cols(); c++) {
                dot += (double) get(dY, t, c) * get(weight, 0, c) * get(x, t, c);
            }
            double back = r * r * r / divisor * dot;
            for (int c = 0; c < x.cols(); c++) {
                double direct = r * get(dY, t, c) * get(weight, 0, c);
                set(dX, t, c, (float) (get(dX, t, c) + direct - get(x, t, c) * back));
            }
        }
        if (dWeight.isPresent()) {
            weightBackward(dWeight, dY, x, rstd);
        }
    }

    private static void weightBackward(Tensor dWeight, Tensor dY, Tensor x, Tensor rstd) {          // dWeight +=
        for (int c = 0; c < x.cols(); c++) {
            double sum = get(dWeight, 0, c);
            for (int t = 0; t < x.rows(); t++) {
                sum += (double) get(dY, t, c) * get(x, t, c) * get(rstd, t, 0);
            }
            set(dWeight, 0, c, (float) sum);
        }
    }
}
