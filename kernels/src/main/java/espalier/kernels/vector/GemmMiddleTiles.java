package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Lanes.ORDER;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/// The inner kernels of a matrix product: 7 to 9 rows of a product by two registers of columns, see [GemmTile].
///
/// One method per row count, written out: accumulators in an array would be boxed. The loop is counted and branch-free,
/// or C2 spills accumulators in some runs and not in others. The sums are added to a scratch tile and nothing more is
/// done here: a larger body reaches C2's limit of nodes, after which it calls what it should inline; for the same
/// reason the panels of A are arrays, which take fewer nodes to read a float from than a segment does. Adding to what
/// was loaded gives the store a vector of known class even where the process has used another width.
final class GemmMiddleTiles {
    private static final VectorSpecies<Float> S = Lanes.F32;
    private static final long W = Lanes.BYTES;
    private static final long ADDRESS = Lanes.ADDRESS;

    static {
        CompilerDirectives.installed();
    }

    private GemmMiddleTiles() {}

    static void rows7(int kc, float[] a, int aPanel, long bPanel, long tile) {
        long b = bPanel & ADDRESS;
        long c = tile & ADDRESS;
        FloatVector s0 = FloatVector.zero(S), t0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S), t1 = FloatVector.zero(S);
        FloatVector s2 = FloatVector.zero(S), t2 = FloatVector.zero(S);
        FloatVector s3 = FloatVector.zero(S), t3 = FloatVector.zero(S);
        FloatVector s4 = FloatVector.zero(S), t4 = FloatVector.zero(S);
        FloatVector s5 = FloatVector.zero(S), t5 = FloatVector.zero(S);
        FloatVector s6 = FloatVector.zero(S), t6 = FloatVector.zero(S);
        for (int k = 0; k < kc; k++) {
            int ak = aPanel + k * 7;
            long bk = b + k * (2 * W);
            FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, bk, ORDER);
            FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, bk + W, ORDER);
            FloatVector a0 = FloatVector.broadcast(S, a[ak]);
            s0 = a0.fma(b0, s0);
            t0 = a0.fma(b1, t0);
            FloatVector a1 = FloatVector.broadcast(S, a[ak + 1]);
            s1 = a1.fma(b0, s1);
            t1 = a1.fma(b1, t1);
            FloatVector a2 = FloatVector.broadcast(S, a[ak + 2]);
            s2 = a2.fma(b0, s2);
            t2 = a2.fma(b1, t2);
            FloatVector a3 = FloatVector.broadcast(S, a[ak + 3]);
            s3 = a3.fma(b0, s3);
            t3 = a3.fma(b1, t3);
            FloatVector a4 = FloatVector.broadcast(S, a[ak + 4]);
            s4 = a4.fma(b0, s4);
            t4 = a4.fma(b1, t4);
            FloatVector a5 = FloatVector.broadcast(S, a[ak + 5]);
            s5 = a5.fma(b0, s5);
            t5 = a5.fma(b1, t5);
            FloatVector a6 = FloatVector.broadcast(S, a[ak + 6]);
            s6 = a6.fma(b0, s6);
            t6 = a6.fma(b1, t6);
        }
        FloatVector.fromMemorySegment(S, ALL, c, ORDER).add(s0).intoMemorySegment(ALL, c, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + W, ORDER).add(t0).intoMemorySegment(ALL, c + W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 2 * W, ORDER).add(s1).intoMemorySegment(ALL, c + 2 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 3 * W, ORDER).add(t1).intoMemorySegment(ALL, c + 3 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 4 * W, ORDER).add(s2).intoMemorySegment(ALL, c + 4 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 5 * W, ORDER).add(t2).intoMemorySegment(ALL, c + 5 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 6 * W, ORDER).add(s3).intoMemorySegment(ALL, c + 6 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 7 * W, ORDER).add(t3).intoMemorySegment(ALL, c + 7 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 8 * W, ORDER).add(s4).intoMemorySegment(ALL, c + 8 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 9 * W, ORDER).add(t4).intoMemorySegment(ALL, c + 9 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 10 * W, ORDER).add(s5).intoMemorySegment(ALL, c + 10 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 11 * W, ORDER).add(t5).intoMemorySegment(ALL, c + 11 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 12 * W, ORDER).add(s6).intoMemorySegment(ALL, c + 12 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 13 * W, ORDER).add(t6).intoMemorySegment(ALL, c + 13 * W, ORDER);
    }

    static void rows8(int kc, float[] a, int aPanel, long bPanel, long tile) {
        long b = bPanel & ADDRESS;
        long c = tile & ADDRESS;
        FloatVector s0 = FloatVector.zero(S), t0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S), t1 = FloatVector.zero(S);
        FloatVector s2 = FloatVector.zero(S), t2 = FloatVector.zero(S);
        FloatVector s3 = FloatVector.zero(S), t3 = FloatVector.zero(S);
        FloatVector s4 = FloatVector.zero(S), t4 = FloatVector.zero(S);
        FloatVector s5 = FloatVector.zero(S), t5 = FloatVector.zero(S);
        FloatVector s6 = FloatVector.zero(S), t6 = FloatVector.zero(S);
        FloatVector s7 = FloatVector.zero(S), t7 = FloatVector.zero(S);
        for (int k = 0; k < kc; k++) {
            int ak = aPanel + k * 8;
            long bk = b + k * (2 * W);
            FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, bk, ORDER);
            FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, bk + W, ORDER);
            FloatVector a0 = FloatVector.broadcast(S, a[ak]);
            s0 = a0.fma(b0, s0);
            t0 = a0.fma(b1, t0);
            FloatVector a1 = FloatVector.broadcast(S, a[ak + 1]);
            s1 = a1.fma(b0, s1);
            t1 = a1.fma(b1, t1);
            FloatVector a2 = FloatVector.broadcast(S, a[ak + 2]);
            s2 = a2.fma(b0, s2);
            t2 = a2.fma(b1, t2);
            FloatVector a3 = FloatVector.broadcast(S, a[ak + 3]);
            s3 = a3.fma(b0, s3);
            t3 = a3.fma(b1, t3);
            FloatVector a4 = FloatVector.broadcast(S, a[ak + 4]);
            s4 = a4.fma(b0, s4);
            t4 = a4.fma(b1, t4);
            FloatVector a5 = FloatVector.broadcast(S, a[ak + 5]);
            s5 = a5.fma(b0, s5);
            t5 = a5.fma(b1, t5);
            FloatVector a6 = FloatVector.broadcast(S, a[ak + 6]);
            s6 = a6.fma(b0, s6);
            t6 = a6.fma(b1, t6);
            FloatVector a7 = FloatVector.broadcast(S, a[ak + 7]);
            s7 = a7.fma(b0, s7);
            t7 = a7.fma(b1, t7);
        }
        FloatVector.fromMemorySegment(S, ALL, c, ORDER).add(s0).intoMemorySegment(ALL, c, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + W, ORDER).add(t0).intoMemorySegment(ALL, c + W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 2 * W, ORDER).add(s1).intoMemorySegment(ALL, c + 2 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 3 * W, ORDER).add(t1).intoMemorySegment(ALL, c + 3 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 4 * W, ORDER).add(s2).intoMemorySegment(ALL, c + 4 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 5 * W, ORDER).add(t2).intoMemorySegment(ALL, c + 5 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 6 * W, ORDER).add(s3).intoMemorySegment(ALL, c + 6 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 7 * W, ORDER).add(t3).intoMemorySegment(ALL, c + 7 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 8 * W, ORDER).add(s4).intoMemorySegment(ALL, c + 8 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 9 * W, ORDER).add(t4).intoMemorySegment(ALL, c + 9 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 10 * W, ORDER).add(s5).intoMemorySegment(ALL, c + 10 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 11 * W, ORDER).add(t5).intoMemorySegment(ALL, c + 11 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 12 * W, ORDER).add(s6).intoMemorySegment(ALL, c + 12 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 13 * W, ORDER).add(t6).intoMemorySegment(ALL, c + 13 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 14 * W, ORDER).add(s7).intoMemorySegment(ALL, c + 14 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 15 * W, ORDER).add(t7).intoMemorySegment(ALL, c + 15 * W, ORDER);
    }

    static void rows9(int kc, float[] a, int aPanel, long bPanel, long tile) {
        long b = bPanel & ADDRESS;
        long c = tile & ADDRESS;
        FloatVector s0 = FloatVector.zero(S), t0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S), t1 = FloatVector.zero(S);
        FloatVector s2 = FloatVector.zero(S), t2 = FloatVector.zero(S);
        FloatVector s3 = FloatVector.zero(S), t3 = FloatVector.zero(S);
        FloatVector s4 = FloatVector.zero(S), t4 = FloatVector.zero(S);
        FloatVector s5 = FloatVector.zero(S), t5 = FloatVector.zero(S);
        FloatVector s6 = FloatVector.zero(S), t6 = FloatVector.zero(S);
        FloatVector s7 = FloatVector.zero(S), t7 = FloatVector.zero(S);
        FloatVector s8 = FloatVector.zero(S), t8 = FloatVector.zero(S);
        for (int k = 0; k < kc; k++) {
            int ak = aPanel + k * 9;
            long bk = b + k * (2 * W);
            FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, bk, ORDER);
            FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, bk + W, ORDER);
            FloatVector a0 = FloatVector.broadcast(S, a[ak]);
            s0 = a0.fma(b0, s0);
            t0 = a0.fma(b1, t0);
            FloatVector a1 = FloatVector.broadcast(S, a[ak + 1]);
            s1 = a1.fma(b0, s1);
            t1 = a1.fma(b1, t1);
            FloatVector a2 = FloatVector.broadcast(S, a[ak + 2]);
            s2 = a2.fma(b0, s2);
            t2 = a2.fma(b1, t2);
            FloatVector a3 = FloatVector.broadcast(S, a[ak + 3]);
            s3 = a3.fma(b0, s3);
            t3 = a3.fma(b1, t3);
            FloatVector a4 = FloatVector.broadcast(S, a[ak + 4]);
            s4 = a4.fma(b0, s4);
            t4 = a4.fma(b1, t4);
            FloatVector a5 = FloatVector.broadcast(S, a[ak + 5]);
            s5 = a5.fma(b0, s5);
            t5 = a5.fma(b1, t5);
            FloatVector a6 = FloatVector.broadcast(S, a[ak + 6]);
            s6 = a6.fma(b0, s6);
            t6 = a6.fma(b1, t6);
            FloatVector a7 = FloatVector.broadcast(S, a[ak + 7]);
            s7 = a7.fma(b0, s7);
            t7 = a7.fma(b1, t7);
            FloatVector a8 = FloatVector.broadcast(S, a[ak + 8]);
            s8 = a8.fma(b0, s8);
            t8 = a8.fma(b1, t8);
        }
        FloatVector.fromMemorySegment(S, ALL, c, ORDER).add(s0).intoMemorySegment(ALL, c, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + W, ORDER).add(t0).intoMemorySegment(ALL, c + W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 2 * W, ORDER).add(s1).intoMemorySegment(ALL, c + 2 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 3 * W, ORDER).add(t1).intoMemorySegment(ALL, c + 3 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 4 * W, ORDER).add(s2).intoMemorySegment(ALL, c + 4 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 5 * W, ORDER).add(t2).intoMemorySegment(ALL, c + 5 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 6 * W, ORDER).add(s3).intoMemorySegment(ALL, c + 6 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 7 * W, ORDER).add(t3).intoMemorySegment(ALL, c + 7 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 8 * W, ORDER).add(s4).intoMemorySegment(ALL, c + 8 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 9 * W, ORDER).add(t4).intoMemorySegment(ALL, c + 9 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 10 * W, ORDER).add(s5).intoMemorySegment(ALL, c + 10 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 11 * W, ORDER).add(t5).intoMemorySegment(ALL, c + 11 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 12 * W, ORDER).add(s6).intoMemorySegment(ALL, c + 12 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 13 * W, ORDER).add(t6).intoMemorySegment(ALL, c + 13 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 14 * W, ORDER).add(s7).intoMemorySegment(ALL, c + 14 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 15 * W, ORDER).add(t7).intoMemorySegment(ALL, c + 15 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 16 * W, ORDER).add(s8).intoMemorySegment(ALL, c + 16 * W, ORDER);
        FloatVector.fromMemorySegment(S, ALL, c + 17 * W, ORDER).add(t8).intoMemorySegment(ALL, c + 17 * W, ORDER);
    }
}
