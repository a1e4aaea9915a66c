package espalier.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.Map;

/// Byte-pair encoding of one piece of text, Sennrich et al. 2016, arXiv:1508.07909: starts from the characters and
/// applies the merge of the lowest rank, leftmost first, until none applies. O(n log n) in the length of the piece.
///
/// A character without a piece becomes its UTF-8 bytes if there are byte pieces, else the unknown token if there is
/// one (a run of them becomes a single one with `fuseUnknown`), else nothing.
///
/// Immutable, for many threads.
final class Bpe {
    /// Merges as parallel arrays in order of rank.
    record Merges(int[] left, int[] right, int[] merged) {}

    /// What a character without a piece becomes, and whether a piece found whole is taken without merging.
    ///
    /// @param unknownId -1 for none
    /// @param byteIds the pieces of the 256 bytes, or empty
    record Settings(int unknownId, boolean fuseUnknown, int[] byteIds, boolean ignoreMerges) {}

    private final Map<String, Integer> ids;
    private final LongIntMap characterIds;
    private final LongIntMap ranks;
    private final int[] merged;
    private final Settings settings;

    /// @param ids the model's own pieces, kept without a copy
    Bpe(Map<String, Integer> ids, Merges merges, Settings settings) {
        this.ids = ids;
        this.settings = settings;
        characterIds = new LongIntMap(256);
        ids.forEach((piece, id) -> {
            if (!piece.isEmpty() && piece.length() == Character.charCount(piece.codePointAt(0))) {
                characterIds.put(piece.codePointAt(0), id);
            }
        });
        merged = merges.merged();
        ranks = new LongIntMap(merged.length);
        for (int rank = 0; rank < merged.length; rank++) {
            // of a merge that is listed twice the later rank counts, as in the reference
            ranks.put(LongIntMap.pair(merges.left()[rank], merges.right()[rank]), rank);
        }
    }

    /// Whether a character without a piece is written as bytes.
    boolean hasBytes() {
        return settings.byteIds().length > 0;
    }

    /// Appends the ids of a well-formed text, all of it one piece.
    void encode(String text, IdList out) {
        if (settings.ignoreMerges()) {
            Integer whole = ids.get(text);
            if (whole != null) {
                out.add(whole);
                return;
            }
        }
        IdList symbols = new IdList();
        boolean unknownBefore = false;
        for (int i = 0; i < text.length();) {
            int codePoint = text.codePointAt(i);
            int next = i + Character.charCount(codePoint);
            int id = characterIds.get(codePoint);
            if (id != LongIntMap.ABSENT) {
                symbols.add(id);
                unknownBefore = false;
            } else if (hasBytes()) {
                for (byte b : text.substring(i, next).getBytes(StandardCharsets.UTF_8)) {
                    symbols.add(settings.byteIds()[b & 0xFF]);
                }
                unknownBefore = false;
            } else if (settings.unknownId() >= 0) {
                if (!unknownBefore || !settings.fuseUnknown()) {
                    symbols.add(settings.unknownId());
                }
                unknownBefore = true;
            }
            i = next;
        }
        merge(symbols.toArray(), out);
    }

    /// A linked list of symbols, and a heap of the merges that may apply, ordered by rank and then by place.
    private void merge(int[] symbols, IdList out) {
        int n = symbols.length;
        int[] next = new int[n];
        int[] previous = new int[n];
        LongHeap heap = new LongHeap(n);
        for (int i = 0; i < n; i++) {
            next[i] = i + 1;
            previous[i] = i - 1;
            if (i + 1 < n) {
                offer(heap, symbols, i, i + 1);
            }
        }
        while (!heap.isEmpty()) {
            long top = heap.pop();
            int place = (int) top;
            if (symbols[place] < 0 || next[place] == n) {
                continue;
            }
            int right = next[place];
            int rank = ranks.get(LongIntMap.pair(symbols[place], symbols[right]));
            int id = merged[(int) (top >>> 32)];
            if (rank == LongIntMap.ABSENT || merged[rank] != id) {
                continue; // one of the two symbols has been merged otherwise since
            }
            symbols[place] = id;
            symbols[right] = -1;
            next[place] = next[right];
            if (next[place] < n) {
                previous[next[place]] = place;
                offer(heap, symbols, place, next[place]);
            }
            if (previous[place] >= 0) {
                offer(heap, symbols, previous[place], place);
            }
        }
        for (int symbol : symbols) {
            if (symbol >= 0) {
                out.add(symbol);
            }
        }
    }

    private void offer(LongHeap heap, int[] symbols, int left, int right) {
        int rank = ranks.get(LongIntMap.pair(symbols[left], symbols[right]));
        if (rank != LongIntMap.ABSENT) {
            heap.push((long) rank << 32 | left);
        }
    }
}
