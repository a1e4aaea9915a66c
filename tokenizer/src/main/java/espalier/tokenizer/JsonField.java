package espalier.tokenizer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// A value in a JSON file of unknown origin, with its path from the root, so that every error says where it is.
///
/// @param node the value, or a missing node
record JsonField(String file, String path, JsonNode node) {
    private static final int NESTING_LIMIT = 64;
    private static final int QUOTED_LENGTH = 80;
    private static final String LFS_POINTER = "version https://git-lfs";

    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(NESTING_LIMIT)
                            .maxNameLength(1 << 16)
                            .maxStringLength(1 << 20)
                            .maxNumberLength(64)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    // vocabulary pieces are names: not to be kept in the JVM's table of interned strings
                    .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                    .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    /// Reads a whole file: at most `limit` bytes of strict UTF-8, an object without duplicate names, nested at most
    /// 64 deep.
    static JsonField read(Path path, int limit) throws IOException {
        String file = path.toString();
        byte[] bytes;
        try (InputStream in = Files.newInputStream(path)) {
            bytes = in.readNBytes(limit + 1);
        }
        if (bytes.length > limit) {
            throw new TokenizerFormatException(file, "", "larger than the limit of " + limit + " bytes");
        }
        String text = decode(file, bytes);
        if (text.startsWith(LFS_POINTER)) {
            throw new TokenizerFormatException(file, "", "a Git LFS pointer, not the file itself: fetch it first");
        }
        try {
            JsonNode root = MAPPER.readTree(text);
            JsonField field = new JsonField(file, "", root);
            if (!root.isObject()) {
                throw field.error("not a JSON object");
            }
            return field;
        } catch (JsonProcessingException e) {
            throw new TokenizerFormatException(file, "", "not valid JSON: " + firstLine(e.getOriginalMessage())
                    + (e.getLocation() == null ? "" : " (line " + e.getLocation().getLineNr() + ", column "
                            + e.getLocation().getColumnNr() + ")"));
        }
    }

    private static String decode(String file, byte[] bytes) throws TokenizerFormatException {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        CharBuffer out = CharBuffer.allocate(bytes.length);
        CoderResult result = StandardCharsets.UTF_8.newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT)
                .decode(in, out, true);
        if (result.isError()) {
            throw new TokenizerFormatException(file, "", "not valid UTF-8 at byte " + in.position());
        }
        String text = out.flip().toString();
        if (text.startsWith("\uFEFF")) {
            throw new TokenizerFormatException(file, "", "begins with a byte order mark, which JSON does not allow");
        }
        return text;
    }

    /// A member, which may be missing.
    JsonField get(String name) {
        JsonNode member = node.get(name);
        return new JsonField(file, path.isEmpty() ? name : path + "." + name,
                member == null ? MissingNode.getInstance() : member);
    }

    /// Whether the member is missing or null.
    boolean isAbsent() {
        return node.isMissingNode() || node.isNull();
    }

    boolean isObject() {
        return node.isObject();
    }

    boolean isArray() {
        return node.isArray();
    }

    /// This field as an object.
    JsonField object() throws TokenizerFormatException {
        if (!node.isObject()) {
            throw expected("an object");
        }
        return this;
    }

    /// A string of whole characters.
    String text() throws TokenizerFormatException {
        if (!node.isTextual()) {
            throw expected("a string");
        }
        return wellFormed(node.textValue());
    }

    /// A string of at least one character.
    String textNotEmpty() throws TokenizerFormatException {
        String text = text();
        if (text.isEmpty()) {
            throw error("is empty");
        }
        return text;
    }

    /// An integer from `low` to `high`, both included.
    int integer(int low, int high) throws TokenizerFormatException {
        if (!node.isIntegralNumber() || !node.canConvertToInt() || node.intValue() < low || node.intValue() > high) {
            throw expected("an integer from " + low + " to " + high);
        }
        return node.intValue();
    }

    /// A boolean; `ifAbsent` where the member is missing or null.
    boolean flag(boolean ifAbsent) throws TokenizerFormatException {
        return isAbsent() ? ifAbsent : flag();
    }

    /// A boolean, which must be there.
    boolean flag() throws TokenizerFormatException {
        if (!node.isBoolean()) {
            throw expected("true or false");
        }
        return node.booleanValue();
    }

    /// The elements of an array.
    List<JsonField> elements() throws TokenizerFormatException {
        if (!node.isArray()) {
            throw expected("an array");
        }
        List<JsonField> elements = new ArrayList<>(node.size());
        for (int i = 0; i < node.size(); i++) {
            elements.add(new JsonField(file, path + "[" + i + "]", node.get(i)));
        }
        return elements;
    }

    /// The members of an object in the order of the file, names being whole characters.
    Map<String, JsonField> members() throws TokenizerFormatException {
        Map<String, JsonField> members = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> member : object().node.properties()) {
            String name = wellFormed(member.getKey());
            members.put(name, new JsonField(file, path + "[" + quote(name) + "]", member.getValue()));
        }
        return members;
    }

    TokenizerFormatException error(String problem) {
        return new TokenizerFormatException(file, path, problem);
    }

    /// The error of a closed choice.
    TokenizerFormatException unsupported(String what, String value) {
        return error(what + " " + quote(value) + " is not supported");
    }

    private TokenizerFormatException expected(String what) {
        String actual = node.isMissingNode() ? "missing"
                : node.isObject() ? "an object" : node.isArray() ? "an array" : brief(node.toString());
        return error("expected " + what + ", is " + actual);
    }

    private String wellFormed(String text) throws TokenizerFormatException {
        if (Unicode.firstLoneSurrogate(text) >= 0) {
            throw error("has a string with a lone surrogate: " + quote(Unicode.wellFormed(text)));
        }
        return text;
    }

    /// A string of the file as an error shows it: in quotes, shortened.
    static String quote(String text) {
        return "\"" + brief(text) + "\"";
    }

    private static String brief(String text) {
        StringBuilder shown = new StringBuilder();
        text.codePoints().limit(QUOTED_LENGTH).forEach(c -> {
            if (Character.isISOControl(c)) {
                shown.append("\\u%04x".formatted(c));
            } else {
                shown.appendCodePoint(c);
            }
        });
        boolean shortened = text.codePointCount(0, text.length()) > QUOTED_LENGTH;
        return shortened ? shown.append('…').toString() : shown.toString();
    }

    private static String firstLine(String text) {
        return brief(text.lines().findFirst().orElse(""));
    }
}
