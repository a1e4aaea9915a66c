package espalier.eval;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A file of text: plain (`.txt`, `.raw`, `.tokens`), or JSON Lines whose field `text` counts (`.jsonl`), either
/// compressed (`.gz`). It is read whole and must be UTF-8 throughout.
public final class TextSource {
    /// A line that ends a document of plain text.
    public static final String DOCUMENT_END = "<|endoftext|>";

    private static final String JSON_FIELD = "text";

    private final Path file;
    private final boolean jsonLines;
    private final String text;

    private TextSource(Path file, boolean jsonLines, String text) {
        this.file = file;
        this.jsonLines = jsonLines;
        this.text = text;
    }

    /// @param file of one of the kinds above; the kind is told by the name
    /// @return its text
    /// @throws TextFormatException if it is not UTF-8, not complete, too large or holds nothing but white space
    /// @throws IOException if it cannot be read
    public static TextSource read(Path file) throws IOException {
        String text;
        try (Utf8Reader in = Utf8Reader.open(file)) {
            text = in.readAll();
        }
        if (Whitespace.trim(text).isEmpty()) {
            throw new TextFormatException(file + " holds no text");
        }
        String name = file.getFileName().toString();
        String plainName = name.endsWith(".gz") ? name.substring(0, name.length() - ".gz".length()) : name;
        return new TextSource(file, plainName.endsWith(".jsonl"), text);
    }

    /// @return the file
    public Path file() {
        return file;
    }

    /// @return the usual join of this file, by its kind and name
    public Join usualJoin() {
        return jsonLines ? Join.DOCUMENTS : Join.usual(file.getFileName().toString());
    }

    /// @param join how; [Join#DOCUMENTS] is for JSON Lines, all others are for plain text
    /// @return the one string for perplexity on windows
    /// @throws IllegalArgumentException if the join is for the other kind of file
    /// @throws TextFormatException if a line of JSON Lines is malformed
    public JoinedText join(Join join) throws TextFormatException {
        if (jsonLines != (join == Join.DOCUMENTS)) {
            throw new IllegalArgumentException("join %s does not fit %s: JSON Lines have join %s, plain text any other"
                    .formatted(join.optionName(), file, Join.DOCUMENTS.optionName()));
        }
        return new JoinedText(jsonLines ? String.join(Join.BLANK_LINE, rows()) : join.apply(text), join);
    }

    /// @return the parts between blank lines, of JSON Lines those of each row; trimmed, none empty
    /// @throws TextFormatException if a line of JSON Lines is malformed
    public List<String> paragraphs() throws TextFormatException {
        if (!jsonLines) {
            return Whitespace.paragraphs(text);
        }
        return rows().stream().flatMap(row -> Whitespace.paragraphs(row).stream()).toList();
    }

    /// @return whether the file has documents of its own, see [#rows]
    public boolean isJsonLines() {
        return jsonLines;
    }

    /// @return the documents that the file separates: each row of JSON Lines as it is; of plain text what stands
    ///     between lines [#DOCUMENT_END], trimmed, none empty. Nothing if plain text has no such line
    /// @throws TextFormatException if a line of JSON Lines is malformed
    public Optional<List<String>> documents() throws TextFormatException {
        if (jsonLines) {
            return Optional.of(rows());
        }
        return text.lines().anyMatch(TextSource::endsDocument)
                ? Optional.of(Whitespace.parts(text, TextSource::endsDocument))
                : Optional.empty();
    }

    private static boolean endsDocument(String line) {
        return Whitespace.trim(line).equals(DOCUMENT_END);
    }

    /// @return the field `text` of each line of JSON Lines, as it is
    /// @throws IllegalStateException if the file is plain text
    /// @throws TextFormatException if a line is malformed, naming it
    public List<String> rows() throws TextFormatException {
        if (!jsonLines) {
            throw new IllegalStateException(file + " is not JSON Lines");
        }
        List<String> rows = new ArrayList<>();
        int number = 0;
        for (String line : text.split("\n", -1)) {
            number++;
            if (!Whitespace.trim(line).isEmpty()) {
                rows.add(JsonRow.parse(file + ": line " + number, line).string(JSON_FIELD));
            }
        }
        return rows;
    }
}
