package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Lanes.ORDER;

import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/// The inner kernels of a matrix product: 1 to 6 rows of C by two registers of columns, see [GemmTile#run].
///
/// One method per row count, written out: accumulators in an array would be boxed. The loop is counted and has no
/// branch, the epilogue has none either; with either, C2 spills accumulators in some runs and not in others.
final class GemmShortTiles {
    private static final VectorSpecies<Float> S = Lanes.F32;
    private static final long W = Lanes.BYTES;
    private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final long ADDRESS = Lanes.ADDRESS;

    private GemmShortTiles() {}

    static void rows1(
            int kc, long aPanel, long bPanel, long out, long outStride, long in, long inStride, float alpha) {
        long a = aPanel & ADDRESS;
        long b = bPanel & ADDRESS;
        FloatVector s0 = FloatVector.zero(S), t0 = FloatVector.zero(S);
        for (int k = 0; k < kc; k++) {
            long ak = a + k * 4L;
            long bk = b + k * (2 * W);
            FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, bk, ORDER);
            FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, bk + W, ORDER);
            FloatVector a0 = FloatVector.broadcast(S, ALL.get(F, ak));
            s0 = a0.fma(b0, s0);
            t0 = a0.fma(b1, t0);
        }
        FloatVector scale = FloatVector.broadcast(S, alpha);
        long c = out & ADDRESS;
        long i = in & ADDRESS;
        scale.fma(s0, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t0, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
    }

    static void rows2(
            int kc, long aPanel, long bPanel, long out, long outStride, long in, long inStride, float alpha) {
        long a = aPanel & ADDRESS;
        long b = bPanel & ADDRESS;
        FloatVector s0 = FloatVector.zero(S), t0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S), t1 = FloatVector.zero(S);
        for (int k = 0; k < kc; k++) {
            long ak = a + k * 8L;
            long bk = b + k * (2 * W);
            FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, bk, ORDER);
            FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, bk + W, ORDER);
            FloatVector a0 = FloatVector.broadcast(S, ALL.get(F, ak));
            s0 = a0.fma(b0, s0);
            t0 = a0.fma(b1, t0);
            FloatVector a1 = FloatVector.broadcast(S, ALL.get(F, ak + 4));
            s1 = a1.fma(b0, s1);
            t1 = a1.fma(b1, t1);
        }
        FloatVector scale = FloatVector.broadcast(S, alpha);
        long c = out & ADDRESS;
        long i = in & ADDRESS;
        scale.fma(s0, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t0, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
        i = (i + inStride) & ADDRESS;
        c = (c + outStride) & ADDRESS;
        scale.fma(s1, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t1, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
    }

    static void rows3(
            int kc, long aPanel, long bPanel, long out, long outStride, long in, long inStride, float alpha) {
        long a = aPanel & ADDRESS;
        long b = bPanel & ADDRESS;
        FloatVector s0 = FloatVector.zero(S), t0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S), t1 = FloatVector.zero(S);
        FloatVector s2 = FloatVector.zero(S), t2 = FloatVector.zero(S);
        for (int k = 0; k < kc; k++) {
            long ak = a + k * 12L;
            long bk = b + k * (2 * W);
            FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, bk, ORDER);
            FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, bk + W, ORDER);
            FloatVector a0 = FloatVector.broadcast(S, ALL.get(F, ak));
            s0 = a0.fma(b0, s0);
            t0 = a0.fma(b1, t0);
            FloatVector a1 = FloatVector.broadcast(S, ALL.get(F, ak + 4));
            s1 = a1.fma(b0, s1);
            t1 = a1.fma(b1, t1);
            FloatVector a2 = FloatVector.broadcast(S, ALL.get(F, ak + 8));
            s2 = a2.fma(b0, s2);
            t2 = a2.fma(b1, t2);
        }
        FloatVector scale = FloatVector.broadcast(S, alpha);
        long c = out & ADDRESS;
        long i = in & ADDRESS;
        scale.fma(s0, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t0, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
        i = (i + inStride) & ADDRESS;
        c = (c + outStride) & ADDRESS;
        scale.fma(s1, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t1, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
        i = (i + inStride) & ADDRESS;
        c = (c + outStride) & ADDRESS;
        scale.fma(s2, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t2, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
    }

    static void rows4(
            int kc, long aPanel, long bPanel, long out, long outStride, long in, long inStride, float alpha) {
        long a = aPanel & ADDRESS;
        long b = bPanel & ADDRESS;
        FloatVector s0 = FloatVector.zero(S), t0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S), t1 = FloatVector.zero(S);
        FloatVector s2 = FloatVector.zero(S), t2 = FloatVector.zero(S);
        FloatVector s3 = FloatVector.zero(S), t3 = FloatVector.zero(S);
        for (int k = 0; k < kc; k++) {
            long ak = a + k * 16L;
            long bk = b + k * (2 * W);
            FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, bk, ORDER);
            FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, bk + W, ORDER);
            FloatVector a0 = FloatVector.broadcast(S, ALL.get(F, ak));
            s0 = a0.fma(b0, s0);
            t0 = a0.fma(b1, t0);
            FloatVector a1 = FloatVector.broadcast(S, ALL.get(F, ak + 4));
            s1 = a1.fma(b0, s1);
            t1 = a1.fma(b1, t1);
            FloatVector a2 = FloatVector.broadcast(S, ALL.get(F, ak + 8));
            s2 = a2.fma(b0, s2);
            t2 = a2.fma(b1, t2);
            FloatVector a3 = FloatVector.broadcast(S, ALL.get(F, ak + 12));
            s3 = a3.fma(b0, s3);
            t3 = a3.fma(b1, t3);
        }
        FloatVector scale = FloatVector.broadcast(S, alpha);
        long c = out & ADDRESS;
        long i = in & ADDRESS;
        scale.fma(s0, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t0, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
        i = (i + inStride) & ADDRESS;
        c = (c + outStride) & ADDRESS;
        scale.fma(s1, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t1, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
        i = (i + inStride) & ADDRESS;
        c = (c + outStride) & ADDRESS;
        scale.fma(s2, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t2, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
        i = (i + inStride) & ADDRESS;
        c = (c + outStride) & ADDRESS;
        scale.fma(s3, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t3, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
    }

    static void rows5(
            int kc, long aPanel, long bPanel, long out, long outStride, long in, long inStride, float alpha) {
        long a = aPanel & ADDRESS;
        long b = bPanel & ADDRESS;
        FloatVector s0 = FloatVector.zero(S), t0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S), t1 = FloatVector.zero(S);
        FloatVector s2 = FloatVector.zero(S), t2 = FloatVector.zero(S);
        FloatVector s3 = FloatVector.zero(S), t3 = FloatVector.zero(S);
        FloatVector s4 = FloatVector.zero(S), t4 = FloatVector.zero(S);
        for (int k = 0; k < kc; k++) {
            long ak = a + k * 20L;
            long bk = b + k * (2 * W);
            FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, bk, ORDER);
            FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, bk + W, ORDER);
            FloatVector a0 = FloatVector.broadcast(S, ALL.get(F, ak));
            s0 = a0.fma(b0, s0);
            t0 = a0.fma(b1, t0);
            FloatVector a1 = FloatVector.broadcast(S, ALL.get(F, ak + 4));
            s1 = a1.fma(b0, s1);
            t1 = a1.fma(b1, t1);
            FloatVector a2 = FloatVector.broadcast(S, ALL.get(F, ak + 8));
            s2 = a2.fma(b0, s2);
            t2 = a2.fma(b1, t2);
            FloatVector a3 = FloatVector.broadcast(S, ALL.get(F, ak + 12));
            s3 = a3.fma(b0, s3);
            t3 = a3.fma(b1, t3);
            FloatVector a4 = FloatVector.broadcast(S, ALL.get(F, ak + 16));
            s4 = a4.fma(b0, s4);
            t4 = a4.fma(b1, t4);
        }
        FloatVector scale = FloatVector.broadcast(S, alpha);
        long c = out & ADDRESS;
        long i = in & ADDRESS;
        scale.fma(s0, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t0, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
        i = (i + inStride) & ADDRESS;
        c = (c + outStride) & ADDRESS;
        scale.fma(s1, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t1, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
        i = (i + inStride) & ADDRESS;
        c = (c + outStride) & ADDRESS;
        scale.fma(s2, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t2, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
        i = (i + inStride) & ADDRESS;
        c = (c + outStride) & ADDRESS;
        scale.fma(s3, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t3, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
        i = (i + inStride) & ADDRESS;
        c = (c + outStride) & ADDRESS;
        scale.fma(s4, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t4, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
    }

    static void rows6(
            int kc, long aPanel, long bPanel, long out, long outStride, long in, long inStride, float alpha) {
        long a = aPanel & ADDRESS;
        long b = bPanel & ADDRESS;
        FloatVector s0 = FloatVector.zero(S), t0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S), t1 = FloatVector.zero(S);
        FloatVector s2 = FloatVector.zero(S), t2 = FloatVector.zero(S);
        FloatVector s3 = FloatVector.zero(S), t3 = FloatVector.zero(S);
        FloatVector s4 = FloatVector.zero(S), t4 = FloatVector.zero(S);
        FloatVector s5 = FloatVector.zero(S), t5 = FloatVector.zero(S);
        for (int k = 0; k < kc; k++) {
            long ak = a + k * 24L;
            long bk = b + k * (2 * W);
            FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, bk, ORDER);
            FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, bk + W, ORDER);
            FloatVector a0 = FloatVector.broadcast(S, ALL.get(F, ak));
            s0 = a0.fma(b0, s0);
            t0 = a0.fma(b1, t0);
            FloatVector a1 = FloatVector.broadcast(S, ALL.get(F, ak + 4));
            s1 = a1.fma(b0, s1);
            t1 = a1.fma(b1, t1);
            FloatVector a2 = FloatVector.broadcast(S, ALL.get(F, ak + 8));
            s2 = a2.fma(b0, s2);
            t2 = a2.fma(b1, t2);
            FloatVector a3 = FloatVector.broadcast(S, ALL.get(F, ak + 12));
            s3 = a3.fma(b0, s3);
            t3 = a3.fma(b1, t3);
            FloatVector a4 = FloatVector.broadcast(S, ALL.get(F, ak + 16));
            s4 = a4.fma(b0, s4);
            t4 = a4.fma(b1, t4);
            FloatVector a5 = FloatVector.broadcast(S, ALL.get(F, ak + 20));
            s5 = a5.fma(b0, s5);
            t5 = a5.fma(b1, t5);
        }
        FloatVector scale = FloatVector.broadcast(S, alpha);
        long c = out & ADDRESS;
        long i = in & ADDRESS;
        scale.fma(s0, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t0, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
        i = (i + inStride) & ADDRESS;
        c = (c + outStride) & ADDRESS;
        scale.fma(s1, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t1, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
        i = (i + inStride) & ADDRESS;
        c = (c + outStride) & ADDRESS;
        scale.fma(s2, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t2, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
        i = (i + inStride) & ADDRESS;
        c = (c + outStride) & ADDRESS;
        scale.fma(s3, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t3, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
        i = (i + inStride) & ADDRESS;
        c = (c + outStride) & ADDRESS;
        scale.fma(s4, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t4, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
        i = (i + inStride) & ADDRESS;
        c = (c + outStride) & ADDRESS;
        scale.fma(s5, FloatVector.fromMemorySegment(S, ALL, i, ORDER)).intoMemorySegment(ALL, c, ORDER);
        scale.fma(t5, FloatVector.fromMemorySegment(S, ALL, i + W, ORDER)).intoMemorySegment(ALL, c + W, ORDER);
    }
}
