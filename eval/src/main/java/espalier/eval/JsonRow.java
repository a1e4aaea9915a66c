package espalier.eval;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/// One JSON value of a data file, an object if the file is as it should be; errors say where it stands. A key that
/// occurs twice is an error.
public final class JsonRow {
    static final ObjectMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    /// Jackson's account of where an unfinished object began, which the place says already.
    private static final Pattern START_MARKER = Pattern.compile(" \\(start marker at \\[[^]]*]\\)");

    private final String place;
    private final JsonNode node;

    JsonRow(String place, JsonNode node) {
        this.place = place;
        this.node = node;
    }

    /// @param place of the row in errors, such as `file: line 3`
    /// @param json one value
    /// @return it
    /// @throws TextFormatException if it is not JSON
    public static JsonRow parse(String place, String json) throws TextFormatException {
        try {
            return new JsonRow(place, JSON.readTree(json));
        } catch (JsonProcessingException e) {
            throw notJson(place, e);
        }
    }

    static TextFormatException notJson(String place, JsonProcessingException cause) {
        String reason = START_MARKER.matcher(cause.getOriginalMessage()).replaceAll("");
        return new TextFormatException(place + ": not JSON: " + reason, cause);
    }

    /// @return where it stands, such as `file: line 3`
    public String place() {
        return place;
    }

    /// @return this
    /// @throws TextFormatException if this is not an object
    public JsonRow requireObject() throws TextFormatException {
        if (!node.isObject()) {
            throw new TextFormatException(place + ": " + node.getNodeType() + ", expected an object");
        }
        return this;
    }

    /// @return the names of its fields, in order; none if it is not an object
    public List<String> fields() {
        List<String> names = new ArrayList<>();
        node.fieldNames().forEachRemaining(names::add);
        return names;
    }

    /// @param field a name
    /// @return whether there is such a field
    public boolean has(String field) {
        return node.has(field);
    }

    /// @param field a name
    /// @return whether there is such a field and it is not null
    public boolean hasValue(String field) {
        return node.hasNonNull(field);
    }

    /// @param field a name
    /// @return its string
    /// @throws TextFormatException if there is no such field or it is not a string
    public String string(String field) throws TextFormatException {
        JsonNode value = node.path(field);
        if (!value.isTextual()) {
            String found = value.isMissingNode() ? "is missing" : "is " + value.getNodeType();
            throw new TextFormatException(place + ": field " + field + " " + found + ", expected a string");
        }
        return value.textValue();
    }
}
