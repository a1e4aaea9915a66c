package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Access.first;
import static espalier.kernels.vector.Access.load;
import static espalier.kernels.vector.Access.store;
import static espalier.kernels.vector.Lanes.ADDRESS;
import static espalier.kernels.vector.Lanes.I32;
import static espalier.kernels.vector.Lanes.ORDER;

import espalier.kernels.Dropout;
import espalier.kernels.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/// Dropout in three passes over a stretch of a row: Philox blocks, the 16 random bits of each column, the product. (In
/// one, the vector operations are more than the compiler inlines.)
///
/// A Philox block takes a lane of 64 bits, whose low half is its word and whose high half may hold anything: the
/// multiplication reads low halves only. Blocks of even number are in one set of registers, those of odd number in
/// another, and the two join to lanes of 32 bits in the order of the columns (see [Dropout]).
final class DropoutKernels {
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;
    private static final VectorSpecies<Long> I64 = Lanes.F32.withLanes(long.class);
    /// Columns of a stretch: as much as leaves room for the operands in the first-level cache.
    private static final int STRETCH = 16 * Dropout.GROUP_COLUMNS;
    /// Bytes between two pieces of a block's column group.
    private static final long PIECE = Dropout.GROUP_BLOCKS * (long) Integer.BYTES;
    /// What a column takes of the scratch memory: its draw, and its share of the words in lanes of 64 bits.
    private static final long DRAW_BYTES = Integer.BYTES;
    private static final long WORD_BYTES = 4L * Long.BYTES / Dropout.BLOCK_COLUMNS;
    private static final int ROUNDS = 10;
    private static final LongVector LOW = LongVector.broadcast(I64, 0xFFFFFFFFL);
    private static final LongVector MULTIPLIER_0 = LongVector.broadcast(I64, 0xD2511F53L);
    private static final LongVector MULTIPLIER_1 = LongVector.broadcast(I64, 0xCD9E8D57L);
    private static final LongVector WEYL_0 = LongVector.broadcast(I64, 0x9E3779B9L);
    private static final LongVector WEYL_1 = LongVector.broadcast(I64, 0xBB67AE85L);
    /// 0, 2, 4, ...: even blocks from the first on.
    private static final LongVector EVEN = LongVector.zero(I64).addIndex(2);
    private static final int DRAW = 0xFFFF;

    private DropoutKernels() {}

    static void apply(                                                                              // y = or +=
            Parallel parallel, PackBuffer[] scratch,
            Tensor y, Tensor x, Dropout key, int[] batchRows, int[] positions, boolean accumulate) {
        int n = x.cols();
        int threshold = key.threshold();
        float scale = key.scale();
        Tasks.rows(parallel, x.rows(), n, (from, to, worker) -> {
            long draws = scratch[worker].ensure(STRETCH * (DRAW_BYTES + WORD_BYTES));
            long words = draws + STRETCH * DRAW_BYTES;
            for (int t = from; t < to; t++) {
                for (int col = 0; col < n; col += STRETCH) {
                    int count = Math.min(STRETCH, n - col);
                    draw(draws, words, key, batchRows[t], positions[t], col, count);
                    long offset = ((long) t * n + col) * Float.BYTES;
                    if (accumulate) {
                        add(y.address() + offset, x.address() + offset, draws, threshold, scale, count);
                    } else {
                        set(y.address() + offset, x.address() + offset, draws, threshold, scale, count);
                    }
                }
            }
        });
    }

    /// The draws of `count` columns from `col` on, which starts a group; rounded up to whole groups.
    private static void draw(
            long draws, long words, Dropout key, int batchRow, int position, int col, int count) {
        int blocks = Math.ceilDiv(count, Dropout.GROUP_COLUMNS) * Dropout.GROUP_BLOCKS;
        blocks(words, key.counter0(col / Dropout.BLOCK_COLUMNS), key.counter1(position), key.counter2(batchRow),
                key.counter3(), key.key0(), key.key1(), blocks);
        join(draws, words, blocks);
    }

