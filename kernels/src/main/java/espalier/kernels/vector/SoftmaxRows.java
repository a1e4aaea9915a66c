package espalier.kernels.vector;

import static espalier.kernels.vector.Access.first;
import static espalier.kernels.vector.Access.load;
import static espalier.kernels.vector.Access.store;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/// The passes over one row that losses are made of. One exponential in each loop: with two the compiler stops inlining.
final class SoftmaxRows {
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;
    /// Elements whose sum is made in F32 before it goes into the float64 total.
    static final int BLOCK = 64 * L;
    private static final FloatVector LOWEST = FloatVector.broadcast(Lanes.F32, Float.NEGATIVE_INFINITY);

    private SoftmaxRows() {}

    /// The largest element; NaNs may or may not be ignored, since the sum of exponentials will show them.
    static float max(long x, int n) {
        FloatVector even = LOWEST;
        FloatVector odd = LOWEST;
        int i = 0;
        for (; i <= n - 2 * L; i += 2 * L, x += 2 * W) {
            even = larger(even, load(x));
            odd = larger(odd, load(x + W));
        }
        for (; i < n; i += L, x += W) {
            VectorMask<Float> m = first(Math.min(L, n - i));
            even = larger(even, LOWEST.blend(load(x, m), m));
        }
        float max = Float.NEGATIVE_INFINITY;
        for (float lane : larger(even, odd).toArray()) {
            max = Math.max(max, lane);
        }
        return max;
    }

    private static FloatVector larger(FloatVector a, FloatVector b) {
        return a.blend(b, b.compare(VectorOperators.GT, a));
    }

    /// `sum(exp((x - max) * inverseTau))`.
    static double sumOfExponentials(long x, float max, float inverseTau, int n) {
        double sum = 0;
        for (int from = 0; from < n; from += BLOCK) {
            long offset = (long) from * Float.BYTES;
            sum += Access.sum(sumBlock(x + offset, max, inverseTau, Math.min(BLOCK, n - from)));
        }
        return sum;
    }

    private static FloatVector sumBlock(long x, float max, float inverseTau, int n) {
        FloatVector sum = FloatVector.zero(Lanes.F32);
        int i = 0;
        for (; i <= n - L; i += L, x += W) {
            sum = sum.add(VectorMath.exp(load(x).sub(max).mul(inverseTau)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            FloatVector e = VectorMath.exp(load(x, m).sub(max).mul(inverseTau));
            sum = sum.add(e, m);
        }
        return sum;
    }

    /// The same, and `x = exp((x - max) * inverseTau)`.
    static double exponentials(long x, float max, float inverseTau, int n) {
        double sum = 0;
        for (int from = 0; from < n; from += BLOCK) {
            long offset = (long) from * Float.BYTES;
            sum += Access.sum(replaceBlock(x + offset, max, inverseTau, Math.min(BLOCK, n - from)));
        }
        return sum;
    }

    private static FloatVector replaceBlock(long x, float max, float inverseTau, int n) {
        FloatVector sum = FloatVector.zero(Lanes.F32);
        int i = 0;
        for (; i <= n - L; i += L, x += W) {
            FloatVector e = VectorMath.exp(load(x).sub(max).mul(inverseTau));
            store(x, e);
            sum = sum.add(e);
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            FloatVector e = VectorMath.exp(load(x, m).sub(max).mul(inverseTau));
            store(x, e, m);
            sum = sum.add(e, m);
        }
        return sum;
    }

    /// `y -= factor * exp((x - max) * inverseTau)`.
    static void subtractExponentials(long y, long x, float max, float inverseTau, float factor, int n) {
        FloatVector f = FloatVector.broadcast(Lanes.F32, -factor);
        int i = 0;
        for (; i <= n - L; i += L, y += W, x += W) {
            store(y, VectorMath.exp(load(x).sub(max).mul(inverseTau)).fma(f, load(y)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            FloatVector e = VectorMath.exp(load(x, m).sub(max).mul(inverseTau));
            store(y, e.fma(f, load(y, m)), m);
        }
    }

    /// `sum(e (teacher - student + shift))` with `e = exp((teacher - max) * inverseTau)`, over the entries where `e` is
    /// not 0: there the product has the limit 0, whatever the student says.
    static double weightedDifference(
            long teacher, long student, float max, float inverseTau, float shift, int n) {
        double sum = 0;
        for (int from = 0; from < n; from += BLOCK) {
            long offset = (long) from * Float.BYTES;
            sum += Access.sum(differenceBlock(
                    teacher + offset, student + offset, max, inverseTau, shift, Math.min(BLOCK, n - from)));
        }
        return sum;
    }

    private static FloatVector differenceBlock(
            long teacher, long student, float max, float inverseTau, float shift, int n) {
        FloatVector sum = FloatVector.zero(Lanes.F32);
        int i = 0;
        for (; i <= n - L; i += L, teacher += W, student += W) {
            FloatVector t = load(teacher);
            FloatVector e = VectorMath.exp(t.sub(max).mul(inverseTau));
            FloatVector term = e.mul(t.sub(load(student)).add(shift));
            sum = sum.add(term.blend(0, e.compare(VectorOperators.EQ, 0)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            FloatVector t = load(teacher, m);
            FloatVector e = VectorMath.exp(t.sub(max).mul(inverseTau));
            FloatVector term = e.mul(t.sub(load(student, m)).add(shift));
            sum = sum.add(term.blend(0, e.compare(VectorOperators.EQ, 0)), m);
        }
        return sum;
    }
}
