package espalier.kernels.roofline;

import static espalier.bindings.NativeMemory.ALL;

import java.nio.ByteOrder;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/// Reads memory as fast as a core can: a cache line an iteration, in ascending order.
///
/// The loop compares addresses on purpose: a counted loop would be unrolled with its loads in descending order, which
/// loses half of the bandwidth. Exclusive or has a latency of one cycle, so it never limits.
final class StreamLoop {
    /// Bytes of an iteration; a range has whole ones.
    static final int STEP = 64;

    private static final VectorSpecies<Integer> S = Width.I32;
    private static final long W = Width.BYTES;
    private static final ByteOrder ORDER = ByteOrder.nativeOrder();
    /// Tells the compiler that an address plus an offset cannot overflow.
    private static final long ADDRESS = Long.MAX_VALUE >> 1;

    private StreamLoop() {}

    /// @param from address
    /// @param to address behind the last byte, whole steps away
    /// @return exclusive or of the 32-bit words
    static int run(long from, long to) {
        IntVector s0 = IntVector.zero(S);
        IntVector s1 = IntVector.zero(S);
        IntVector s2 = IntVector.zero(S);
        IntVector s3 = IntVector.zero(S);
        for (long p = from; p != to; p += STEP) {
            long a = p & ADDRESS;
            s0 = s0.lanewise(VectorOperators.XOR, IntVector.fromMemorySegment(S, ALL, a, ORDER));
            if (W < STEP) {
                s1 = s1.lanewise(VectorOperators.XOR, IntVector.fromMemorySegment(S, ALL, a + W, ORDER));
            }
            if (2 * W < STEP) {
                s2 = s2.lanewise(VectorOperators.XOR, IntVector.fromMemorySegment(S, ALL, a + 2 * W, ORDER));
                s3 = s3.lanewise(VectorOperators.XOR, IntVector.fromMemorySegment(S, ALL, a + 3 * W, ORDER));
            }
        }
        int[] lanes = new int[Width.LANES];
        IntVector.zero(S)
                .lanewise(VectorOperators.XOR, s0).lanewise(VectorOperators.XOR, s1)
                .lanewise(VectorOperators.XOR, s2).lanewise(VectorOperators.XOR, s3)
                .intoArray(lanes, 0);
        int fold = 0;
        for (int lane : lanes) {
            fold ^= lane;
        }
        return fold;
    }
}
