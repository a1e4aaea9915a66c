package espalier.kernels.vector;

import static espalier.kernels.vector.Access.first;
import static espalier.kernels.vector.Access.load;
import static espalier.kernels.vector.Access.store;

import espalier.kernels.AdamWStep;
import espalier.kernels.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// The optimiser's step, in one loop over a task's elements. The loop compares addresses, as those of [GemvKernels] do
/// and for their reason: parameters and moments come from memory.
final class AdamWKernels {
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;

    private AdamWKernels() {}

    static void step(Parallel parallel, Tensor p, Tensor m, Tensor v, Tensor g, AdamWStep s) {      // p, m, v =
        Tasks.flat(parallel, p.elements(), (offset, count, task) -> {
            int whole = count / L * L;
            update(p.address() + offset, m.address() + offset, v.address() + offset, g.address() + offset, whole,
                    (float) s.gradientScale(), (float) (1 - s.beta1()), (float) s.beta2(), (float) (1 - s.beta2()),
                    (float) s.keptFraction(), (float) -s.stepSize(), (float) s.rootOfCorrection2(), (float) s.eps());
            if (whole < count) {
                long rest = offset + (long) whole * Float.BYTES;
                firstMoment(m.address() + rest, g.address() + rest, s, count - whole);
                secondMoment(v.address() + rest, g.address() + rest, s, count - whole);
                parameter(p.address() + rest, m.address() + rest, v.address() + rest, s, count - whole);
            }
        });
    }

    /// `g' = scale g`, `m += fresh1 (g' - m)`, `v = beta2 v + fresh2 g'^2`,
    /// `p = kept p + step m / (sqrt(v) / root + eps)`.
    private static void update(
            long p, long m, long v, long g, int n, float scale, float fresh1, float beta2, float fresh2,
            float kept, float step, float root, float eps) {
        FloatVector f1 = FloatVector.broadcast(Lanes.F32, fresh1);
        long toM = m - p;
        long toV = v - p;
        long toG = g - p;
        long end = p + (long) n * Float.BYTES;
        for (long at = p; at != end; at += W) {
            FloatVector x = load(at + toG).mul(scale);
            FloatVector first = load(at + toM);
            first = x.sub(first).fma(f1, first);
            store(at + toM, first);
            FloatVector second = x.mul(fresh2).fma(x, load(at + toV).mul(beta2));
            store(at + toV, second);
            store(at, load(at).mul(kept).add(first.mul(step).div(second.sqrt().div(root).add(eps))));
        }
    }

    /// The same steps for a register that is not full, one by one: together they are too long for the compiler to
    /// inline with their masks.
    private static void firstMoment(long m, long g, AdamWStep s, int n) {
        VectorMask<Float> mask = first(n);
        FloatVector before = load(m, mask);
        FloatVector x = load(g, mask).mul((float) s.gradientScale());
        store(m, x.sub(before).fma(FloatVector.broadcast(Lanes.F32, (float) (1 - s.beta1())), before), mask);
    }

    private static void secondMoment(long v, long g, AdamWStep s, int n) {
        VectorMask<Float> mask = first(n);
        FloatVector x = load(g, mask).mul((float) s.gradientScale());
        store(v, x.mul((float) (1 - s.beta2())).fma(x, load(v, mask).mul((float) s.beta2())), mask);
    }

    private static void parameter(long p, long m, long v, AdamWStep s, int n) {
        VectorMask<Float> mask = first(n);
        FloatVector root = load(v, mask).sqrt().div((float) s.rootOfCorrection2()).add((float) s.eps());
        FloatVector change = load(m, mask).mul((float) -s.stepSize()).div(root);
        store(p, load(p, mask).mul((float) s.keptFraction()).add(change), mask);
    }
}
