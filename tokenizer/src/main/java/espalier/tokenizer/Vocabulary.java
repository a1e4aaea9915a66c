package espalier.tokenizer;

import java.util.BitSet;
import java.util.Map;
import java.util.OptionalInt;

/// All tokens, the model's pieces and the added ones: ids are unique and dense.
final class Vocabulary {
    private final String[] texts;
    private final Map<String, Integer> ids;
    private final BitSet special;

    /// All three are kept without a copy; `texts` and `ids` are each other's inverse.
    Vocabulary(String[] texts, Map<String, Integer> ids, BitSet special) {
        this.texts = texts;
        this.ids = ids;
        this.special = special;
    }

    int size() {
        return texts.length;
    }

    boolean contains(int id) {
        return id >= 0 && id < texts.length;
    }

    String text(int id) {
        return texts[id];
    }

    OptionalInt id(String text) {
        Integer id = ids.get(text);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    boolean isSpecial(int id) {
        return contains(id) && special.get(id);
    }

    /// The byte that a piece of a byte-fallback vocabulary stands for, -1 if it is another piece. Exactly
    /// `<0x[0-9A-Fa-f]{2}>`.
    static int byteOf(String piece) {
        if (piece.length() != 6 || !piece.startsWith("<0x") || piece.charAt(5) != '>') {
            return -1;
        }
        int high = hexDigit(piece.charAt(3));
        int low = hexDigit(piece.charAt(4));
        return high < 0 || low < 0 ? -1 : high << 4 | low;
    }

    /// [Character#digit] would take the digits of every script.
    private static int hexDigit(char c) {
        return c < 0x80 ? Character.digit(c, 16) : -1;
    }
}
