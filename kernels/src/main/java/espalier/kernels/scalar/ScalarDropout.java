package espalier.kernels.scalar;

import static espalier.kernels.cpu.HostMemory.get;
import static espalier.kernels.cpu.HostMemory.set;

import espalier.kernels.Dropout;
import espalier.kernels.Tensor;

/// Dropout, an element at a time from the definition of its mask.
final class ScalarDropout {
    private ScalarDropout() {}

    static void apply(                                                                              // y = or +=
            Tensor y, Tensor x, Dropout key, int[] batchRows, int[] positions, boolean accumulate) {
        for (int t = 0; t < x.rows(); t++) {
            for (int c = 0; c < x.cols(); c++) {
                float value = key.keeps(batchRows[t], positions[t], c) ? get(x, t, c) * key.scale() : 0;
                set(y, t, c, accumulate ? get(y, t, c) + value : value);
            }
        }
    }
}
