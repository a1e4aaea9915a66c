package espalier.cli.report;

import java.util.ArrayList;
import java.util.List;

/// Breaks text into lines.
public final class Wrapping {
    private Wrapping() {}

    /// @param text whose white space, line feeds too, only separates words
    /// @param width characters of a line at most, unless a single word is longer
    /// @return the lines, at least one
    public static List<String> lines(String text, int width) {
        List<String> lines = new ArrayList<>();
        StringBuilder line = new StringBuilder();
        for (String word : text.strip().split("\\s+")) {
            if (!line.isEmpty() && line.length() + 1 + word.length() > width) {
                lines.add(line.toString());
                line.setLength(0);
            }
            line.append(line.isEmpty() ? "" : " ").append(word);
        }
        lines.add(line.toString());
        return lines;
    }
}
