package espalier.engine.model;

import espalier.kernels.Check;
import java.util.Arrays;
import java.util.Optional;

/// Token sequences packed one after the other, without padding.
///
/// @param ids `[tokens]`
/// @param sequenceStart `[sequences + 1]`, ascending from 0 to the number of tokens
/// @param positions `[tokens]`, position of each token in its sequence
/// @param cache where keys and values of earlier tokens lie and those of this batch are added
public record Batch(int[] ids, int[] sequenceStart, int[] positions, Optional<KvSlots> cache) {
    /// Which sequences of a cache a batch continues.
    ///
    /// @param cache keys and values
    /// @param sequences `[sequences]`, from [KvCache#newSequence]
    public record KvSlots(KvCache cache, int[] sequences) {
        private void check(int[] sequenceStart, int[] positions) {
            if (sequences.length != sequenceStart.length - 1
                    || Arrays.stream(sequences).distinct().count() != sequences.length) {
                throw new IllegalArgumentException("a batch of %d sequences continues %s of the cache".formatted(
                        sequenceStart.length - 1, Arrays.toString(sequences)));
            }
            for (int s = 0; s < sequences.length; s++) {
                int length = cache.length(sequences[s]);
                for (int row = sequenceStart[s]; row < sequenceStart[s + 1]; row++) {
                    int expected = length + row - sequenceStart[s];
                    if (positions[row] != expected) {
                        throw new IllegalArgumentException("token %d continues sequence %d at position %d, expected %d"
                                .formatted(row, sequences[s], positions[row], expected));
                    }
                }
            }
        }
    }

    /// Checks that the lengths agree and that no sequence is empty.
    public Batch {
        Check.positive("tokens", ids.length);
        for (int s = 1; s < sequenceStart.length; s++) {
            Check.positive("tokens of sequence " + (s - 1), sequenceStart[s] - sequenceStart[s - 1]);
        }
        if (positions.length != ids.length
                || sequenceStart[0] != 0
                || sequenceStart[sequenceStart.length - 1] != ids.length) {
            throw new IllegalArgumentException("%d ids, %d positions, sequences that end at %d"
                    .formatted(ids.length, positions.length, sequenceStart[sequenceStart.length - 1]));
        }
        if (cache.isPresent()) {
            cache.get().check(sequenceStart, positions);
        }
    }

    /// Whole sequences, each from position 0.
    ///
    /// @param sequences token ids, none empty
    /// @return the batch
    public static Batch of(int[]... sequences) {
        int[] start = new int[sequences.length + 1];
        for (int s = 0; s < sequences.length; s++) {
            start[s + 1] = start[s] + Check.positive("tokens of sequence " + s, sequences[s].length);
        }
        int[] ids = new int[start[sequences.length]];
        int[] positions = new int[ids.length];
        for (int s = 0; s < sequences.length; s++) {
            System.arraycopy(sequences[s], 0, ids, start[s], sequences[s].length);
            for (int i = 0; i < sequences[s].length; i++) {
                positions[start[s] + i] = i;
            }
        }
        return new Batch(ids, start, positions, Optional.empty());
    }

    /// The next tokens of one sequence.
    ///
    /// @param ids token ids
    /// @param cache holds the earlier ones
    /// @param sequence from [KvCache#newSequence]
    /// @return the batch
    public static Batch next(int[] ids, KvCache cache, int sequence) {
        int[] positions = new int[ids.length];
        for (int i = 0; i < ids.length; i++) {
            positions[i] = cache.length(sequence) + i;
        }
        return new Batch(
                ids, new int[] {0, ids.length}, positions, Optional.of(new KvSlots(cache, new int[] {sequence})));
    }

    /// @return number of tokens
    public int tokens() {
        return ids.length;
    }

    /// @return number of sequences
    public int sequences() {
        return sequenceStart.length - 1;
    }

    /// @param first row of the first sequence
    /// @return `[tokens]`, the row of the sequence that each token belongs to, `first ..`
    public int[] rows(int first) {
        int[] rows = new int[ids.length];
        for (int s = 0; s < sequences(); s++) {
            Arrays.fill(rows, sequenceStart[s], sequenceStart[s + 1], first + s);
        }
        return rows;
    }

    /// Targets of next-token prediction inside each sequence.
    ///
    /// @return `[tokens]`, the id that follows, or -1 for the last token of a sequence
    public int[] nextTokens() {
        int[] targets = new int[ids.length];
        for (int s = 0; s < sequences(); s++) {
            int last = sequenceStart[s + 1] - 1;
            System.arraycopy(ids, sequenceStart[s] + 1, targets, sequenceStart[s], last - sequenceStart[s]);
            targets[last] = -1;
        }
        return targets;
    }
}
