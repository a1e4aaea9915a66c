package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Lanes.ORDER;

import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/// What attention does to scores between its products.
///
/// Of a few query rows they are rows, with room for a multiple of [#PADDING] floats, and are worked on to the end of
/// the register that holds their last score; of many they are turned, a query vector in each lane of two registers.
final class AttentionKernels {
    /// Rows of scores are padded to a multiple of this many floats.
    static final int PADDING = 16;

    private static final VectorSpecies<Float> S = Lanes.F32;
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;
    private static final long ADDRESS = Lanes.ADDRESS;
    private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private AttentionKernels() {}

    private static void fill(long row, int from, int to, float value) {
        for (int i = from; i < to; i++) {
            ALL.set(F, row + 4L * i, value);
        }
    }

    private static int registers(int count) {
        return Math.ceilDiv(count, L);
    }

    /// The largest score of a row. Scores after it become minus infinity to the end of the register.
    ///
    /// @param row scores
    /// @param valid how many, at least 1
    /// @return their maximum, NaN not counting: it shows in the sum of exponentials
    static float maximum(long row, int valid) {
        int n = registers(valid);
        fill(row, valid, n * L, Float.NEGATIVE_INFINITY);
        FloatVector even = FloatVector.broadcast(S, Float.NEGATIVE_INFINITY);
        FloatVector odd = FloatVector.broadcast(S, Float.NEGATIVE_INFINITY);
        int i = 0;
        for (; i + 1 < n; i += 2) {
            even = larger(even, FloatVector.fromMemorySegment(S, ALL, row + i * W & ADDRESS, ORDER));
            odd = larger(odd, FloatVector.fromMemorySegment(S, ALL, row + (i + 1) * W & ADDRESS, ORDER));
        }
        if (i < n) {
            even = larger(even, FloatVector.fromMemorySegment(S, ALL, row + i * W & ADDRESS, ORDER));
        }
        return Lanes.max(larger(even, odd));
    }

    /// Two operations; the maximum of Java's rules for NaN and -0 is many.
    private static FloatVector larger(FloatVector a, FloatVector b) {
        return a.blend(b, b.compare(VectorOperators.GT, a));
    }

    /// Replaces scores by `exp(score - subtract)`, those of other keys by 0.
    ///
    /// @param row scores
    /// @param valid how many are not masked, at least 1
    /// @param width how many there are
    /// @param subtract the largest score, or the log of the sum of exponentials
    /// @return the sum of the exponentials
    static float exponentials(long row, int valid, int width, float subtract) {
        int n = registers(valid);
        fill(row, valid, n * L, Float.NEGATIVE_INFINITY);
        FloatVector minus = FloatVector.broadcast(S, -subtract);
        FloatVector sum = FloatVector.zero(S);
        for (int i = 0; i < n; i++) {
            long at = row + i * W & ADDRESS;
            FloatVector e = VectorMath.expUpTo0(minus.add(FloatVector.fromMemorySegment(S, ALL, at, ORDER)));
            e.intoMemorySegment(ALL, at, ORDER);
            sum = e.add(sum);
        }
        clear(row, n, registers(width));
        return Lanes.sum(FloatVector.zero(S).add(sum));
    }

    private static void clear(long row, int from, int to) {
        FloatVector zero = FloatVector.zero(S);
        for (int i = from; i < to; i++) {
            zero.intoMemorySegment(ALL, row + i * W & ADDRESS, ORDER);
        }
    }

    /// @param keys scores of a row
    /// @return floats between rows of scores
    static int padded(int keys) {
        return Math.ceilDiv(keys, PADDING) * PADDING;
    }

    // ---- scores `[keys, 2 L]`, two registers of query vectors for each key ----

