package espalier.kernels.scalar;

import static espalier.kernels.cpu.HostMemory.get;
import static espalier.kernels.cpu.HostMemory.set;

import espalier.kernels.AdamWStep;
import espalier.kernels.Tensor;

/// The optimiser's step.
final class ScalarAdamW {
    private ScalarAdamW() {}

    static void step(Tensor p, Tensor m, Tensor v, Tensor g, AdamWStep s) {                         // p, m, v =
        double kept = s.keptFraction();
        double stepSize = s.stepSize();
        double root = s.rootOfCorrection2();
        for (int r = 0; r < p.rows(); r++) {
            for (int c = 0; c < p.cols(); c++) {
                double gradient = s.gradientScale() * get(g, r, c);
                double first = get(m, r, c);
                first += (1 - s.beta1()) * (gradient - first);
                double second = s.beta2() * get(v, r, c) + (1 - s.beta2()) * gradient * gradient;
                double update = first / (Math.sqrt(second) / root + s.eps());
                set(m, r, c, (float) first);
                set(v, r, c, (float) second);
                set(p, r, c, (float) (kept * get(p, r, c) - stepSize * update));
            }
        }
    }
}
