package espalier.engine.weights;

import espalier.kernels.Check;
import espalier.kernels.HeadMap;
import java.util.Arrays;

/// The widths of one decoder layer. Layers of one model may differ, groups of query heads may be unequal, and a layer
/// may have no heads or no FFN channels at all.
///
/// @param queriesPerKv `[kvHeads]`, query heads that read each key/value head, each at least 1
/// @param headDim width of a head; not `hidden / heads`
/// @param ffn FFN channels
public record LayerShape(int[] queriesPerKv, int headDim, int ffn) {
    /// Checks ranges and copies the array.
    public LayerShape {
        queriesPerKv = queriesPerKv.clone();
        for (int queries : queriesPerKv) {
            Check.positive("queries_per_kv", queries);
        }
        Check.positive("head_dim", headDim);
        Check.notNegative("ffn", ffn);
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
