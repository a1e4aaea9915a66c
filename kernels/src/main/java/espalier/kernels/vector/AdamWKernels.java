package espalier.kernels.vector;

import static espalier.kernels.vector.Access.first;
import static espalier.kernels.vector.Access.load;
import static espalier.kernels.vector.Access.store;

import espalier.kernels.AdamWStep;
import espalier.kernels.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// The optimiser's step, in three loops over a task's elements, which stay in the second-level cache: one loop with all
/// its operations would be too long for the compiler to inline.
final class AdamWKernels {
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;

    private AdamWKernels() {}

    static void step(Parallel parallel, Tensor p, Tensor m, Tensor v, Tensor g, AdamWStep s) {      // p, m, v =
        float scale = (float) s.gradientScale();
        float fresh1 = (float) (1 - s.beta1());
        float beta2 = (float) s.beta2();
        float fresh2 = (float) (1 - s.beta2());
        float kept = (float) s.keptFraction();
        float stepSize = (float) -s.stepSize();
        float root = (float) s.rootOfCorrection2();
        float eps = (float) s.eps();
        Tasks.flat(parallel, p.elements(), (offset, count, task) -> {
            firstMoment(m.address() + offset, g.address() + offset, scale, fresh1, count);
            secondMoment(v.address() + offset, g.address() + offset, scale, beta2, fresh2, count);
            update(p.address() + offset, m.address() + offset, v.address() + offset, kept, stepSize, root, eps, count);
        });
    }

    /// `m += fresh * (scale g - m)`.
    private static void firstMoment(long m, long g, float scale, float fresh, int n) {
        int i = 0;
        for (; i <= n - L; i += L, m += W, g += W) {
            store(m, decayed(load(m), load(g).mul(scale), fresh));
        }
        if (i < n) {
            VectorMask<Float> mask = first(n - i);
            store(m, decayed(load(m, mask), load(g, mask).mul(scale), fresh), mask);
        }
    }

    private static FloatVector decayed(FloatVector m, FloatVector g, float fresh) {
        return g.sub(m).fma(FloatVector.broadcast(Lanes.F32, fresh), m);
    }

    /// `v = beta v + fresh * (scale g)^2`.
    private static void secondMoment(long v, long g, float scale, float beta, float fresh, int n) {
        int i = 0;
        for (; i <= n - L; i += L, v += W, g += W) {
            FloatVector x = load(g).mul(scale);
            store(v, x.mul(fresh).fma(x, load(v).mul(beta)));
        }
        if (i < n) {
            VectorMask<Float> mask = first(n - i);
            FloatVector x = load(g, mask).mul(scale);
            store(v, x.mul(fresh).fma(x, load(v, mask).mul(beta)), mask);
        }
    }

    /// `p = kept p + stepSize * m / (sqrt(v) / root + eps)`.
    private static void update(
            long p, long m, long v, float kept, float stepSize, float root, float eps, int n) {
        int i = 0;
        for (; i <= n - L; i += L, p += W, m += W, v += W) {
            FloatVector change = load(m).mul(stepSize).div(load(v).sqrt().div(root).add(eps));
            store(p, load(p).mul(kept).add(change));
        }
        if (i < n) {
            VectorMask<Float> mask = first(n - i);
            FloatVector change = load(m, mask).mul(stepSize).div(load(v, mask).sqrt().div(root).add(eps));
            store(p, load(p, mask).mul(kept).add(change), mask);
        }
    }
}
