package espalier.kernels.scalar;

import static espalier.kernels.cpu.HostMemory.get;
import static espalier.kernels.cpu.HostMemory.set;

import espalier.kernels.Salience;
import espalier.kernels.Tensor;
import espalier.kernels.cpu.CpuWeight;

/// Sums of saliences, and the squares they are made of.
final class ScalarImportance {
    private ScalarImportance() {}

    static void reduce(
            double[] rowScore, double[] colScore, Salience salience,                                // both +=
            CpuWeight w, int fromRow, int rows, Tensor g, Tensor meanSquare) {
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < w.cols(); c++) {
                double gradient = salience.needsGradient() ? get(g, r, c) : 0;
                double square = salience.needsMeanSquare() ? get(meanSquare, r, c) : 0;
                double value = salience.of(get(w, fromRow + r, c), gradient, square);
                rowScore[r] += value;
                colScore[c] += value;
            }
        }
    }

    static void addSquare(Tensor y, Tensor x, float scale) {                                        // y +=
        for (int t = 0; t < y.rows(); t++) {
            for (int c = 0; c < y.cols(); c++) {
                double value = get(x, t, c);
                set(y, t, c, (float) (get(y, t, c) + scale * value * value));
            }
        }
    }
}
