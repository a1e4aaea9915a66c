package espalier.eval;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/// A file of text: plain (`.txt`, `.raw`, `.tokens`), or JSON Lines whose field `text` counts (`.jsonl`), either
/// compressed (`.gz`). It is read whole and must be UTF-8 throughout.
public final class TextSource {
    /// A compressed file may claim any size; larger texts than this are not evaluated as one string.
    private static final int MOST_BYTES = 1 << 30;

    private static final String JSON_FIELD = "text";
    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

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
        if (Files.isDirectory(file)) {
            throw new TextFormatException(file + " is a folder, expected a text file");
        }
        String name = file.getFileName().toString();
        boolean compressed = name.endsWith(".gz");
        String plainName = compressed ? name.substring(0, name.length() - ".gz".length()) : name;
        String text = decode(file, compressed ? decompress(file) : readPlain(file));
        if (Whitespace.trim(text).isEmpty()) {
            throw new TextFormatException(file + " holds no text");
        }
        return new TextSource(file, plainName.endsWith(".jsonl"), text);
    }

    private static byte[] readPlain(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            return readBounded(file, in);
        }
    }

    private static byte[] decompress(Path file) throws IOException {
        byte[] compressed = readPlain(file);
        try (InputStream in = new GZIPInputStream(new ByteArrayInputStream(compressed))) {
            return readBounded(file, in);
        } catch (ZipException | EOFException e) {
            throw new TextFormatException(file + " is not a complete gzip file: " + e.getMessage(), e);
        }
    }

    private static byte[] readBounded(Path file, InputStream in) throws IOException {
        byte[] bytes = in.readNBytes(MOST_BYTES);
        if (bytes.length == MOST_BYTES) {
            throw new TextFormatException(file + " has " + MOST_BYTES + " bytes of text or more, expected fewer");
        }
        return bytes;
    }

    private static String decode(Path file, byte[] bytes) throws TextFormatException {
        CharsetDecoder decoder = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
        ByteBuffer in = ByteBuffer.wrap(bytes);
        CharBuffer out = CharBuffer.allocate(bytes.length);
        CoderResult result = decoder.decode(in, out, true);
        if (result.isError()) {
            int bad = in.position();
            throw new TextFormatException("%s: line %d: byte 0x%02x at offset %d is not UTF-8"
                    .formatted(file, lineOf(bytes, bad), bytes[bad] & 0xFF, bad));
        }
        return out.flip().toString();
    }

    private static int lineOf(byte[] bytes, int offset) {
        int line = 1;
        for (int i = 0; i < offset; i++) {
            if (bytes[i] == '\n') {
                line++;
            }
        }
        return line;
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
                rows.add(textOf(line, number));
            }
        }
        return rows;
    }

    private String textOf(String line, int number) throws TextFormatException {
        JsonNode row;
        try {
            row = JSON.readTree(line);
        } catch (JsonProcessingException e) {
            throw new TextFormatException(file + ": line " + number + ": not JSON: " + e.getOriginalMessage(), e);
        }
        JsonNode field = row.path(JSON_FIELD);
        if (!field.isTextual()) {
            String found = field.isMissingNode() ? "is missing" : "is " + field.getNodeType();
            throw new TextFormatException(
                    file + ": line " + number + ": field " + JSON_FIELD + " " + found + ", expected a string");
        }
        return field.textValue();
    }
}