    /// For each `L` blocks: four registers of words of the even ones, then four of the odd ones.
    private static void blocks(
            long to, int counter0, int counter1, int counter2, int counter3, int key0, int key1, int blocks) {
        int halves = 2 * blocks / L;
        for (int half = 0; half < halves; half++, to += 4 * W) {
            LongVector k0 = LongVector.broadcast(I64, key0);
            LongVector k1 = LongVector.broadcast(I64, key1);
            LongVector c0 = EVEN.add(counter0 + (half / 2 * L + half % 2));
            LongVector c1 = LongVector.broadcast(I64, counter1);
            LongVector c2 = LongVector.broadcast(I64, counter2);
            LongVector c3 = LongVector.broadcast(I64, counter3);
            for (int round = 0; round < ROUNDS; round++) {
                LongVector p0 = c0.and(LOW).mul(MULTIPLIER_0);
                LongVector p1 = c2.and(LOW).mul(MULTIPLIER_1);
                c0 = p1.lanewise(VectorOperators.LSHR, 32).lanewise(VectorOperators.XOR, c1.lanewise(
                        VectorOperators.XOR, k0));
                c1 = p1;
                c2 = p0.lanewise(VectorOperators.LSHR, 32).lanewise(VectorOperators.XOR, c3.lanewise(
                        VectorOperators.XOR, k1));
                c3 = p0;
                k0 = k0.add(WEYL_0);
                k1 = k1.add(WEYL_1);
            }
            c0.intoMemorySegment(ALL, to & ADDRESS, ORDER);
            c1.intoMemorySegment(ALL, to + W & ADDRESS, ORDER);
            c2.intoMemorySegment(ALL, to + 2 * W & ADDRESS, ORDER);
            c3.intoMemorySegment(ALL, to + 3 * W & ADDRESS, ORDER);
        }
    }

    /// Puts the low and high halves of the words where their columns are: pieces `j` and `j + 4` of each block.
    private static void join(long draws, long words, int blocks) {
        for (int block = 0; block < blocks; block += L, words += 8 * W) {
            int group = block / Dropout.GROUP_BLOCKS * Dropout.GROUP_COLUMNS;
            long to = draws + (group + block % Dropout.GROUP_BLOCKS) * (long) Integer.BYTES;
            for (int word = 0; word < 4; word++) {
                LongVector even = LongVector.fromMemorySegment(I64, ALL, words + word * W & ADDRESS, ORDER);
                LongVector odd = LongVector.fromMemorySegment(I64, ALL, words + (4 + word) * W & ADDRESS, ORDER);
                IntVector both = even.and(LOW).or(odd.lanewise(VectorOperators.LSHL, 32)).reinterpretAsInts();
                long low = to + word * PIECE;
                both.and(DRAW).intoMemorySegment(ALL, low & ADDRESS, ORDER);
                both.lanewise(VectorOperators.LSHR, Short.SIZE)
                        .intoMemorySegment(ALL, low + 4 * PIECE & ADDRESS, ORDER);
            }
        }
    }

    /// All bits of the lanes that are dropped.
    private static IntVector dropped(long draws, int threshold) {
        return IntVector.fromMemorySegment(I32, ALL, draws & ADDRESS, ORDER)
                .sub(threshold).lanewise(VectorOperators.ASHR, Integer.SIZE - 1);
    }

    /// `y = x * mask * scale`; dropped elements are +0. Draws are there for whole registers.
    private static void set(long y, long x, long draws, int threshold, float scale, int n) {
        int i = 0;
        for (; i <= n - L; i += L, y += W, x += W, draws += W) {
            IntVector value = load(x).mul(scale).reinterpretAsInts();
            store(y, value.lanewise(VectorOperators.AND_NOT, dropped(draws, threshold)).reinterpretAsFloats());
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            IntVector value = load(x, m).mul(scale).reinterpretAsInts();
            store(y, value.lanewise(VectorOperators.AND_NOT, dropped(draws, threshold)).reinterpretAsFloats(), m);
        }
    }

    /// `y += x * mask * scale`, the product rounded before the sum.
    private static void add(long y, long x, long draws, int threshold, float scale, int n) {
        int i = 0;
        for (; i <= n - L; i += L, y += W, x += W, draws += W) {
            IntVector value = load(x).mul(scale).reinterpretAsInts();
            IntVector kept = value.lanewise(VectorOperators.AND_NOT, dropped(draws, threshold));
            store(y, load(y).add(kept.reinterpretAsFloats()));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            IntVector value = load(x, m).mul(scale).reinterpretAsInts();
            IntVector kept = value.lanewise(VectorOperators.AND_NOT, dropped(draws, threshold));
            store(y, load(y, m).add(kept.reinterpretAsFloats()), m);
        }
    }
}
