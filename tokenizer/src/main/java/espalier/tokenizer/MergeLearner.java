package espalier.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Learns merges one by one. All distinct words lie end to end, each a linked list of entries; a merge visits only the
/// places of its pair, and changes the counts of the pairs around them.
final class MergeLearner {
    /// Bytes of an entry: longer ones would be rulers and runs of blanks.
    static final int LONGEST_ENTRY = 256;

    private static final int NONE = -1;

    private final BpeSettings settings;
    private final List<String> entries = new ArrayList<>();
    private final Set<String> specials;
    private final List<TrainedBpe.Merge> merges = new ArrayList<>();
    private final PairQueue pairs = new PairQueue();
    private final int[] symbols; // [bytes of distinct words], the entry that begins here; stale where merged away
    private final int[] next; // [bytes of distinct words], where the following entry of the word begins, or NONE
    private final int[] previous; // [bytes of distinct words], the same backwards
    private final int[] wordAt; // [bytes of distinct words]
    private final long[] occurrences; // [words]
    private long bytes;
    private long tokens;

    /// @param words may come in any order
    MergeLearner(BpeSettings settings, Map<String, BpeTrainer.WordCount> words) {
        this.settings = settings;
        entries.addAll(settings.specials().inOrder());
        specials = Set.copyOf(entries);
        int[] byteIds = addBytes();
        int length = distinctBytes(words.keySet());
        symbols = new int[length];
        next = new int[length];
        previous = new int[length];
        wordAt = new int[length];
        occurrences = new long[words.size()];
        int start = 0;
        int word = 0;
        for (Map.Entry<String, BpeTrainer.WordCount> entry : words.entrySet()) {
            occurrences[word] = entry.getValue().count;
            byte[] utf8 = entry.getKey().getBytes(StandardCharsets.UTF_8);
            for (int i = 0; i < utf8.length; i++) {
                int place = start + i;
                symbols[place] = byteIds[utf8[i] & 0xFF];
                next[place] = i + 1 < utf8.length ? place + 1 : NONE;
                previous[place] = place - 1;
                wordAt[place] = word;
                if (i > 0) {
                    pairs.add(symbols[place - 1], symbols[place], occurrences[word], place - 1);
                }
            }
            previous[start] = NONE;
            bytes += occurrences[word] * utf8.length;
            start += utf8.length;
            word++;
        }
        tokens = bytes;
    }

    private static int distinctBytes(Set<String> words) {
        long length = 0;
        for (String word : words) {
            length += word.getBytes(StandardCharsets.UTF_8).length;
        }
        if (length > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException("the distinct words of the texts have " + length
                    + " bytes, expected fewer than " + (Integer.MAX_VALUE - 8));
        }
        return (int) length;
    }

    /// The bytes in the order of their spelling; returns the id of each.
    private int[] addBytes() {
        int[] ids = new int[BpeSettings.BYTES];
        for (byte value : ByteAlphabet.inOrderOfSpelling()) {
            ids[value & 0xFF] = entries.size();
            entries.add(ByteAlphabet.spell(value));
        }
        return ids;
    }

    int vocabSize() {
        return entries.size();
    }

    /// Learns one merge.
    ///
    /// @return whether there was a pair to merge
    boolean learn() {
        while (!pairs.isEmpty() && pairs.topCount() >= settings.minFrequency()) {
            int left = pairs.topLeft();
            int right = pairs.topRight();
            int[] places = pairs.pop();
            String text = entries.get(left) + entries.get(right);
            if (text.length() <= LONGEST_ENTRY && !specials.contains(text)) {
                merges.add(new TrainedBpe.Merge(left, right));
                entries.add(text);
                for (int place : places) {
                    mergeAt(place, left, right, entries.size() - 1);
                }
                return true;
            }
        }
        return false;
    }

    /// The places of a pair come rising, since it arises in the merge that made the newer of its two entries and in
    /// no other; so of overlapping places the leftmost is merged, as in encoding.
    private void mergeAt(int place, int left, int right, int merged) {
        int second = next[place];
        if (symbols[place] != left || second == NONE || symbols[second] != right) {
            return; // merged otherwise since
        }
        long count = occurrences[wordAt[place]];
        int before = previous[place];
        if (before != NONE) {
            pairs.remove(symbols[before], left, count);
            pairs.add(symbols[before], merged, count, before);
        }
        int after = next[second];
        if (after != NONE) {
            pairs.remove(right, symbols[after], count);
            pairs.add(merged, symbols[after], count, place);
            previous[after] = place;
        }
        symbols[place] = merged;
        symbols[second] = NONE;
        next[place] = after;
        tokens -= count;
    }

    TrainedBpe.Counts counts(long texts, long characters) {
        return new TrainedBpe.Counts(texts, bytes, characters, tokens);
    }

    TrainedBpe result(long texts, long characters) {
        return new TrainedBpe(settings, entries, merges, counts(texts, characters));
    }
}
