package espalier.eval;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.util.Optional;

/// The elements of a file that holds one JSON array, read one after the other.
public final class JsonArray {
    /// Each element is followed by others, which is no error here.
    private static final ObjectReader ELEMENTS =
            JsonRow.JSON.reader().without(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private final Utf8Reader in;
    private final JsonParser parser;
    private int elements;

    /// @param in at the start of the array; stays the caller's to close
    /// @throws TextFormatException if it is not an array
    /// @throws IOException if it cannot be read
    public JsonArray(Utf8Reader in) throws IOException {
        this.in = in;
        this.parser = JsonRow.JSON.createParser(in);
        JsonToken first = token(in.file().toString());
        if (first != JsonToken.START_ARRAY) {
            throw new TextFormatException(in.file() + " begins with " + first + ", expected an array");
        }
    }

    /// @return the next element, its place `file: element n`, counted from 1; empty at the end, which the array then
    ///     was complete to
    /// @throws TextFormatException if it is not JSON, naming the element
    /// @throws IOException if it cannot be read
    public Optional<JsonRow> next() throws IOException {
        String place = in.file() + ": element " + (elements + 1);
        if (token(place) == JsonToken.END_ARRAY) {
            JsonToken after = token(in.file() + ": after the array");
            if (after != null) {
                throw new TextFormatException(in.file() + " has " + after + " after the array, expected its end");
            }
            return Optional.empty();
        }
        elements++;
        try {
            return Optional.of(new JsonRow(place, ELEMENTS.readTree(parser)));
        } catch (JsonProcessingException e) {
            throw JsonRow.notJson(place, e);
        }
    }

    private JsonToken token(String place) throws IOException {
        try {
            return parser.nextToken();
        } catch (JsonProcessingException e) {
            throw JsonRow.notJson(place, e);
        }
    }
}
