package espalier.kernels;

import java.util.Arrays;

/// Which key/value head each query head reads. Groups may be unequal, since single query heads can be pruned.
///
/// @param kvOfQuery `[heads]`, ascending, each in `0 .. kvHeads - 1`
/// @param kvHeads number of key/value heads
/// @param headDim width of a head, even
public record HeadMap(int[] kvOfQuery, int kvHeads, int headDim) {
    /// Checks ranges and order.
    public HeadMap {
        Check.notNegative("kv_heads", kvHeads);
        Check.positive("head_dim", headDim);
        if (headDim % 2 != 0) {
            throw new IllegalArgumentException("head_dim must be even, got " + headDim);
        }
        int previous = 0;
        for (int kv : kvOfQuery) {
            if (kv < previous || kv >= kvHeads) {
                throw new IllegalArgumentException(
                        "query heads read key/value heads " + Arrays.toString(kvOfQuery) + " of " + kvHeads);
            }
            previous = kv;
        }
    }

    /// @param queriesPerKv `[kvHeads]`, query heads of each key/value head
    /// @param headDim width of a head
    /// @return the map
    public static HeadMap of(int[] queriesPerKv, int headDim) {
        int[] map = new int[Arrays.stream(queriesPerKv).sum()];
        int head = 0;
        for (int kv = 0; kv < queriesPerKv.length; kv++) {
            for (int i = 0; i < queriesPerKv[kv]; i++) {
                map[head++] = kv;
            }
        }
        return new HeadMap(map, queriesPerKv.length, headDim);
    }

    /// @return number of query heads
    public int heads() {
        return kvOfQuery.length;
    }

    /// @return `1 / sqrt(headDim)`, the scale of attention scores
    public float scale() {
        return (float) (1 / Math.sqrt(headDim));
    }
}
