package espalier.engine.model;

import espalier.kernels.HeadMap;
import java.util.Arrays;
import java.util.stream.IntStream;

/// Some query heads of a layer and what they read.
///
/// @param heads `[n]`, the query heads, ascending
/// @param query `[n * headDim]`, their channels
/// @param kv channels of the key/value heads that at least one of them reads
/// @param map which of these key/value heads each reads
record LiveHeads(int[] heads, int[] query, int[] kv, HeadMap map) {
    /// @param all heads of the layer
    /// @param live some of them, ascending
    /// @return these
    static LiveHeads of(HeadMap all, int[] live) {
        int[] read = Arrays.stream(live).map(head -> all.kvOfQuery()[head]).toArray();
        int[] kvHeads = Arrays.stream(read).distinct().toArray();
        int[] kvOfQuery = Arrays.stream(read).map(kv -> Arrays.binarySearch(kvHeads, kv)).toArray();
        return new LiveHeads(
                live, channels(live, all.headDim()), channels(kvHeads, all.headDim()),
                new HeadMap(kvOfQuery, kvHeads.length, all.headDim()));
    }

    private static int[] channels(int[] heads, int headDim) {
        return Arrays.stream(heads)
                .flatMap(head -> IntStream.range(head * headDim, (head + 1) * headDim))
                .toArray();
    }
}
