package espalier.engine.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/// JSON as untrusted files may use it: strict UTF-8 without a byte order mark, no key twice, no lone surrogate,
/// nothing after the value, at most 128 levels.
///
/// The bytes are decoded here and not by the parser, which would guess UTF-16 and UTF-32 from the first bytes.
public final class StrictJson {
    /// No JSON file of a checkpoint is larger; a safetensors header has the same limit.
    static final int MAX_BYTES = 100_000_000;

    /// Five to a tensor: four hundred thousand tensors.
    private static final int MAX_COMMAS = 2_000_000;
    private static final int MAX_DEPTH = 128;
    private static final byte[] LFS_POINTER = "version https://git-lfs".getBytes(StandardCharsets.US_ASCII);

    private static final JsonFactory FACTORY = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_DEPTH)
                    .maxNameLength(MAX_BYTES)
                    .maxStringLength(MAX_BYTES)
                    .build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            // A shared table of names would keep those of every hostile file.
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .build();
    private static final ObjectMapper MAPPER = new ObjectMapper(FACTORY);

    private StrictJson() {}

    /// Reads a file that holds one JSON object.
    ///
    /// @param file the file
    /// @return the object
    /// @throws CheckpointException if it breaks a rule of this class
    /// @throws IOException if it cannot be read
    public static ObjectNode readObject(Path file) throws IOException {
        byte[] bytes;
        try (InputStream in = Files.newInputStream(file)) {
            bytes = in.readNBytes(MAX_BYTES + 1);
        }
        if (bytes.length > MAX_BYTES) {
            throw CheckpointException.in(file, "is larger than " + MAX_BYTES + " bytes, the limit for a JSON file");
        }
        refuseLfsPointer(file, bytes);
        return parseObject(bytes, file.toString());
    }

    /// @param label the file, and the part of it, that messages name
    static ObjectNode parseObject(byte[] utf8, String label) throws IOException {
        try (JsonParser parser = parser(utf8, label)) {
            JsonNode node = MAPPER.readTree(parser);
            if (!(node instanceof ObjectNode object)) {
                throw new CheckpointException(label + " is not a JSON object");
            }
            expectEnd(parser, label);
            requireWholeCharacters(object, label);
            return object;
        } catch (JsonProcessingException e) {
            throw invalid(label, e);
        }
    }

    /// A parser over bytes that were checked to be UTF-8; it reports broken rules as [JsonProcessingException].
    static JsonParser parser(byte[] utf8, String label) throws IOException {
        if (utf8.length >= 3 && utf8[0] == (byte) 0xEF && utf8[1] == (byte) 0xBB && utf8[2] == (byte) 0xBF) {
            throw new CheckpointException(label + " starts with a byte order mark, expected plain UTF-8");
        }
        requireUtf8(utf8, label);
        requireFewEntries(utf8, label);
        return FACTORY.createParser(new InputStreamReader(new ByteArrayInputStream(utf8), StandardCharsets.UTF_8));
    }

    static void expectEnd(JsonParser parser, String label) throws IOException {
        JsonToken token = parser.nextToken();
        if (token != null) {
            throw new CheckpointException(label + " has " + token + " after its end");
        }
    }

    static CheckpointException invalid(String label, JsonProcessingException e) {
        long at = e.getLocation() == null ? -1 : e.getLocation().getCharOffset();
        String where = at < 0 ? "" : " (at character " + at + ")";
        return new CheckpointException(label + ": " + e.getOriginalMessage() + where, e);
    }

    /// @return whether every surrogate of the text is one of a pair
    static boolean hasWholeCharacters(String text) {
        return text.codePoints().noneMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE);
    }

    static void requireWholeCharacters(String text, String label) {
        if (!hasWholeCharacters(text)) {
            throw new CheckpointException(label + " has half a surrogate pair in the text \"" + text + "\"");
        }
    }

    /// @param start the first bytes of the file
    static void refuseLfsPointer(Path file, byte[] start) {
        if (start.length >= LFS_POINTER.length
                && ByteBuffer.wrap(start, 0, LFS_POINTER.length).equals(ByteBuffer.wrap(LFS_POINTER))) {
            throw CheckpointException.in(
                    file, "is a Git LFS pointer, not the file itself; fetch it with \"git lfs pull\"");
        }
    }

    /// Indented as the Python tools write it, with a final line feed.
    static String pretty(JsonNode node) throws IOException {
        var indenter = new DefaultIndenter("  ", "\n");
        var printer = new DefaultPrettyPrinter(Separators.createDefaultInstance()
                        .withObjectFieldValueSpacing(Separators.Spacing.AFTER))
                .withObjectIndenter(indenter)
                .withArrayIndenter(indenter);
        return MAPPER.writer(printer).writeValueAsString(node) + "\n";
    }

    static ObjectNode newObject() {
        return MAPPER.createObjectNode();
    }

    static JsonFactory factory() {
        return FACTORY;
    }

    private static void requireUtf8(byte[] bytes, String label) {
        CharsetDecoder decoder = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
        ByteBuffer in = ByteBuffer.wrap(bytes);
        CharBuffer out = CharBuffer.allocate(8192);
        CoderResult result;
        do {
            out.clear();
            result = decoder.decode(in, out, true);
        } while (result.isOverflow());
        if (result.isError()) {
            throw new CheckpointException(label + " is not UTF-8 at byte " + in.position());
        }
    }

    /// A parsed entry takes many times its bytes, and all but the first of an object or array need a comma.
    private static void requireFewEntries(byte[] utf8, String label) {
        int commas = 0;
        for (byte b : utf8) {
            commas += b == ',' ? 1 : 0;
        }
        if (commas > MAX_COMMAS) {
            throw new CheckpointException(label + " has " + commas + " commas, expected at most " + MAX_COMMAS);
        }
    }

    private static void requireWholeCharacters(JsonNode node, String label) {
        if (node.isTextual()) {
            requireWholeCharacters(node.textValue(), label);
        }
        for (Map.Entry<String, JsonNode> field : node.properties()) {
            requireWholeCharacters(field.getKey(), label);
        }
        for (JsonNode child : node) {
            requireWholeCharacters(child, label);
        }
    }
}
