package espalier.kernels.scalar;

import static espalier.kernels.cpu.HostMemory.get;
import static espalier.kernels.cpu.HostMemory.set;

import espalier.kernels.Tensor;

/// Fills, sums and biases.
final class ScalarElementwise {
    private ScalarElementwise() {}

    static void fill(Tensor y, float value) {                                                       // y =
        for (int t = 0; t < y.rows(); t++) {
            for (int c = 0; c < y.cols(); c++) {
                set(y, t, c, value);
            }
        }
    }

    static void addScaled(Tensor y, Tensor x, float alpha) {                                        // y +=
        for (int t = 0; t < y.rows(); t++) {
            for (int c = 0; c < y.cols(); c++) {
                set(y, t, c, (float) (get(y, t, c) + (double) alpha * get(x, t, c)));
            }
        }
    }

    static double sumOfSquares(Tensor x) {
        double sum = 0;
        for (int t = 0; t < x.rows(); t++) {
            for (int c = 0; c < x.cols(); c++) {
                double value = get(x, t, c);
                sum += value * value;
            }
        }
        return sum;
    }

    static void addBias(Tensor y, Tensor bias) {                                                    // y +=
        for (int t = 0; t < y.rows(); t++) {
            for (int c = 0; c < y.cols(); c++) {
                set(y, t, c, get(y, t, c) + get(bias, 0, c));
            }
        }
    }

    static void biasBackward(Tensor dBias, Tensor dY) {                                             // dBias +=
        for (int c = 0; c < dY.cols(); c++) {
            double sum = get(dBias, 0, c);
            for (int t = 0; t < dY.rows(); t++) {
                sum += get(dY, t, c);
            }
            set(dBias, 0, c, (float) sum);
        }
    }
}
