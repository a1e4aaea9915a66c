package espalier.engine.weights;

import java.util.Arrays;

/// What one decoder layer keeps.
///
/// @param queriesPerKv query heads of each key/value head, in the order of the heads, each at least 1; empty where the
///     layer keeps no head. Query heads of one key/value head are adjacent
/// @param headDim size of a head, even, as rotary positions need pairs
/// @param ffn feed-forward channels, 0 where the layer keeps none
public record LayerWidths(int[] queriesPerKv, int headDim, int ffn) {
    static final int MAX_HEADS = 1 << 16;
    static final int MAX_HEAD_DIM = 1 << 16;
    static final int MAX_WIDTH = 1 << 24;

    /// @throws IllegalArgumentException naming the value that is out of range
    public LayerWidths {
        queriesPerKv = queriesPerKv.clone();
        long heads = 0;
        for (int queries : queriesPerKv) {
            if (queries < 1) {
                throw new IllegalArgumentException(
                        "queries_per_kv is " + Arrays.toString(queriesPerKv) + ", expected counts from 1");
            }
            heads += queries;
        }
        if (heads > MAX_HEADS) {
            throw new IllegalArgumentException(
                    "queries_per_kv adds up to " + heads + ", expected at most " + MAX_HEADS);
        }
        if (headDim < 2 || headDim % 2 != 0 || headDim > MAX_HEAD_DIM) {
            throw new IllegalArgumentException(
                    "head_dim is " + headDim + ", expected an even number from 2 to " + MAX_HEAD_DIM);
        }
        if (heads * headDim > MAX_WIDTH) {
            throw new IllegalArgumentException(
                    heads + " heads of head_dim " + headDim + " are wider than " + MAX_WIDTH);
        }
        if (ffn < 0 || ffn > MAX_WIDTH) {
            throw new IllegalArgumentException("ffn is " + ffn + ", expected 0 to " + MAX_WIDTH);
        }
    }

    /// The widths of a layer whose key/value heads all serve the same number of query heads.
    ///
    /// @param heads a multiple of `kvHeads`
    static LayerWidths uniform(int heads, int kvHeads, int headDim, int ffn) {
        int[] queriesPerKv = new int[kvHeads];
        Arrays.fill(queriesPerKv, heads / kvHeads);
        return new LayerWidths(queriesPerKv, headDim, ffn);
    }

    /// A copy of the counts.
    @Override
    public int[] queriesPerKv() {
        return queriesPerKv.clone();
    }

    /// Key/value heads.
    public int kvHeads() {
        return queriesPerKv.length;
    }

    /// Query heads.
    public int heads() {
        return Arrays.stream(queriesPerKv).sum();
    }

    /// Query heads of the key/value head that has the most; 0 without heads.
    int maxQueriesPerKv() {
        return Arrays.stream(queriesPerKv).max().orElse(0);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof LayerWidths(int[] queries, int dim, int channels)
                && Arrays.equals(queriesPerKv, queries)
                && headDim == dim
                && ffn == channels;
    }

    @Override
    public int hashCode() {
        return 31 * (31 * Arrays.hashCode(queriesPerKv) + headDim) + ffn;
    }

    @Override
    public String toString() {
        return "LayerWidths[queriesPerKv=" + Arrays.toString(queriesPerKv) + ", headDim=" + headDim + ", ffn=" + ffn
                + "]";
    }
}
