package espalier.kernels.vector;

import static espalier.kernels.vector.Access.first;
import static espalier.kernels.vector.Access.load;
import static espalier.kernels.vector.Access.store;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/// The passes over one row that losses are made of. One exponential in each method: with two the compiler stops
/// inlining.
///
/// Sums are made in a register and left in memory, `lanes`, two registers wide. They begin with a zero made on the
/// spot: with a constant the compiler boxes them. Adding to zero before the store gives it a vector of known class.
final class SoftmaxRows {
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;
    /// Elements whose sum is made in F32 before it goes into the float64 total.
    static final int BLOCK = 128 * L;
    private static final FloatVector ZERO = FloatVector.zero(Lanes.F32);

    private SoftmaxRows() {}

    /// The largest element; one that is NaN does not count, and shows in the sum of exponentials.
    static float max(long x, int n, long lanes) {
        int whole = n / L * L;
        Elementwise.fill(lanes, Float.NEGATIVE_INFINITY, 2 * L);
        maxima(x, whole, lanes);
        float max = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < 2 * L; i++) {
            max = larger(max, Access.get(lanes + (long) i * Float.BYTES));
        }
        for (int i = whole; i < n; i++) {
            max = larger(max, Access.get(x + (long) i * Float.BYTES));
        }
        return max;
    }

    private static void maxima(long x, int n, long lanes) {
        FloatVector even = load(lanes);
        FloatVector odd = load(lanes + W);
        int i = 0;
        for (; i <= n - 2 * L; i += 2 * L, x += 2 * W) {
            even = larger(even, load(x));
            odd = larger(odd, load(x + W));
        }
        if (i < n) {
            even = larger(even, load(x));
        }
        store(lanes, ZERO.add(even));
        store(lanes + W, ZERO.add(odd));
    }

    private static float larger(float a, float b) {
        return b > a ? b : a;
    }

    /// Two operations; the maximum of Java's rules for NaN and -0 is many.
    private static FloatVector larger(FloatVector a, FloatVector b) {
        return a.blend(b, b.compare(VectorOperators.GT, a));
    }

    /// Adds the lanes in float64 in their order and clears them.
    private static double take(long lanes) {
        double sum = 0;
        for (int i = 0; i < L; i++) {
            sum += Access.get(lanes + (long) i * Float.BYTES);
        }
        Elementwise.fill(lanes, 0, L);
        return sum;
    }

    /// `sum(exp((x - max) * inverseTau))`.
    static double sumOfExponentials(long x, float max, float inverseTau, int n, long lanes) {
        int whole = n / L * L;
        Elementwise.fill(lanes, 0, L);
        double sum = 0;
        for (int from = 0; from < whole; from += BLOCK) {
            long offset = (long) from * Float.BYTES;
            sumBlock(x + offset, max, inverseTau, Math.min(BLOCK, whole - from), lanes);
            sum += take(lanes);
        }
        if (whole < n) {
            long offset = (long) whole * Float.BYTES;
            sumRest(x + offset, max, inverseTau, n - whole, lanes);
            sum += take(lanes);
        }
        return sum;
    }

    private static void sumBlock(long x, float max, float inverseTau, int n, long lanes) {
        FloatVector top = FloatVector.broadcast(Lanes.F32, max);
        FloatVector factor = FloatVector.broadcast(Lanes.F32, inverseTau);
        FloatVector sum = FloatVector.zero(Lanes.F32);
        for (int i = 0; i < n; i += L, x += W) {
            sum = VectorMath.expUpTo0(load(x).sub(top).mul(factor)).add(sum);
        }
        store(lanes, ZERO.add(sum));
    }

    private static void sumRest(long x, float max, float inverseTau, int n, long lanes) {
        VectorMask<Float> m = first(n);
        store(lanes, load(lanes).add(VectorMath.expUpTo0(load(x, m).sub(max).mul(inverseTau)), m));
    }

    /// The same, and `x = exp((x - max) * inverseTau)`.
    static double exponentials(long x, float max, float inverseTau, int n, long lanes) {
        int whole = n / L * L;
        Elementwise.fill(lanes, 0, L);
        double sum = 0;
        for (int from = 0; from < whole; from += BLOCK) {
            long offset = (long) from * Float.BYTES;
            replaceBlock(x + offset, max, inverseTau, Math.min(BLOCK, whole - from), lanes);
            sum += take(lanes);
        }
        if (whole < n) {
            long offset = (long) whole * Float.BYTES;
            replaceRest(x + offset, max, inverseTau, n - whole, lanes);
            sum += take(lanes);
        }
        return sum;
    }

    private static void replaceBlock(long x, float max, float inverseTau, int n, long lanes) {
        FloatVector top = FloatVector.broadcast(Lanes.F32, max);
        FloatVector factor = FloatVector.broadcast(Lanes.F32, inverseTau);
        FloatVector sum = FloatVector.zero(Lanes.F32);
        for (int i = 0; i < n; i += L, x += W) {
            FloatVector e = VectorMath.expUpTo0(load(x).sub(top).mul(factor));
            store(x, e);
            sum = e.add(sum);
        }
        store(lanes, ZERO.add(sum));
    }

    private static void replaceRest(long x, float max, float inverseTau, int n, long lanes) {
        VectorMask<Float> m = first(n);
        FloatVector e = VectorMath.expUpTo0(load(x, m).sub(max).mul(inverseTau));
        store(x, e, m);
        store(lanes, load(lanes).add(e, m));
    }

    /// `y -= factor * exp((x - max) * inverseTau)`.
    static void subtractExponentials(long y, long x, float max, float inverseTau, float factor, int n) {
        FloatVector f = FloatVector.broadcast(Lanes.F32, -factor);
        int i = 0;
        for (; i <= n - L; i += L, y += W, x += W) {
            store(y, VectorMath.expUpTo0(load(x).sub(max).mul(inverseTau)).fma(f, load(y)));
        }
        if (i < n) {
            subtractRest(y, x, max, inverseTau, factor, n - i);
        }
    }

    private static void subtractRest(long y, long x, float max, float inverseTau, float factor, int n) {
        VectorMask<Float> m = first(n);
        FloatVector e = VectorMath.expUpTo0(load(x, m).sub(max).mul(inverseTau));
        store(y, e.fma(FloatVector.broadcast(Lanes.F32, -factor), load(y, m)), m);
    }

    /// With `e = exp((teacher - max) * inverseTau)`: `sum(e)`, and `sum(e (teacher - student + shift))` over the
    /// entries where `e` is not 0: there the product has the limit 0, whatever the student says.
    ///
    /// @param sums the two, =
    static void weightedDifference(
            double[] sums, long teacher, long student, float max, float inverseTau, float shift, int n, long lanes) {
        int whole = n / L * L;
        Elementwise.fill(lanes, 0, 2 * L);
        double sum = 0;
        double difference = 0;
        for (int from = 0; from < whole; from += BLOCK) {
            long offset = (long) from * Float.BYTES;
            differenceBlock(
                    teacher + offset, student + offset, max, inverseTau, shift, Math.min(BLOCK, whole - from), lanes);
            sum += take(lanes);
            difference += take(lanes + W);
        }
        if (whole < n) {
            long offset = (long) whole * Float.BYTES;
            differenceRest(
                    teacher + offset, student + offset, max, inverseTau, shift, n - whole, lanes);
            sum += take(lanes);
            difference += take(lanes + W);
        }
        sums[0] = sum;
        sums[1] = difference;
    }

    private static void differenceBlock(
            long teacher, long student, float max, float inverseTau, float shift, int n, long lanes) {
        FloatVector top = FloatVector.broadcast(Lanes.F32, max);
        FloatVector factor = FloatVector.broadcast(Lanes.F32, inverseTau);
        FloatVector both = FloatVector.broadcast(Lanes.F32, shift);
        FloatVector sum = FloatVector.zero(Lanes.F32);
        FloatVector difference = FloatVector.zero(Lanes.F32);
        for (int i = 0; i < n; i += L, teacher += W, student += W) {
            FloatVector t = load(teacher);
            FloatVector e = VectorMath.expUpTo0(t.sub(top).mul(factor));
            sum = e.add(sum);
            FloatVector term = e.mul(t.sub(load(student)).add(both));
            difference = term.blend(ZERO, e.compare(VectorOperators.EQ, ZERO)).add(difference);
        }
        store(lanes, ZERO.add(sum));
        store(lanes + W, ZERO.add(difference));
    }

    private static void differenceRest(
            long teacher, long student, float max, float inverseTau, float shift, int n, long lanes) {
        VectorMask<Float> m = first(n);
        FloatVector t = load(teacher, m);
        FloatVector e = VectorMath.expUpTo0(t.sub(max).mul(inverseTau));
        FloatVector term = e.mul(t.sub(load(student, m)).add(shift));
        store(lanes, e, m);
        store(lanes + W, term.blend(0, e.compare(VectorOperators.EQ, 0)), m);
    }
}
