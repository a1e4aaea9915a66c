package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Lanes.ORDER;

import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/// What attention does to single rows. Rows of scores have room for a multiple of [#PADDING] floats and are worked on
/// to the end of the register that holds their last score.
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

    /// `dS = p * (dP - dot) * scale`, the gradient of unscaled scores; 0 where the mask is.
    ///
    /// @param dP gradient of the probabilities, = that of the scores
    /// @param p probabilities, 0 where masked
    /// @param valid how many are not masked; no value of `dP` after them is used
    /// @param width how many there are
    /// @param dot sum of `p * dP` over the row
    /// @param scale of the scores
    static void scoreGradient(long dP, long p, int valid, int width, float dot, float scale) {
        fill(dP, valid, registers(valid) * L, 0);
        FloatVector minus = FloatVector.broadcast(S, -dot);
        FloatVector factor = FloatVector.broadcast(S, scale);
        for (int i = 0; i < registers(valid); i++) {
            long at = dP + i * W & ADDRESS;
            FloatVector d = minus.add(FloatVector.fromMemorySegment(S, ALL, at, ORDER));
            FloatVector q = factor.mul(FloatVector.fromMemorySegment(S, ALL, p + i * W & ADDRESS, ORDER));
            q.mul(d).intoMemorySegment(ALL, at, ORDER);
        }
        clear(dP, registers(valid), registers(width));
    }

    private static void clear(long row, int from, int to) {
        FloatVector zero = FloatVector.zero(S);
        for (int i = from; i < to; i++) {
            zero.intoMemorySegment(ALL, row + i * W & ADDRESS, ORDER);
        }
    }
}
