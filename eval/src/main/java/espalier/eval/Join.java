package espalier.eval;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/// How a text file becomes the one string that perplexity is measured on. Published numbers depend on it to the last
/// blank.
public enum Join {
    /// The raw WikiText releases, as LLM-Pruner and the GPTQ family read them: one row a line, a blank line the empty
    /// string, any other line with its line feed; rows joined by blank lines.
    WIKITEXT,
    /// Penn Treebank, as LLM-Pruner and NutePrune read its validation split: trimmed lines joined by blank lines.
    PTB,
    /// Penn Treebank, as the GPTQ family reads its test split: trimmed lines joined by single blanks.
    LINES,
    /// The file as it is.
    WHOLE,
    /// The fields `text` of a JSON Lines file, joined by blank lines.
    DOCUMENTS;

    static final String BLANK_LINE = "\n\n";

    /// The usual way for a plain text file of this name.
    ///
    /// @param fileName without folders
    /// @return [#WIKITEXT] for `wiki.*`, [#PTB] for `ptb.*`, else [#WHOLE]
    public static Join usual(String fileName) {
        if (fileName.startsWith("wiki.")) {
            return WIKITEXT;
        }
        return fileName.startsWith("ptb.") ? PTB : WHOLE;
    }

    /// @param name as in options, e.g. `wikitext`
    /// @return the constant, if there is one
    public static Optional<Join> named(String name) {
        for (Join join : values()) {
            if (join.optionName().equals(name)) {
                return Optional.of(join);
            }
        }
        return Optional.empty();
    }

    /// @return as in options and results, e.g. `wikitext`
    public String optionName() {
        return name().toLowerCase(Locale.ROOT);
    }

    /// @param text of a plain file
    /// @return the one string
    String apply(String text) {
        return switch (this) {
            case WIKITEXT -> {
                List<String> rows = new ArrayList<>();
                for (String line : lines(text)) {
                    rows.add(Whitespace.trim(line).isEmpty() ? "" : line);
                }
                yield String.join(BLANK_LINE, rows);
            }
            case PTB -> joinTrimmed(text, BLANK_LINE);
            case LINES -> joinTrimmed(text, " ");
            case WHOLE -> text;
            case DOCUMENTS -> throw new IllegalStateException("documents come from JSON Lines, not from plain text");
        };
    }

    private static String joinTrimmed(String text, String separator) {
        return String.join(separator, lines(text).stream().map(Whitespace::trim).toList());
    }

    /// Each with its line feed; the last one may have none.
    private static List<String> lines(String text) {
        List<String> lines = new ArrayList<>();
        int from = 0;
        while (from < text.length()) {
            int feed = text.indexOf('\n', from);
            int to = feed < 0 ? text.length() : feed + 1;
            lines.add(text.substring(from, to));
            from = to;
        }
        return lines;
    }
}
