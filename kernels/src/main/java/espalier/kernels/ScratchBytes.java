package espalier.kernels;

/// How much memory the operations of [Backends.Choice#VECTOR] keep for themselves at most, at any lane width; those of
/// [Backends.Choice#SCALAR] keep none. Counted as the kernels take it: a change there needs one here, and a test
/// compares the two.
///
/// @param threads of an operation
/// @param headDim channels of a head
/// @param keys that a query row sees at most: of a sequence, or of a cache
/// @param rows of a batch
/// @param width the widest activation, or row of a weight
public record ScratchBytes(int threads, int headDim, long keys, long rows, int width) {
    /// Of the widest registers.
    private static final long LANES = 32;
    /// Key rows of a panel, and query vectors of a short attention.
    private static final long PANEL = 12;
    private static final long LONGEST_K = 768;
    private static final long MOST_ROWS = 4096;
    /// Panels of a product that a thread packs: of the right operand, and of the left one inside attention.
    private static final long PANELS = 600_000 + PANEL * (PANEL * LONGEST_K + LANES) * Float.BYTES;
    /// The smallest size of a buffer, of which a thread has half a dozen, and room for transposing.
    private static final long SMALLEST = 6 << 16;
    private static final long ROWS_OF_A_SUM = 32;

    /// Checks the ranges.
    public ScratchBytes {
        Check.positive("threads", threads);
        Check.notNegative("head_dim", headDim);
        Check.notNegative("width", width);
        if (keys < 0 || rows < 0) {
            throw new IllegalArgumentException("scratch for %d keys and %d rows".formatted(keys, rows));
        }
    }

    /// @return bytes of forward passes
    public long forward() {
        return threads * (ofAThread() + attention()) + leftOperand() + grown(4L * width * Float.BYTES);
    }

    /// @return bytes of forward and backward passes
    public long training() {
        long sums = Math.ceilDiv(rows, ROWS_OF_A_SUM) * (width + LANES) * Float.BYTES;
        return forward() + threads * attentionBackward() + grown(sums);
    }

    private long ofAThread() {
        return PANELS + SMALLEST + grown(3L * width * Float.BYTES);
    }

    /// Packed keys and values, and the scores of all keys for a register of query vectors, or for a few of them.
    private long attention() {
        long packed = 2 * (keys + PANEL) * headDim + 2 * LANES;
        long scores = (keys + 2 * PANEL) * (LANES + PANEL);
        return packed * Float.BYTES + grown((scores + queries()) * Float.BYTES);
    }

    /// Packed keys, values and keys again, and their gradients in whole registers.
    private long attentionBackward() {
        long packed = 3 * (keys + PANEL) * headDim + 3 * LANES;
        long gradients = 2 * (keys + PANEL) * lanes(headDim);
        return packed * Float.BYTES + grown((gradients + queries()) * Float.BYTES);
    }

    /// Query vectors of a register, their gradients and outputs, and some keys.
    private long queries() {
        return 8 * LANES * lanes(headDim) + 8192;
    }

    private static long lanes(long channels) {
        return Math.ceilDiv(channels, LANES) * LANES;
    }

    private long leftOperand() {
        return (Math.min(rows, MOST_ROWS) + PANEL) * (LONGEST_K + LANES) * Float.BYTES;
    }

    /// A buffer that has to grow takes a quarter more.
    private static long grown(long bytes) {
        return bytes + bytes / 4;
    }
}
