package espalier.tokenizer;

import java.util.ArrayList;
import java.util.List;

/// Finds added tokens in a text: leftmost first, of those that start together the longest, none overlapping.
/// A trie of UTF-16 units; immutable, for many threads.
final class TokenMatcher {
    /// Receives the pieces of a text in order.
    interface Pieces {
        /// Ordinary text, `[from, to)`, not empty.
        void text(int from, int to);

        void token(int id);
    }

    private final List<AddedToken> tokens = new ArrayList<>();
    private final LongIntMap edges = new LongIntMap(16);
    private final List<Integer> tokenAt = new ArrayList<>(List.of(-1));

    /// Adds a token to be found where `pattern`, which is not empty, stands; of two tokens with one pattern the
    /// first counts. Only before the matcher is used.
    void add(AddedToken token, String pattern) {
        int node = 0;
        for (int i = 0; i < pattern.length(); i++) {
            long edge = LongIntMap.pair(node, pattern.charAt(i));
            int child = edges.get(edge);
            if (child == LongIntMap.ABSENT) {
                child = tokenAt.size();
                tokenAt.add(-1);
                edges.put(edge, child);
            }
            node = child;
        }
        if (tokenAt.get(node) < 0) {
            tokenAt.set(node, tokens.size());
            tokens.add(token);
        }
    }

    /// Cuts the text.
    ///
    /// @param recogniseSpecials if not, a special token stays text, and is passed over as a whole
    void split(String text, boolean recogniseSpecials, Pieces out) {
        int done = 0;
        for (int i = 0; !tokens.isEmpty() && i < text.length();) {
            int found = -1;
            int stop = i;
            int node = edges.get(LongIntMap.pair(0, text.charAt(i)));
            for (int j = i + 1; node != LongIntMap.ABSENT; j++) {
                if (tokenAt.get(node) >= 0) {
                    found = tokenAt.get(node);
                    stop = j;
                }
                node = j < text.length() ? edges.get(LongIntMap.pair(node, text.charAt(j))) : LongIntMap.ABSENT;
            }
            if (found < 0) {
                i++;
                continue;
            }
            int start = i;
            i = stop;
            AddedToken token = tokens.get(found);
            if (token.special() && !recogniseSpecials || token.singleWord() && touchesWord(text, start, stop)) {
                continue;
            }
            while (token.leftStrip() && start > done && Unicode.isSpace(text.charAt(start - 1))) {
                start--;
            }
            while (token.rightStrip() && stop < text.length() && Unicode.isSpace(text.charAt(stop))) {
                stop++;
            }
            if (done < start) {
                out.text(done, start);
            }
            out.token(token.id());
            done = stop;
        }
        if (done < text.length()) {
            out.text(done, text.length());
        }
    }

    private static boolean touchesWord(String text, int start, int stop) {
        return start > 0 && Unicode.isWord(text.codePointBefore(start))
                || stop < text.length() && Unicode.isWord(text.codePointAt(stop));
    }
}
