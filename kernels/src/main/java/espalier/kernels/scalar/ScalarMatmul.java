package espalier.kernels.scalar;

import static espalier.kernels.cpu.HostMemory.get;
import static espalier.kernels.cpu.HostMemory.set;

import espalier.kernels.Tensor;
import espalier.kernels.cpu.CpuWeight;

/// Matrix products: a dot product in float64 for every element.
final class ScalarMatmul {
    private ScalarMatmul() {}

    static void linear(Tensor y, Tensor x, CpuWeight w, boolean accumulate) {                       // y = or +=
        for (int t = 0; t < y.rows(); t++) {
            for (int r = 0; r < w.rows(); r++) {
                double sum = 0;
                for (int c = 0; c < w.cols(); c++) {
                    sum += (double) get(x, t, c) * get(w, r, c);
                }
                store(y, t, r, sum, accumulate);
            }
        }
    }

    static void linearBackward(Tensor dX, Tensor dY, CpuWeight w, boolean accumulate) {             // dX = or +=
        for (int t = 0; t < dX.rows(); t++) {
            for (int c = 0; c < w.cols(); c++) {
                double sum = 0;
                for (int r = 0; r < w.rows(); r++) {
                    sum += (double) get(dY, t, r) * get(w, r, c);
                }
                store(dX, t, c, sum, accumulate);
            }
        }
    }

    static void weightGradient(Tensor dW, Tensor dY, int fromOutput, Tensor x, boolean accumulate) { // dW = or +=
        for (int r = 0; r < dW.rows(); r++) {
            for (int c = 0; c < dW.cols(); c++) {
                double sum = 0;
                for (int t = 0; t < x.rows(); t++) {
                    sum += (double) get(dY, t, fromOutput + r) * get(x, t, c);
                }
                store(dW, r, c, sum, accumulate);
            }
        }
    }

    static void matmulNT(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate) {           // c = or +=
        for (int m = 0; m < c.rows(); m++) {
            for (int n = 0; n < c.cols(); n++) {
                double sum = 0;
                for (int k = 0; k < a.cols(); k++) {
                    sum += (double) get(a, m, k) * get(b, n, k);
                }
                store(c, m, n, alpha * sum, accumulate);
            }
        }
    }

    static void matmulNN(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate) {           // c = or +=
        for (int m = 0; m < c.rows(); m++) {
            for (int n = 0; n < c.cols(); n++) {
                double sum = 0;
                for (int k = 0; k < a.cols(); k++) {
                    sum += (double) get(a, m, k) * get(b, k, n);
                }
                store(c, m, n, alpha * sum, accumulate);
            }
        }
    }

    static void matmulTN(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate) {           // c = or +=
        for (int m = 0; m < c.rows(); m++) {
            for (int n = 0; n < c.cols(); n++) {
                double sum = 0;
                for (int k = 0; k < a.rows(); k++) {
                    sum += (double) get(a, k, m) * get(b, k, n);
                }
                store(c, m, n, alpha * sum, accumulate);
            }
        }
    }

    private static void store(Tensor y, int row, int col, double value, boolean accumulate) {
        set(y, row, col, (float) (accumulate ? get(y, row, col) + value : value));
    }
}
