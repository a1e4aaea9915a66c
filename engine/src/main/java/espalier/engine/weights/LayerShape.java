package espalier.engine.weights;

import espalier.kernels.HeadMap;
import java.util.Arrays;

/// The widths of one decoder layer. Layers of one model may differ, groups of query heads may be unequal, and a layer
/// may have no heads or no FFN channels at all.
///
/// @param queriesPerKv `[kvHeads]`, query heads that read each key/value head, each at least 1; query heads of one
///     key/value head are adjacent
/// @param headDim width of a head, even as rotary pairs need it; not `hidden / heads`
/// @param ffn FFN channels
public record LayerShape(int[] queriesPerKv, int headDim, int ffn) {
    static final int MAX_HEADS = 1 << 16;
    static final int MAX_HEAD_DIM = 1 << 16;
    static final int MAX_WIDTH = 1 << 24;

    /// @throws IllegalArgumentException naming the value that is out of range
    public LayerShape {
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

    /// @param heads query heads
    /// @param kvHeads key/value heads, a divisor of `heads`
    /// @param headDim width of a head
    /// @param ffn FFN channels
    /// @return a layer with equal groups
    public static LayerShape uniform(int heads, int kvHeads, int headDim, int ffn) {
        if (kvHeads == 0 ? heads != 0 : heads % kvHeads != 0) {
            throw new IllegalArgumentException(heads + " heads cannot share " + kvHeads + " key/value heads equally");
        }
        int[] queries = new int[kvHeads];
        Arrays.fill(queries, kvHeads == 0 ? 0 : heads / kvHeads);
        return new LayerShape(queries, headDim, ffn);
    }

    /// @return a copy of the counts
    @Override
    public int[] queriesPerKv() {
        return queriesPerKv.clone();
    }

    /// @return query heads of the key/value head that has the most; 0 without heads
    int maxQueriesPerKv() {
        return Arrays.stream(queriesPerKv).max().orElse(0);
    }

    /// @return query heads
    public int heads() {
        return Arrays.stream(queriesPerKv).sum();
    }

    /// @return key/value heads
    public int kvHeads() {
        return queriesPerKv.length;
    }

    /// @return columns of q_proj's output
    public int queryWidth() {
        return heads() * headDim;
    }

    /// @return columns of k_proj's and v_proj's output
    public int kvWidth() {
        return kvHeads() * headDim;
    }

    /// @return which key/value head each query head reads
    public HeadMap headMap() {
        return HeadMap.of(queriesPerKv, headDim);
    }

    /// @return whether every key/value head is read by the same number of query heads
    public boolean hasEqualGroups() {
        return Arrays.stream(queriesPerKv).distinct().count() <= 1;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof LayerShape shape
                && Arrays.equals(queriesPerKv, shape.queriesPerKv)
                && headDim == shape.headDim
                && ffn == shape.ffn;
    }

    @Override
    public int hashCode() {
        return 31 * (31 * Arrays.hashCode(queriesPerKv) + headDim) + ffn;
    }

    @Override
    public String toString() {
        return "LayerShape[queries_per_kv=%s, head_dim=%d, ffn=%d]"
                .formatted(Arrays.toString(queriesPerKv), headDim, ffn);
    }
}
