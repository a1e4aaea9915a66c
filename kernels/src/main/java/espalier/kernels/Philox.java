package espalier.kernels;

/// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3",
/// SC11, <https://doi.org/10.1145/2063384.2063405>).
///
/// A draw is a pure function of (seed, stream, index): it has no state, so that any draw can be made again, in any
/// order, on any thread or machine, with the same bits. The key is the seed, the counter is (index, stream). All
/// methods read the same block of an index, so one index serves one method.
///
/// @param seed the run's seed
/// @param stream tells independent uses of one seed apart
public record Philox(long seed, long stream) {
    private static final long MULTIPLIER_0 = 0xD2511F53L;
    private static final long MULTIPLIER_1 = 0xCD9E8D57L;
    private static final int WEYL_0 = 0x9E3779B9;
    private static final int WEYL_1 = 0xBB67AE85;
    private static final int ROUNDS = 10;

    /// The bijection itself.
    ///
    /// @param counter `[4]`, replaced by the four random words
    /// @param key0 low word of the key
    /// @param key1 high word of the key
    static void block(int[] counter, int key0, int key1) {
        int c0 = counter[0];
        int c1 = counter[1];
        int c2 = counter[2];
        int c3 = counter[3];
        for (int round = 0; round < ROUNDS; round++) {
            long product0 = MULTIPLIER_0 * (c0 & 0xFFFFFFFFL);
            long product1 = MULTIPLIER_1 * (c2 & 0xFFFFFFFFL);
            c0 = (int) (product1 >>> 32) ^ c1 ^ key0;
            c1 = (int) product1;
            c2 = (int) (product0 >>> 32) ^ c3 ^ key1;
            c3 = (int) product0;
            key0 += WEYL_0;
            key1 += WEYL_1;
        }
        counter[0] = c0;
        counter[1] = c1;
        counter[2] = c2;
        counter[3] = c3;
    }

    private int[] words(long index) {
        int[] words = {(int) index, (int) (index >>> 32), (int) stream, (int) (stream >>> 32)};
        block(words, (int) seed, (int) (seed >>> 32));
        return words;
    }

    /// @param index which draw
    /// @return 64 random bits
    public long bits(long index) {
        int[] words = words(index);
        return (long) words[1] << 32 | words[0] & 0xFFFFFFFFL;
    }

    /// @param index which draw
    /// @return uniform on the multiples of 2^-24 in [0, 1)
    public float uniformFloat(long index) {
        return (words(index)[0] >>> 8) * 0x1p-24f;
    }

    /// @param index which draw
    /// @return uniform on the multiples of 2^-53 in [0, 1)
    public double uniform(long index) {
        return (bits(index) >>> 11) * 0x1p-53;
    }

    /// A uniform integer without modulo bias (Lemire 2019, arXiv:1805.10941): one word times the bound, rejected in
    /// the few cases that would favour some values. The four words of a block are tried one after the other, then
    /// those of the block that follows from them under the complemented key.
    ///
    /// @param index which draw
    /// @param bound positive
    /// @return uniform on `0 .. bound - 1`
    public int below(long index, int bound) {
        Check.positive("bound", bound);
        int threshold = Integer.remainderUnsigned(-bound, bound);
        int[] words = words(index);
        for (int attempt = 0; ; attempt++) {
            if (attempt > 0 && attempt % 4 == 0) {
                block(words, (int) ~seed, (int) (~seed >>> 32));
            }
            long product = (words[attempt % 4] & 0xFFFFFFFFL) * bound;
            if (Integer.compareUnsigned((int) product, threshold) >= 0) {
                return (int) (product >>> 32);
            }
        }
    }

    /// A standard normal variate (Box and Muller 1958) with StrictMath, so that its bits are the same everywhere.
    ///
    /// @param index which draw
    /// @return mean 0, variance 1; at most 8.6 in size
    public double gaussian(long index) {
        int[] words = words(index);
        long radiusBits = (long) words[1] << 32 | words[0] & 0xFFFFFFFFL;
        long angleBits = (long) words[3] << 32 | words[2] & 0xFFFFFFFFL;
        double radius = Math.sqrt(-2 * StrictMath.log(((radiusBits >>> 11) + 1) * 0x1p-53));
        return radius * StrictMath.cos(2 * Math.PI * ((angleBits >>> 11) * 0x1p-53));
    }

    /// The beginning of a random order (Fisher and Yates), of the draws `0 .. drawn - 1`.
    ///
    /// @param size how many numbers are ordered
    /// @param drawn how many of them are drawn, at most `size`; one less than `size` draws a whole order
    /// @return the numbers `0 .. size - 1`; those behind the drawn ones are what is left, in no particular order
    public int[] order(int size, int drawn) {
        int[] order = new int[Check.notNegative("size of an order", size)];
        for (int i = 0; i < size; i++) {
            order[i] = i;
        }
        for (int i = 0; i < drawn; i++) {
            int j = i + below(i, size - i);
            int swapped = order[i];
            order[i] = order[j];
            order[j] = swapped;
        }
        return order;
    }
}
