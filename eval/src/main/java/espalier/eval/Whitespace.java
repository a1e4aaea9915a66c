package espalier.eval;

import java.util.ArrayList;
import java.util.List;

/// White space as Python's `str.strip` has it, which the published protocols are written in.
final class Whitespace {
    private Whitespace() {}

    static boolean is(char c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == '\u0085';
    }

    static String trim(String text) {
        int from = 0;
        int to = text.length();
        while (from < to && is(text.charAt(from))) {
            from++;
        }
        while (to > from && is(text.charAt(to - 1))) {
            to--;
        }
        return text.substring(from, to);
    }

    /// The parts between blank lines, trimmed, without empty ones.
    static List<String> paragraphs(String text) {
        List<String> paragraphs = new ArrayList<>();
        StringBuilder current = new StringBuilder();
        for (String line : text.split("\n", -1)) {
            if (trim(line).isEmpty()) {
                addTo(paragraphs, current);
            } else {
                current.append(line).append('\n');
            }
        }
        addTo(paragraphs, current);
        return paragraphs;
    }

    private static void addTo(List<String> paragraphs, StringBuilder paragraph) {
        if (!paragraph.isEmpty()) {
            paragraphs.add(trim(paragraph.toString()));
            paragraph.setLength(0);
        }
    }
}
