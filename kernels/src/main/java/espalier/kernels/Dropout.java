package espalier.kernels;

/// The key of one dropout mask (Srivastava et al. 2014, JMLR 15:1929): which elements [Ops#dropout] drops. Nothing of a
/// mask is ever stored; the same key makes it again.
///
/// Whether an element is dropped is a pure function of (seed, step, layer, site) and of the element's (row in the whole
/// batch, position in its sequence, column). It does not depend on how the batch is cut into micro-batches, on threads,
/// lane width or backend.
///
/// The function is Philox4x32-10 (see [Philox]). Its key is the seed, exclusive-or'ed with a constant of this use. Its
/// counter of 128 bits has a field of its own for each coordinate, so that no two blocks of a run have one counter:
///
///     word 0   bits 0-23 column block, bits 24-31 site
///     word 1   position of the token in its sequence
///     word 2   bits 0-19 row in the whole batch, bits 20-31 layer
///     word 3   step
///
/// A block of four words decides 8 columns, 16 bits each, and 16 blocks decide 128 columns: column `128 g + 16 j + i`
/// belongs to block `16 g + i`, the low half of word `j` for `j < 4`, the high half of word `j - 4` for the others. (So
/// 16 blocks made side by side in the lanes of a register give runs of 16 columns.) The element is dropped if its 16
/// bits, as a number, are below [#threshold].
///
/// @param probability that an element is dropped, in `[0, 65535/65536]`; rounded to a multiple of 1/65536
/// @param seed of the run, any
/// @param step of the training, in `[0, 2^32)`
/// @param layer index of the layer, in `[0, 4096)`
/// @param site which place of the layer, in `[0, 256)`
public record Dropout(double probability, long seed, long step, int layer, int site) {
    /// Columns that one Philox block decides.
    public static final int BLOCK_COLUMNS = 8;
    /// Blocks that lie side by side.
    public static final int GROUP_BLOCKS = 16;
    /// Columns that such blocks decide together.
    public static final int GROUP_COLUMNS = BLOCK_COLUMNS * GROUP_BLOCKS;
    /// The most columns a row can have.
    public static final int MOST_COLUMNS = 1 << 27;
    /// The most sequences the whole batch of a step can have.
    public static final int MOST_BATCH_ROWS = 1 << 20;

    private static final int OUTCOMES = 1 << 16;
    private static final long MOST_STEP = 0xFFFFFFFFL;
    private static final int MOST_LAYER = 4095;
    private static final int MOST_SITE = 255;
    private static final int SITE_SHIFT = 24;
    private static final int LAYER_SHIFT = 20;
    /// "dropout " in ASCII.
    private static final long USE = 0x64726F706F757420L;

    /// Checks the ranges.
    public Dropout {
        if (!(probability >= 0 && probability <= (OUTCOMES - 1.0) / OUTCOMES)) {
            throw new IllegalArgumentException(
                    "dropout probability must be at least 0 and at most 65535/65536, got " + probability);
        }
        inRange("step", step, MOST_STEP);
        inRange("layer", layer, MOST_LAYER);
        inRange("site", site, MOST_SITE);
    }

    private static void inRange(String name, long value, long most) {
        if (value < 0 || value > most) {
            throw new IllegalArgumentException("%s of a dropout is %d, expected 0 to %d".formatted(name, value, most));
        }
    }

    /// @return `round(65536 probability)`: how many of the 65536 values of 16 bits drop an element
    public int threshold() {
        return (int) Math.round(probability * OUTCOMES);
    }

    /// @return what kept elements are multiplied by: `1 / (1 - threshold / 65536)`, rounded to F32 once
    public float scale() {
        return (float) ((double) OUTCOMES / (OUTCOMES - threshold()));
    }

    /// @return low word of the Philox key
    public int key0() {
        return (int) (seed ^ USE);
    }

    /// @return high word of the Philox key
    public int key1() {
        return (int) ((seed ^ USE) >>> 32);
    }

    /// @param block column block, in `[0, 2^24)`
    /// @return word 0 of the counter
    public int counter0(int block) {
        return site << SITE_SHIFT | block;
    }

    /// @param position of the token in its sequence
    /// @return word 1 of the counter
    public int counter1(int position) {
        return position;
    }

    /// @param batchRow row in the whole batch, below [#MOST_BATCH_ROWS]
    /// @return word 2 of the counter
    public int counter2(int batchRow) {
        return layer << LAYER_SHIFT | batchRow;
    }

    /// @return word 3 of the counter
    public int counter3() {
        return (int) step;
    }

    /// The definition of the mask, an element at a time.
    ///
    /// @param batchRow row in the whole batch, below [#MOST_BATCH_ROWS]
    /// @param position of the token in its sequence
    /// @param column below [#MOST_COLUMNS]
    /// @return whether the element is kept
    public boolean keeps(int batchRow, int position, int column) {
        int block = column / GROUP_COLUMNS * GROUP_BLOCKS + column % GROUP_BLOCKS;
        int piece = column % GROUP_COLUMNS / GROUP_BLOCKS;
        int[] words = {counter0(block), counter1(position), counter2(batchRow), counter3()};
        Philox.block(words, key0(), key1());
        int draw = words[piece % 4] >>> (piece < 4 ? 0 : Short.SIZE) & OUTCOMES - 1;
        return draw >= threshold();
    }
}
