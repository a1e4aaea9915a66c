package espalier.tokenizer;

import java.util.Optional;

/// The regular expressions that cut text into words, each with a hand-written matcher. A tokenizer file names one by
/// its exact spelling; its text is never compiled. Every character of a text belongs to exactly one match.
enum SplitPattern {
    /// GPT-2's, also what `ByteLevel` with `use_regex` means.
    GPT2("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+") {
        @Override
        int end(String text, int from, int to) {
            int contraction = contraction(text, from, to, false);
            if (contraction > from) {
                return contraction;
            }
            int first = text.codePointAt(from);
            int start = from;
            if (first == ' ' && from + 1 < to) {
                start = from + 1; // every class but white space may take one blank in front
                first = text.codePointAt(start);
            }
            if (Unicode.isLetter(first)) {
                return letters(text, start, to);
            }
            if (Unicode.isNumber(first)) {
                return numbers(text, start, to, Integer.MAX_VALUE);
            }
            return Unicode.isSpace(first) ? spaces(text, from, to) : others(text, start, to);
        }
    },

    /// Llama 3's: numbers in threes.
    LLAMA3("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
            + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+") {
        @Override
        int end(String text, int from, int to) {
            return endWithLineEnds(text, from, to, 3);
        }
    },

    /// Qwen 2's and 3's: numbers digit by digit.
    QWEN2("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
            + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+") {
        @Override
        int end(String text, int from, int to) {
            return endWithLineEnds(text, from, to, 1);
        }
    };

    private final String regex;

    SplitPattern(String regex) {
        this.regex = regex;
    }

    /// The pattern that is spelt exactly so.
    static Optional<SplitPattern> spelt(String regex) {
        for (SplitPattern pattern : values()) {
            if (pattern.regex.equals(regex)) {
                return Optional.of(pattern);
            }
        }
        return Optional.empty();
    }

    /// The end of the match that starts at `from` in `text[0, to)`, more than `from`; `from < to`.
    abstract int end(String text, int from, int to);

    private static int endWithLineEnds(String text, int from, int to, int digits) {
        int contraction = contraction(text, from, to, true);
        if (contraction > from) {
            return contraction;
        }
        int first = text.codePointAt(from);
        if (Unicode.isLetter(first)) {
            return letters(text, from, to);
        }
        if (Unicode.isNumber(first)) {
            return numbers(text, from, to, digits);
        }
        int second = from + Character.charCount(first);
        if (first != '\r' && first != '\n' && second < to && Unicode.isLetter(text.codePointAt(second))) {
            return letters(text, second, to);
        }
        if (!Unicode.isSpace(first)) {
            return lineEnds(text, others(text, from, to), to);
        }
        if (first == ' ' && second < to && isOther(text.codePointAt(second))) {
            return lineEnds(text, others(text, second, to), to);
        }
        int end = from;
        int afterLineEnd = from;
        while (end < to && Unicode.isSpace(text.charAt(end))) { // white space has no supplementary characters
            char c = text.charAt(end++);
            if (c == '\r' || c == '\n') {
                afterLineEnd = end;
            }
        }
        return afterLineEnd > from ? afterLineEnd : spaces(text, from, to);
    }

    /// The end of an English contraction's tail, or `from`. The long s folds to s where case is ignored.
    private static int contraction(String text, int from, int to, boolean ignoreCase) {
        if (text.charAt(from) != '\'' || from + 1 >= to) {
            return from;
        }
        char first = fold(text.charAt(from + 1), ignoreCase);
        if (first == 's' || first == 't' || first == 'm' || first == 'd') {
            return from + 2;
        }
        if (from + 2 < to) {
            char second = fold(text.charAt(from + 2), ignoreCase);
            if ((first == 'r' || first == 'v') && second == 'e' || first == 'l' && second == 'l') {
                return from + 3;
            }
        }
        return from;
    }

    private static char fold(char c, boolean ignoreCase) {
        if (!ignoreCase) {
            return c;
        }
        return c == '\u017F' ? 's' : c >= 'A' && c <= 'Z' ? (char) (c + 32) : c;
    }

    private static int letters(String text, int from, int to) {
        int end = from;
        while (end < to && Unicode.isLetter(text.codePointAt(end))) {
            end += Character.charCount(text.codePointAt(end));
        }
        return end;
    }

    private static int numbers(String text, int from, int to, int atMost) {
        int end = from;
        for (int n = 0; n < atMost && end < to && Unicode.isNumber(text.codePointAt(end)); n++) {
            end += Character.charCount(text.codePointAt(end));
        }
        return end;
    }

    private static int others(String text, int from, int to) {
        int end = from;
        while (end < to && isOther(text.codePointAt(end))) {
            end += Character.charCount(text.codePointAt(end));
        }
        return end;
    }

    private static boolean isOther(int codePoint) {
        return !Unicode.isSpace(codePoint) && !Unicode.isLetter(codePoint) && !Unicode.isNumber(codePoint);
    }

    private static int lineEnds(String text, int from, int to) {
        int end = from;
        while (end < to && (text.charAt(end) == '\r' || text.charAt(end) == '\n')) {
            end++;
        }
        return end;
    }

    /// `\s+(?!\S)|\s+`: a run of white space, without its last character if something follows it.
    private static int spaces(String text, int from, int to) {
        int end = from;
        while (end < to && Unicode.isSpace(text.charAt(end))) {
            end++;
        }
        return end == to || end - from == 1 ? end : end - 1;
    }
}
