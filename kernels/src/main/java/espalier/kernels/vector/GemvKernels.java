package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Lanes.ORDER;

import espalier.kernels.DType;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/// Dot products of one row of a weight with one or two rows of activations.
///
/// The loops compare addresses on purpose: of a counted loop C2 makes one that loads four registers in descending order,
/// which loses half of the memory's streaming bandwidth.
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

    /// @param w row of F32
    /// @param k its elements
    /// @param x activations
    /// @param z other activations
    /// @return bits of both dot products, that with `x` in the lower half; each as [#dotF32(long,int,long)] gives it
    static long dotF32(long w, int k, long x, long z) {
        int whole = k / L * L;
        FloatVector s = FloatVector.zero(S);
        FloatVector t = FloatVector.zero(S);
        long end = w + 4L * whole;
        long q = x;
        long toZ = z - x;
        for (long p = w; p != end; p += W) {
            FloatVector v = FloatVector.fromMemorySegment(S, ALL, p & ADDRESS, ORDER);
            s = v.fma(FloatVector.fromMemorySegment(S, ALL, q & ADDRESS, ORDER), s);
            t = v.fma(FloatVector.fromMemorySegment(S, ALL, q + toZ & ADDRESS, ORDER), t);
            q += W;
        }
        return both(tailF32(w, whole, k, x, Lanes.sum(FloatVector.zero(S).add(s))),
                tailF32(w, whole, k, z, Lanes.sum(FloatVector.zero(S).add(t))));
    }

    private static float tailF32(long w, int from, int k, long x, float sum) {
        for (int i = from; i < k; i++) {
            sum = Math.fma(ALL.get(F, w + 4L * i), ALL.get(F, x + 4L * i), sum);
        }
        return sum;
    }

    private static long both(float low, float high) {
        return Integer.toUnsignedLong(Float.floatToRawIntBits(low)) | (long) Float.floatToRawIntBits(high) << 32;
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

    /// @param w row of BF16
    /// @param k its elements
    /// @param x activations as [#pairUp] leaves them
    /// @param z other activations, likewise
    /// @return bits of both dot products, that with `x` in the lower half
    static long dotBf16(long w, int k, long x, long z) {
        int whole = k / (2 * L) * (2 * L);
        FloatVector evenX = FloatVector.zero(S);
        FloatVector oddX = FloatVector.zero(S);
        FloatVector evenZ = FloatVector.zero(S);
        FloatVector oddZ = FloatVector.zero(S);
        long end = w + 2L * whole;
        long q = x;
        long toZ = z - x;
        for (long p = w; p != end; p += W) {
            IntVector pair = IntVector.fromMemorySegment(I, ALL, p & ADDRESS, ORDER);
            FloatVector even = PackConvert.evenBf16(pair).reinterpretAsFloats();
            FloatVector odd = PackConvert.oddBf16(pair).reinterpretAsFloats();
            long a = q & ADDRESS;
            long b = q + toZ & ADDRESS;
            evenX = even.fma(FloatVector.fromMemorySegment(S, ALL, a, ORDER), evenX);
            oddX = odd.fma(FloatVector.fromMemorySegment(S, ALL, a + W, ORDER), oddX);
            evenZ = even.fma(FloatVector.fromMemorySegment(S, ALL, b, ORDER), evenZ);
            oddZ = odd.fma(FloatVector.fromMemorySegment(S, ALL, b + W, ORDER), oddZ);
            q += 2 * W;
        }
        return both(tailBf16(w, whole, k, x, Lanes.sum(FloatVector.zero(S).add(evenX).add(oddX))),
                tailBf16(w, whole, k, z, Lanes.sum(FloatVector.zero(S).add(evenZ).add(oddZ))));
    }

    private static float tailBf16(long w, int from, int k, long x, float sum) {
        for (int i = from; i < k; i++) {
            sum = Math.fma(PackConvert.element(DType.BF16, w + 2L * i), ALL.get(F, x + 4L * i), sum);
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
            ALL.set(F, to + 4L * i, PackConvert.element(DType.F16, w + 2L * i));
        }
    }
}
