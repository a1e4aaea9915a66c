package espalier.tokenizer;

/// The character classes of the tokenizers' regular expressions, and repair of malformed UTF-16.
final class Unicode {
    private Unicode() {}

    /// `\p{L}`.
    static boolean isLetter(int codePoint) {
        return Character.isLetter(codePoint);
    }

    /// `\p{N}`: decimal digits, letter numbers and other numbers.
    static boolean isNumber(int codePoint) {
        int type = Character.getType(codePoint);
        return type == Character.DECIMAL_DIGIT_NUMBER || type == Character.LETTER_NUMBER
                || type == Character.OTHER_NUMBER;
    }

    /// `\s`: the Unicode property White_Space, which is neither [Character#isWhitespace(int)] nor
    /// [Character#isSpaceChar(int)].
    static boolean isSpace(int codePoint) {
        return codePoint == ' ' || codePoint >= 0x09 && codePoint <= 0x0D || codePoint == 0x85
                || codePoint > 0x85 && Character.isSpaceChar(codePoint);
    }

    /// `\w`: alphabetic, marks, decimal digits, connector punctuation and the two joiners.
    static boolean isWord(int codePoint) {
        int type = Character.getType(codePoint);
        return Character.isAlphabetic(codePoint) || type == Character.NON_SPACING_MARK
                || type == Character.ENCLOSING_MARK || type == Character.COMBINING_SPACING_MARK
                || type == Character.DECIMAL_DIGIT_NUMBER || type == Character.CONNECTOR_PUNCTUATION
                || codePoint == 0x200C || codePoint == 0x200D;
    }

    /// The index of the first surrogate without its partner, or -1.
    static int firstLoneSurrogate(CharSequence text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isSurrogate(c)) {
                if (Character.isLowSurrogate(c) || i + 1 == text.length()
                        || !Character.isLowSurrogate(text.charAt(i + 1))) {
                    return i;
                }
                i++;
            }
        }
        return -1;
    }

    /// The text with every lone surrogate replaced by U+FFFD.
    static String wellFormed(String text) {
        int lone = firstLoneSurrogate(text);
        if (lone < 0) {
            return text;
        }
        StringBuilder repaired = new StringBuilder(text);
        for (int i = lone; i < repaired.length(); i++) {
            char c = repaired.charAt(i);
            if (Character.isHighSurrogate(c) && i + 1 < repaired.length()
                    && Character.isLowSurrogate(repaired.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(c)) {
                repaired.setCharAt(i, '\uFFFD');
            }
        }
        return repaired.toString();
    }
}
