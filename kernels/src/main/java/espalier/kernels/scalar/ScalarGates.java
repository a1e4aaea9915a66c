package espalier.kernels.scalar;

import static espalier.kernels.cpu.HostMemory.get;
import static espalier.kernels.cpu.HostMemory.set;

import espalier.kernels.Tensor;

/// SwiGLU and gates on columns.
final class ScalarGates {
    private ScalarGates() {}

    /// The logistic function, with an exponential that cannot overflow.
    private static double sigmoid(double x) {
        double e = StrictMath.exp(-Math.abs(x));
        return x >= 0 ? 1 / (1 + e) : e / (1 + e);
    }

    private static double gateValue(Tensor z, int col) {
        return z.isPresent() ? get(z, 0, col) : 1;
    }

    static void swiglu(Tensor y, Tensor gate, Tensor up, Tensor z) {                                // y =
        for (int t = 0; t < y.rows(); t++) {
            for (int c = 0; c < y.cols(); c++) {
                double a = gateValue(z, c) * get(gate, t, c);
                double b = gateValue(z, c) * get(up, t, c);
                set(y, t, c, (float) (a * sigmoid(a) * b));
            }
        }
    }

    /// With `a = z gate`, `b = z up`, `s = sigmoid(a)`: `dA = dY b s (1 + a (1 - s))`, `dB = dY a s`, `dGate = z dA`,
    /// `dUp = z dB`, `dZ += sum_t (gate dA + up dB)`.
    static void swigluBackward(
            Tensor dGate, Tensor dUp, Tensor dZ, Tensor dY, Tensor gate, Tensor up, Tensor z) {
        for (int c = 0; c < dY.cols(); c++) {
            double gateGradient = 0;
            for (int t = 0; t < dY.rows(); t++) {
                double a = gateValue(z, c) * get(gate, t, c);
                double b = gateValue(z, c) * get(up, t, c);
                double s = sigmoid(a);
                double dA = get(dY, t, c) * b * s * (1 + a * (1 - s));
                double dB = get(dY, t, c) * a * s;
                gateGradient += get(gate, t, c) * dA + get(up, t, c) * dB;
                set(dGate, t, c, (float) (gateValue(z, c) * dA));
                set(dUp, t, c, (float) (gateValue(z, c) * dB));
            }
            if (dZ.isPresent()) {
                set(dZ, 0, c, (float) (get(dZ, 0, c) + gateGradient));
            }
        }
    }

    static void gateColumns(Tensor y, Tensor x, Tensor z, int width, boolean accumulate) {          // y = or +=
        for (int t = 0; t < y.rows(); t++) {
            for (int c = 0; c < y.cols(); c++) {
                double gated = (double) get(x, t, c) * get(z, 0, c / width);
                set(y, t, c, (float) (accumulate ? get(y, t, c) + gated : gated));
            }
        }
    }

    static void gateColumnsBackward(Tensor dX, Tensor dZ, Tensor dY, Tensor x, Tensor z, int width) { // dX =, dZ +=
        for (int run = 0; run < z.cols(); run++) {
            double gateGradient = 0;
            for (int t = 0; t < dY.rows(); t++) {
                for (int c = run * width; c < (run + 1) * width; c++) {
                    double upstream = get(dY, t, c);
                    gateGradient += upstream * get(x, t, c);
                    set(dX, t, c, (float) (upstream * get(z, 0, run)));
                }
            }
            if (dZ.isPresent()) {
                set(dZ, 0, run, (float) (get(dZ, 0, run) + gateGradient));
            }
        }
    }
}
