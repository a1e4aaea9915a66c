package espalier.kernels;

/// Where the keys and values lie that the query rows of a batch attend to.
///
/// The query rows of sequence `s` are `[queryStart[s], queryStart[s + 1])` of the batch, and they are the last ones of
/// the `keyLength[s]` positions known of it: query row `i` of `n` attends to the keys `0 .. keyLength[s] - n + i`.
/// The keys of a sequence lie in pages; all pages but the last of a sequence hold `pageRows` rows.
///
/// @param queryStart `[sequences + 1]`, ascending from 0
/// @param keyLength `[sequences]`, at least the number of query rows
/// @param pageRows rows of a page
/// @param keys `[sequences][pages]`, each `[>= rows used, kvHeads * headDim]`, rotated
/// @param values like `keys`
public record KeyValues(int[] queryStart, int[] keyLength, int pageRows, Tensor[][] keys, Tensor[][] values) {
    /// Checks that the lengths agree.
    public KeyValues {
        int sequences = keyLength.length;
        if (queryStart.length != sequences + 1 || keys.length != sequences || values.length != sequences) {
            throw new IllegalArgumentException("%d key lengths, %d query starts (expected one more), %d keys, %d values"
                    .formatted(sequences, queryStart.length, keys.length, values.length));
        }
        for (int s = 0; s < sequences; s++) {
            int queries = queryStart[s + 1] - queryStart[s];
            if (queries < 0 || queries > keyLength[s]) {
                throw new IllegalArgumentException(
                        "sequence %d has %d query rows for %d keys".formatted(s, queries, keyLength[s]));
            }
        }
    }

    /// Keys and values of a packed batch: every sequence attends to its own rows and nothing else.
    ///
    /// @param sequenceStart `[sequences + 1]`, ascending from 0 to the number of rows
    /// @param k `[tokens, kvHeads * headDim]`
    /// @param v like `k`
    /// @return one page per sequence
    public static KeyValues packed(int[] sequenceStart, Tensor k, Tensor v) {
        int sequences = sequenceStart.length - 1;
        int[] lengths = new int[sequences];
        Tensor[][] keys = new Tensor[sequences][1];
        Tensor[][] values = new Tensor[sequences][1];
        int longest = 1;
        for (int s = 0; s < sequences; s++) {
            lengths[s] = sequenceStart[s + 1] - sequenceStart[s];
            longest = Math.max(longest, lengths[s]);
            keys[s][0] = k.rowRange(sequenceStart[s], sequenceStart[s + 1]);
            values[s][0] = v.rowRange(sequenceStart[s], sequenceStart[s + 1]);
        }
        return new KeyValues(sequenceStart, lengths, longest, keys, values);
    }

    /// @return number of sequences
    public int sequences() {
        return keyLength.length;
    }
}
