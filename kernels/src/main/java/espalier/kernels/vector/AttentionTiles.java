package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Lanes.ORDER;

import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/// The inner kernel of the products of attention that sum over lanes, see [AttentionLanes]. Like [GemmTallTiles], but
/// the left operand is read where it lies, `[keys, lanes]`: its rows are a constant number of bytes apart.
final class AttentionTiles {
    /// Rows of a tile; [GemmTile#ROWS] is a multiple of it.
    static final int ROWS = 6;

    private static final VectorSpecies<Float> S = Lanes.F32;
    private static final long W = Lanes.BYTES;
    private static final long ADDRESS = Lanes.ADDRESS;
    private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

    static {
        CompilerDirectives.installed();
    }

    private AttentionTiles() {}

    /// @param lanes length of the sums
    /// @param weights `[ROWS, AttentionLanes.COUNT]`
    /// @param vectors `[lanes, AttentionLanes.COUNT]`
    /// @param tile `[ROWS, AttentionLanes.COUNT]`, +=
    static void addProduct(int lanes, long weights, long vectors, long tile) {
        long a = weights & ADDRESS;
        long b = vectors & ADDRESS;
        long c = tile & ADDRESS;
        FloatVector s0 = FloatVector.zero(S), t0 = FloatVector.zero(S);
        FloatVector s1 = FloatVector.zero(S), t1 = FloatVector.zero(S);
        FloatVector s2 = FloatVector.zero(S), t2 = FloatVector.zero(S);
        FloatVector s3 = FloatVector.zero(S), t3 = FloatVector.zero(S);
        FloatVector s4 = FloatVector.zero(S), t4 = FloatVector.zero(S);
        FloatVector s5 = FloatVector.zero(S), t5 = FloatVector.zero(S);
        for (int k = 0; k < lanes; k++) {
            long ak = a + 4L * k;
            long bk = b + k * (2 * W);
            FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, bk, ORDER);
            FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, bk + W, ORDER);
            FloatVector a0 = FloatVector.broadcast(S, ALL.get(F, ak));
            s0 = a0.fma(b0, s0);
            t0 = a0.fma(b1, t0);
            FloatVector a1 = FloatVector.broadcast(S, ALL.get(F, ak + 2 * W));
            s1 = a1.fma(b0, s1);
            t1 = a1.fma(b1, t1);
            FloatVector a2 = FloatVector.broadcast(S, ALL.get(F, ak + 4 * W));
            s2 = a2.fma(b0, s2);
            t2 = a2.fma(b1, t2);
            FloatVector a3 = FloatVector.broadcast(S, ALL.get(F, ak + 6 * W));
            s3 = a3.fma(b0, s3);
            t3 = a3.fma(b1, t3);
            FloatVector a4 = FloatVector.broadcast(S, ALL.get(F, ak + 8 * W));
            s4 = a4.fma(b0, s4);
            t4 = a4.fma(b1, t4);
            FloatVector a5 = FloatVector.broadcast(S, ALL.get(F, ak + 10 * W));
            s5 = a5.fma(b0, s5);
            t5 = a5.fma(b1, t5);
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
    }
}
