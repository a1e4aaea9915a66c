package espalier.engine.weights;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The JSON header of a safetensors file, parsed and checked, or encoded.
///
/// The checks are those of the reference implementation and a few more: names may not come twice, text may not hold
/// half a surrogate pair, numbers may not pass 2^63 - 1.
///
/// @param metadata the `__metadata__` entries; empty where the header has none
/// @param tensors in the order of their data
record SafetensorsHeader(Map<String, String> metadata, List<TensorInfo> tensors) {
    /// Bytes before the header: its length.
    static final int PREFIX_BYTES = 8;
    /// The format's limit of the header's length.
    static final int MAX_BYTES = 100_000_000;

    static final String METADATA = "__metadata__";

    /// @param json the header
    /// @param dataBytes bytes of the file after the header
    static SafetensorsHeader parse(Path file, byte[] json, long dataBytes) throws IOException {
        String label = file + ": header";
        Map<String, String> metadata = new LinkedHashMap<>();
        List<TensorInfo> tensors = new ArrayList<>();
        try (JsonParser parser = StrictJson.parser(json, label)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw new CheckpointException(label + " is not a JSON object");
            }
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String name = parser.currentName();
                StrictJson.requireWholeCharacters(name, label);
                parser.nextToken();
                if (name.equals(METADATA)) {
                    readMetadata(parser, label, metadata);
                } else {
                    tensors.add(readTensor(parser, file, name));
                }
            }
            StrictJson.expectEnd(parser, label);
        } catch (JsonProcessingException e) {
            throw StrictJson.invalid(label, e);
        }
        tensors.sort(Comparator.comparingLong(TensorInfo::begin).thenComparingLong(TensorInfo::end));
        checkLayout(file, tensors, dataBytes);
        return new SafetensorsHeader(Collections.unmodifiableMap(metadata), Collections.unmodifiableList(tensors));
    }

    /// The length and the header, padded with spaces so that the data starts at a multiple of 8.
    byte[] encode() throws IOException {
        var json = new ByteArrayOutputStream();
        try (JsonGenerator out = StrictJson.factory().createGenerator(json)) {
            out.writeStartObject();
            if (!metadata.isEmpty()) {
                out.writeObjectFieldStart(METADATA);
                for (Map.Entry<String, String> entry : metadata.entrySet()) {
                    out.writeStringField(entry.getKey(), entry.getValue());
                }
                out.writeEndObject();
            }
            for (TensorInfo tensor : tensors) {
                out.writeObjectFieldStart(tensor.name());
                out.writeStringField("dtype", tensor.type().name());
                out.writeFieldName("shape");
                long[] shape = tensor.shape();
                out.writeArray(shape, 0, shape.length);
                out.writeFieldName("data_offsets");
                out.writeArray(new long[] {tensor.begin(), tensor.end()}, 0, 2);
                out.writeEndObject();
            }
            out.writeEndObject();
        }
        int length = (json.size() + 7) & -8;
        if (length > MAX_BYTES) {
            throw new CheckpointException("a header of " + length + " bytes for " + tensors.size()
                    + " tensors is larger than the format's limit of " + MAX_BYTES);
        }
        byte[] bytes = new byte[PREFIX_BYTES + length];
        Arrays.fill(bytes, (byte) ' ');
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(length).put(json.toByteArray());
        return bytes;
    }

    private static void readMetadata(JsonParser parser, String label, Map<String, String> metadata)
            throws IOException {
        if (parser.currentToken() == JsonToken.VALUE_NULL) {
            return;
        }
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw new CheckpointException(label + ": " + METADATA + " is " + parser.currentToken()
                    + ", expected an object of strings");
        }
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String key = parser.currentName();
            if (parser.nextToken() != JsonToken.VALUE_STRING) {
                throw new CheckpointException(label + ": " + METADATA + " entry " + key + " is "
                        + parser.currentToken() + ", expected a string");
            }
            StrictJson.requireWholeCharacters(key, label);
            StrictJson.requireWholeCharacters(parser.getText(), label);
            metadata.put(key, parser.getText());
        }
    }

    private static TensorInfo readTensor(JsonParser parser, Path file, String name) throws IOException {
        String label = file + ": tensor " + name;
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw new CheckpointException(
                    label + " is " + parser.currentToken() + " in the header, expected an object");
        }
        StoredType type = null;
        long[] shape = null;
        long[] offsets = null;
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String field = parser.currentName();
            parser.nextToken();
            switch (field) {
                case "dtype" -> type = readType(parser, label);
                case "shape" -> shape = readNumbers(parser, label, field);
                case "data_offsets" -> offsets = readNumbers(parser, label, field);
                default -> parser.skipChildren();
            }
        }
        require(type != null, label, "dtype");
        require(shape != null, label, "shape");
        require(offsets != null, label, "data_offsets");
        if (offsets.length != 2) {
            throw new CheckpointException(label + " has " + offsets.length + " data_offsets, expected 2");
        }
        return new TensorInfo(name, type, shape, offsets[0], offsets[1]);
    }

    private static void require(boolean present, String label, String field) {
        if (!present) {
            throw new CheckpointException(label + " has no " + field);
        }
    }

    private static StoredType readType(JsonParser parser, String label) throws IOException {
        if (parser.currentToken() != JsonToken.VALUE_STRING) {
            throw new CheckpointException(label + ": dtype is " + parser.currentToken() + ", expected a string");
        }
        String name = parser.getText();
        return StoredType.named(name)
                .orElseThrow(() -> new CheckpointException(label + " has dtype \"" + name + "\", expected one of "
                        + Arrays.toString(StoredType.values())));
    }

    private static long[] readNumbers(JsonParser parser, String label, String field) throws IOException {
        if (parser.currentToken() != JsonToken.START_ARRAY) {
            throw new CheckpointException(label + ": " + field + " is " + parser.currentToken()
                    + ", expected an array of integers");
        }
        long[] numbers = new long[4];
        int count = 0;
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            if (count == numbers.length) {
                numbers = Arrays.copyOf(numbers, 2 * count);
            }
            numbers[count++] = readNumber(parser, label, field);
        }
        return Arrays.copyOf(numbers, count);
    }

    private static long readNumber(JsonParser parser, String label, String field) throws IOException {
        JsonToken token = parser.currentToken();
        if (token == null || token.isStructStart()) {
            throw new CheckpointException(label + ": " + field + " holds " + token + ", expected integers");
        }
        String text = parser.getText();
        if (token != JsonToken.VALUE_NUMBER_INT || text.startsWith("-")) {
            throw new CheckpointException(label + ": " + field + " holds " + text + ", expected integers from 0");
        }
        try {
            return Long.parseLong(text);
        } catch (NumberFormatException e) {
            throw new CheckpointException(label + ": " + field + " holds " + text + ", larger than 2^63 - 1", e);
        }
    }

    private static void checkLayout(Path file, List<TensorInfo> tensors, long dataBytes) {
        long position = 0;
        for (TensorInfo tensor : tensors) {
            String label = file + ": tensor " + tensor.name();
            if (tensor.begin() != position) {
                throw new CheckpointException(label + " begins at offset " + tensor.begin() + ", expected " + position
                        + " where the data before it ends");
            }
            if (tensor.end() < tensor.begin()) {
                throw new CheckpointException(
                        label + " ends at offset " + tensor.end() + " before it begins at " + tensor.begin());
            }
            long bytes;
            try {
                bytes = tensor.type().bytes(tensor.shape());
            } catch (IllegalArgumentException e) {
                throw new CheckpointException(label + ": " + e.getMessage(), e);
            }
            if (bytes != tensor.bytes()) {
                throw new CheckpointException(label + " has " + tensor.bytes() + " bytes, expected " + bytes + " for "
                        + tensor.type() + " " + Arrays.toString(tensor.shape()));
            }
            position = tensor.end();
        }
        if (position != dataBytes) {
            throw CheckpointException.in(file, "has " + dataBytes + " bytes after the header, expected " + position
                    + " as its tensors end there" + (dataBytes < position ? "; the file is cut short" : ""));
        }
    }
}
