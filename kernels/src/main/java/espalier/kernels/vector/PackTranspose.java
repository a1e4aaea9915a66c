package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Lanes.ORDER;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/// Transposition of blocks of `L x L` 32-bit elements, `L` being the lanes of a register.
///
/// Interleaving row `i` with row `i + L/2` moves the index bits round by one; after `log2(L)` such steps rows and
/// columns have changed places. Steps are taken two at a time, through a scratch block that stays in the first-level
/// cache.
final class PackTranspose {
    private static final VectorSpecies<Integer> S = Lanes.I32;
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;
    private static final long ADDRESS = Lanes.ADDRESS;
    /// Bytes of a block.
    static final long BLOCK_BYTES = L * W;

    /// The lower halves of two vectors, interleaved.
    static final IntVector LOW = Lanes.indices(i -> i / 2 + (i % 2) * L);
    /// The upper halves of two vectors, interleaved.
    static final IntVector HIGH = Lanes.indices(i -> L / 2 + i / 2 + (i % 2) * L);

    private PackTranspose() {}

    /// Writes the columns of a block as rows, in ascending order: where `toStride` is less than a register, the next
    /// row overwrites the surplus of the one before, and the last one writes beyond the end.
    ///
    /// @param from first row
    /// @param fromStride bytes between rows
    /// @param rows rows to read, `1 .. L`; the last one is read again in place of those missing
    /// @param to where column 0 goes
    /// @param toStride bytes between columns in the destination
    /// @param scratch `BLOCK_BYTES`
    static void block(long from, long fromStride, int rows, long to, long toStride, long scratch) {
        if (L >= 8) {
            twoSteps(from, fromStride, rows, scratch, W);
        } else {
            oneStep(from, fromStride, rows, scratch, W);
        }
        if (L == 16) {
            twoSteps(scratch, W, L, to, toStride);
        } else {
            oneStep(scratch, W, L, to, toStride);
        }
    }

    private static void oneStep(long from, long fromStride, int rows, long to, long toStride) {
        for (int i = 0; i < L / 2; i++) {
            long a = from + Math.min(i, rows - 1) * fromStride & ADDRESS;
            long b = from + Math.min(i + L / 2, rows - 1) * fromStride & ADDRESS;
            IntVector v = IntVector.fromMemorySegment(S, ALL, a, ORDER);
            IntVector w = IntVector.fromMemorySegment(S, ALL, b, ORDER);
            long out = to + 2 * i * toStride;
            LOW.selectFrom(v, w).intoMemorySegment(ALL, out & ADDRESS, ORDER);
            HIGH.selectFrom(v, w).intoMemorySegment(ALL, out + toStride & ADDRESS, ORDER);
        }
    }

    private static void twoSteps(long from, long fromStride, int rows, long to, long toStride) {
        for (int i = 0; i < L / 4; i++) {
            long a = from + Math.min(i, rows - 1) * fromStride & ADDRESS;
            long b = from + Math.min(i + L / 4, rows - 1) * fromStride & ADDRESS;
            long c = from + Math.min(i + L / 2, rows - 1) * fromStride & ADDRESS;
            long d = from + Math.min(i + 3 * L / 4, rows - 1) * fromStride & ADDRESS;
            IntVector va = IntVector.fromMemorySegment(S, ALL, a, ORDER);
            IntVector vb = IntVector.fromMemorySegment(S, ALL, b, ORDER);
            IntVector vc = IntVector.fromMemorySegment(S, ALL, c, ORDER);
            IntVector vd = IntVector.fromMemorySegment(S, ALL, d, ORDER);
            IntVector acLow = LOW.selectFrom(va, vc);
            IntVector acHigh = HIGH.selectFrom(va, vc);
            IntVector bdLow = LOW.selectFrom(vb, vd);
            IntVector bdHigh = HIGH.selectFrom(vb, vd);
            long out = to + 4 * i * toStride;
            LOW.selectFrom(acLow, bdLow).intoMemorySegment(ALL, out & ADDRESS, ORDER);
            HIGH.selectFrom(acLow, bdLow).intoMemorySegment(ALL, out + toStride & ADDRESS, ORDER);
            LOW.selectFrom(acHigh, bdHigh).intoMemorySegment(ALL, out + 2 * toStride & ADDRESS, ORDER);
            HIGH.selectFrom(acHigh, bdHigh).intoMemorySegment(ALL, out + 3 * toStride & ADDRESS, ORDER);
        }
    }
}
