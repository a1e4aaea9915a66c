package espalier.eval.data;

import espalier.eval.JsonArray;
import espalier.eval.JsonRow;
import espalier.eval.TextFormatException;
import espalier.eval.TextSource;
import espalier.eval.Utf8Reader;
import java.io.IOException;
import java.util.Optional;
import java.util.function.Consumer;

/// The rows of a file of training data, one by one. A document of plain text is a text row, unless it is blank.
final class RowReader {
    private final Utf8Reader in;
    private final Consumer<TrainingRow> rows;

    private RowReader(Utf8Reader in, Consumer<TrainingRow> rows) {
        this.in = in;
        this.rows = rows;
    }

    /// Reads a file to its end.
    ///
    /// @param in at its beginning
    /// @param forced format; told by the file's content and name if empty
    /// @param rows is given each row
    /// @return the format
    /// @throws TextFormatException if it is malformed, naming the line or element
    /// @throws IOException if it cannot be read
    static TrainingFormat read(Utf8Reader in, Optional<TrainingFormat> forced, Consumer<TrainingRow> rows)
            throws IOException {
        in.skipByteOrderMark();
        String name = in.file().getFileName().toString();
        String beginning = in.peek();
        TrainingFormat format = forced.orElseGet(() -> TrainingFormat.detect(name, beginning));
        RowReader reader = new RowReader(in, rows);
        switch (format) {
            case TEXT -> reader.readText();
            case JSON_LINES -> reader.readLines();
            case JSON_ARRAY -> reader.readArray();
        }
        return format;
    }

    /// The line feed before the line that ends a document belongs to that line.
    private void readText() throws IOException {
        StringBuilder document = new StringBuilder();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            if (line.strip().equals(TextSource.DOCUMENT_END)) {
                int length = document.length();
                document.setLength(length > 0 && document.charAt(length - 1) == '\n' ? length - 1 : length);
                addDocument(document);
            } else if (document.length() + line.length() >= Utf8Reader.MOST) {
                throw new TextFormatException("%s has a document of %d characters or more, expected fewer; a line %s"
                        .formatted(in.file(), Utf8Reader.MOST, TextSource.DOCUMENT_END) + " ends a document");
            } else {
                document.append(line);
            }
        }
        addDocument(document);
    }

    private void addDocument(StringBuilder document) {
        String text = document.toString();
        document.setLength(0);
        if (!text.isBlank()) {
            rows.accept(new TrainingRow.Text(text));
        }
    }

    private void readLines() throws IOException {
        long number = 0;
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            number++;
            if (!line.isBlank()) {
                rows.accept(TrainingRow.of(JsonRow.parse(in.file() + ": line " + number, line)));
            }
        }
    }

    private void readArray() throws IOException {
        JsonArray array = new JsonArray(in);
        for (Optional<JsonRow> row = array.next(); row.isPresent(); row = array.next()) {
            rows.accept(TrainingRow.of(row.get()));
        }
    }
}
