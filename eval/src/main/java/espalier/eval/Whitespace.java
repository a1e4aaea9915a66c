package espalier.eval;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

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
        return parts(text, line -> trim(line).isEmpty());
    }

    /// The parts between lines of some kind, trimmed, without empty ones.
    static List<String> parts(String text, Predicate<String> separates) {
        List<String> parts = new ArrayList<>();
        StringBuilder current = new StringBuilder();
        for (String line : text.split("\n", -1)) {
            if (separates.test(line)) {
                addTo(parts, current);
            } else {
                current.append(line).append('\n');
            }
        }
        addTo(parts, current);
        return parts;
    }

    private static void addTo(List<String> parts, StringBuilder part) {
        String trimmed = trim(part.toString());
        if (!trimmed.isEmpty()) {
            parts.add(trimmed);
        }
        part.setLength(0);
    }
}
