package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Lanes.ORDER;

import espalier.kernels.DType;
import espalier.kernels.cpu.HostMemory;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/// Dot products of one row of a weight with one or four rows of activations.
///
/// The loops compare addresses on purpose: of a counted loop C2 makes one that loads four registers in descending
/// order, which loses half of the memory's streaming bandwidth.
final class GemvKernels {
    private static final VectorSpecies<Float> S = Lanes.F32;
    private static final VectorSpecies<Integer> I = Lanes.I32;
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;
    private static final long ADDRESS = Lanes.ADDRESS;
    private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private GemvKernels() {}

    /// @param w row of F32
    /// @param k its elements
    /// @param x activations
    /// @return the dot product
    static float dotF32(long w, int k, long x) {
        int whole = k / L * L;
        FloatVector s = FloatVector.zero(S);
        long end = w + 4L * whole;
        long q = x;
        for (long p = w; p != end; p += W) {
            FloatVector v = FloatVector.fromMemorySegment(S, ALL, p & ADDRESS, ORDER);
            s = v.fma(FloatVector.fromMemorySegment(S, ALL, q & ADDRESS, ORDER), s);
            q += W;
        }
        return tailF32(w, whole, k, x, Lanes.sum(FloatVector.zero(S).add(s)));
    }

    /// Four dot products with one row of the weight, each as [#dotF32(long,int,long)] gives it.
    ///
    /// @param w row of F32
    /// @param k its elements
    /// @param x first row of activations
    /// @param x1 bytes from the first row to the second
    /// @param x2 bytes from the first row to the third
    /// @param x3 bytes from the first row to the fourth
    /// @param sums four floats, =
    static void dotsF32(long w, int k, long x, long x1, long x2, long x3, long sums) {
        int whole = k / L * L;
        FloatVector s0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S);
        FloatVector s2 = FloatVector.zero(S);
        FloatVector s3 = FloatVector.zero(S);
        long end = w + 4L * whole;
        long q = x;
        for (long p = w; p != end; p += W) {
            FloatVector v = FloatVector.fromMemorySegment(S, ALL, p & ADDRESS, ORDER);
            s0 = v.fma(FloatVector.fromMemorySegment(S, ALL, q & ADDRESS, ORDER), s0);
            s1 = v.fma(FloatVector.fromMemorySegment(S, ALL, q + x1 & ADDRESS, ORDER), s1);
            s2 = v.fma(FloatVector.fromMemorySegment(S, ALL, q + x2 & ADDRESS, ORDER), s2);
            s3 = v.fma(FloatVector.fromMemorySegment(S, ALL, q + x3 & ADDRESS, ORDER), s3);
            q += W;
        }
        FloatVector zero = FloatVector.zero(S);
        ALL.set(F, sums, tailF32(w, whole, k, x, Lanes.sum(zero.add(s0))));
        ALL.set(F, sums + 4, tailF32(w, whole, k, x + x1, Lanes.sum(zero.add(s1))));
        ALL.set(F, sums + 8, tailF32(w, whole, k, x + x2, Lanes.sum(zero.add(s2))));
        ALL.set(F, sums + 12, tailF32(w, whole, k, x + x3, Lanes.sum(zero.add(s3))));
    }

    private static float tailF32(long w, int from, int k, long x, float sum) {
        for (int i = from; i < k; i++) {
            sum = Math.fma(ALL.get(F, w + 4L * i), ALL.get(F, x + 4L * i), sum);
        }
        return sum;
    }

    /// @param w row of BF16
    /// @param k its elements
    /// @param x activations as [#pairUp] leaves them
    /// @return the dot product
    static float dotBf16(long w, int k, long x) {
        int whole = k / (2 * L) * (2 * L);
        FloatVector even = FloatVector.zero(S);
        FloatVector odd = FloatVector.zero(S);
        long end = w + 2L * whole;
        long q = x;
        for (long p = w; p != end; p += W) {
            IntVector pair = IntVector.fromMemorySegment(I, ALL, p & ADDRESS, ORDER);
            long a = q & ADDRESS;
            even = PackConvert.evenBf16(pair).reinterpretAsFloats()
                    .fma(FloatVector.fromMemorySegment(S, ALL, a, ORDER), even);
            odd = PackConvert.oddBf16(pair).reinterpretAsFloats()
                    .fma(FloatVector.fromMemorySegment(S, ALL, a + W, ORDER), odd);
            q += 2 * W;
        }
        return tailBf16(w, whole, k, x, Lanes.sum(FloatVector.zero(S).add(even).add(odd)));
    }

    /// Four dot products with one row of the weight, each as [#dotBf16(long,int,long)] gives it.
    ///
    /// @param w row of BF16
    /// @param k its elements
    /// @param x first row of activations as [#pairUp] leaves them
    /// @param x1 bytes from the first row to the second
    /// @param x2 bytes from the first row to the third
    /// @param x3 bytes from the first row to the fourth
    /// @param sums four floats, =
    static void dotsBf16(long w, int k, long x, long x1, long x2, long x3, long sums) {
        int whole = k / (2 * L) * (2 * L);
        FloatVector e0 = FloatVector.zero(S);
        FloatVector o0 = FloatVector.zero(S);
        FloatVector e1 = FloatVector.zero(S);
        FloatVector o1 = FloatVector.zero(S);
        FloatVector e2 = FloatVector.zero(S);
        FloatVector o2 = FloatVector.zero(S);
        FloatVector e3 = FloatVector.zero(S);
        FloatVector o3 = FloatVector.zero(S);
        long end = w + 2L * whole;
        long q = x;
        for (long p = w; p != end; p += W) {
            IntVector pair = IntVector.fromMemorySegment(I, ALL, p & ADDRESS, ORDER);
            FloatVector even = PackConvert.evenBf16(pair).reinterpretAsFloats();
            FloatVector odd = PackConvert.oddBf16(pair).reinterpretAsFloats();
            long a0 = q & ADDRESS;
            e0 = even.fma(FloatVector.fromMemorySegment(S, ALL, a0, ORDER), e0);
            o0 = odd.fma(FloatVector.fromMemorySegment(S, ALL, a0 + W, ORDER), o0);
            long a1 = q + x1 & ADDRESS;
            e1 = even.fma(FloatVector.fromMemorySegment(S, ALL, a1, ORDER), e1);
            o1 = odd.fma(FloatVector.fromMemorySegment(S, ALL, a1 + W, ORDER), o1);
            long a2 = q + x2 & ADDRESS;
            e2 = even.fma(FloatVector.fromMemorySegment(S, ALL, a2, ORDER), e2);
            o2 = odd.fma(FloatVector.fromMemorySegment(S, ALL, a2 + W, ORDER), o2);
            long a3 = q + x3 & ADDRESS;
            e3 = even.fma(FloatVector.fromMemorySegment(S, ALL, a3, ORDER), e3);
            o3 = odd.fma(FloatVector.fromMemorySegment(S, ALL, a3 + W, ORDER), o3);
            q += 2 * W;
        }
        FloatVector zero = FloatVector.zero(S);
        ALL.set(F, sums, tailBf16(w, whole, k, x, Lanes.sum(zero.add(e0).add(o0))));
        ALL.set(F, sums + 4, tailBf16(w, whole, k, x + x1, Lanes.sum(zero.add(e1).add(o1))));
        ALL.set(F, sums + 8, tailBf16(w, whole, k, x + x2, Lanes.sum(zero.add(e2).add(o2))));
        ALL.set(F, sums + 12, tailBf16(w, whole, k, x + x3, Lanes.sum(zero.add(e3).add(o3))));
    }

    private static float tailBf16(long w, int from, int k, long x, float sum) {
        for (int i = from; i < k; i++) {
            sum = Math.fma(HostMemory.get(DType.BF16, w + 2L * i), ALL.get(F, x + 4L * i), sum);
        }
        return sum;
    }

    /// Puts activations in the order of the halves of a register of BF16 pairs: of each two registers of floats first
    /// those with even index, then those with odd. What is left over stays in place.
    ///
    /// @param x activations
    /// @param k their number
    /// @param to as many floats, =
    static void pairUp(long x, int k, long to) {
        int whole = k / (2 * L) * (2 * L);
        for (int i = 0; i < k; i++) {
            int within = i % (2 * L);
            int place = i < whole ? i - within + within / 2 + within % 2 * L : i;
            ALL.set(F, to + 4L * place, ALL.get(F, x + 4L * i));
        }
    }

    /// @param w row of F16
    /// @param k its elements
    /// @param to as many F32, =
    static void convertF16(long w, int k, long to) {
        int whole = k / (2 * L) * (2 * L);
        long out = to;
        for (long p = w; p != w + 2L * whole; p += W) {
            IntVector pair = IntVector.fromMemorySegment(I, ALL, p & ADDRESS, ORDER);
            IntVector even = PackConvert.evenF16(pair);
            IntVector odd = PackConvert.oddF16(pair);
            PackTranspose.LOW.selectFrom(even, odd).intoMemorySegment(ALL, out & ADDRESS, ORDER);
            PackTranspose.HIGH.selectFrom(even, odd).intoMemorySegment(ALL, out + W & ADDRESS, ORDER);
            out += 2 * W;
        }
        for (int i = whole; i < k; i++) {
            ALL.set(F, to + 4L * i, HostMemory.get(DType.F16, w + 2L * i));
        }
    }
}