    /// Replaces the scores of keys that a lane does not see.
    ///
    /// @param scores of the first key
    /// @param key its number
    /// @param count keys
    /// @param visible for each lane the number of keys it sees
    /// @param value what the others become
    static void hide(long scores, int key, int count, long visible, float value) {
        FloatVector even = FloatVector.fromMemorySegment(S, ALL, visible & ADDRESS, ORDER);
        FloatVector odd = FloatVector.fromMemorySegment(S, ALL, visible + W & ADDRESS, ORDER);
        for (int i = 0; i < count; i++) {
            long at = scores + i * (2 * W) & ADDRESS;
            FloatVector number = FloatVector.broadcast(S, key + i);
            FloatVector a = FloatVector.fromMemorySegment(S, ALL, at, ORDER);
            FloatVector b = FloatVector.fromMemorySegment(S, ALL, at + W, ORDER);
            a.blend(value, even.compare(VectorOperators.LE, number)).intoMemorySegment(ALL, at, ORDER);
            b.blend(value, odd.compare(VectorOperators.LE, number)).intoMemorySegment(ALL, at + W, ORDER);
        }
    }

    /// @param scores of the first key
    /// @param count keys
    /// @param max for each lane the larger of what it was and the largest score, NaN not counting
    static void maxima(long scores, int count, long max) {
        FloatVector even = FloatVector.fromMemorySegment(S, ALL, max & ADDRESS, ORDER);
        FloatVector odd = FloatVector.fromMemorySegment(S, ALL, max + W & ADDRESS, ORDER);
        for (int i = 0; i < count; i++) {
            long at = scores + i * (2 * W) & ADDRESS;
            even = larger(even, FloatVector.fromMemorySegment(S, ALL, at, ORDER));
            odd = larger(odd, FloatVector.fromMemorySegment(S, ALL, at + W, ORDER));
        }
        FloatVector.zero(S).add(even).intoMemorySegment(ALL, max & ADDRESS, ORDER);
        FloatVector.zero(S).add(odd).intoMemorySegment(ALL, max + W & ADDRESS, ORDER);
    }

    /// Replaces the scores of one register of lanes by `exp(score - subtract)`.
    ///
    /// @param scores of the first key
    /// @param count keys
    /// @param subtract for each lane the largest score, or the log of the sum of exponentials
    /// @param sum for each lane, += the exponentials
    static void exponentials(long scores, int count, long subtract, long sum) {
        FloatVector minus = FloatVector.fromMemorySegment(S, ALL, subtract & ADDRESS, ORDER);
        FloatVector total = FloatVector.zero(S);
        for (int i = 0; i < count; i++) {
            long at = scores + i * (2 * W) & ADDRESS;
            FloatVector e = VectorMath.expUpTo0(FloatVector.fromMemorySegment(S, ALL, at, ORDER).sub(minus));
            e.intoMemorySegment(ALL, at, ORDER);
            total = e.add(total);
        }
        FloatVector.fromMemorySegment(S, ALL, sum & ADDRESS, ORDER).add(total)
                .intoMemorySegment(ALL, sum & ADDRESS, ORDER);
    }

    /// The gradient of scores: `dS = p * (dP - dot)`.
    ///
    /// @param dP gradient of the probabilities, = that of the scores
    /// @param p probabilities
    /// @param count keys
    /// @param dot for each lane the sum of `p * dP` over the keys
    static void scoreGradients(long dP, long p, int count, long dot) {
        FloatVector even = FloatVector.fromMemorySegment(S, ALL, dot & ADDRESS, ORDER);
        FloatVector odd = FloatVector.fromMemorySegment(S, ALL, dot + W & ADDRESS, ORDER);
        for (int i = 0; i < count; i++) {
            long at = dP + i * (2 * W) & ADDRESS;
            long from = p + i * (2 * W) & ADDRESS;
            FloatVector a = FloatVector.fromMemorySegment(S, ALL, at, ORDER).sub(even);
            FloatVector b = FloatVector.fromMemorySegment(S, ALL, at + W, ORDER).sub(odd);
            a.mul(FloatVector.fromMemorySegment(S, ALL, from, ORDER)).intoMemorySegment(ALL, at, ORDER);
            b.mul(FloatVector.fromMemorySegment(S, ALL, from + W, ORDER)).intoMemorySegment(ALL, at + W, ORDER);
        }
    }
}
