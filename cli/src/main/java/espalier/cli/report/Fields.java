package espalier.cli.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.stream.IntStream;

/// Reads numbers out of JSON objects, with errors that name the object and the key.
///
/// @param place what the object is, for messages, e.g. `metrics line 12`
/// @param node the object
record Fields(String place, ObjectNode node) {
    boolean has(String key) {
        return node.hasNonNull(key);
    }

    /// @throws IllegalArgumentException if it is missing or no text
    String text(String key) {
        JsonNode value = node.get(key);
        if (value == null || !value.isTextual()) {
            throw new IllegalArgumentException(value == null ? place + " has no '" + key + "'"
                    : "%s: '%s' is %s, expected text".formatted(place, key, value));
        }
        return value.textValue();
    }

    /// @return the number, which may be NaN or infinite (JSON writes those as strings)
    /// @throws IllegalArgumentException if it is missing or no number
    double number(String key) {
        return optional(key).orElseThrow(() -> new IllegalArgumentException(place + " has no '" + key + "'"));
    }

    /// @throws IllegalArgumentException if it is missing or no whole number
    long whole(String key) {
        double value = number(key);
        if (value != Math.rint(value) || Math.abs(value) > 1L << 53) {
            throw new IllegalArgumentException(
                    "%s: '%s' is %s, expected a whole number".formatted(place, key, node.get(key)));
        }
        return (long) value;
    }

    /// @return empty if the key is missing or null
    /// @throws IllegalArgumentException if it is there and no number
    OptionalDouble optional(String key) {
        JsonNode value = node.get(key);
        if (value == null || value.isNull()) {
            return OptionalDouble.empty();
        }
        return switch (value.isTextual() ? value.textValue() : "") {
            case "NaN" -> OptionalDouble.of(Double.NaN);
            case "Infinity" -> OptionalDouble.of(Double.POSITIVE_INFINITY);
            case "-Infinity" -> OptionalDouble.of(Double.NEGATIVE_INFINITY);
            default -> {
                if (!value.isNumber()) {
                    throw new IllegalArgumentException(
                            "%s: '%s' is %s, expected a number".formatted(place, key, value));
                }
                yield OptionalDouble.of(value.doubleValue());
            }
        };
    }

    /// @throws IllegalArgumentException if it is missing or no object
    Fields inner(String key) {
        return of(place + "." + key, present(key));
    }

    /// @return objects, at places like `result.kept.layers[3]`
    /// @throws IllegalArgumentException if it is missing or no array of objects
    List<Fields> inners(String key) {
        if (!(present(key) instanceof ArrayNode array)) {
            throw new IllegalArgumentException(
                    "%s: '%s' is %s, expected an array".formatted(place, key, node.get(key)));
        }
        return IntStream.range(0, array.size())
                .mapToObj(i -> of("%s.%s[%d]".formatted(place, key, i), array.get(i))).toList();
    }

    private static Fields of(String place, JsonNode value) {
        if (!(value instanceof ObjectNode object)) {
            throw new IllegalArgumentException(place + " is " + value + ", expected an object");
        }
        return new Fields(place, object);
    }

    private JsonNode present(String key) {
        if (!has(key)) {
            throw new IllegalArgumentException(place + " has no '" + key + "'");
        }
        return node.get(key);
    }

    /// @return every value as text under its key, in order; those of inner objects under `outer.inner`
    Map<String, String> flat() {
        Map<String, String> values = new LinkedHashMap<>();
        flatten("", node, values);
        return values;
    }

    private static void flatten(String prefix, ObjectNode node, Map<String, String> values) {
        for (Map.Entry<String, JsonNode> entry : node.properties()) {
            String name = prefix + entry.getKey();
            if (entry.getValue() instanceof ObjectNode inner && !inner.isEmpty()) {
                flatten(name + ".", inner, values);
            } else {
                values.put(name, shown(entry.getValue()));
            }
        }
    }

    private static String shown(JsonNode value) {
        if (value.isArray()) {
            StringBuilder items = new StringBuilder();
            value.forEach(item -> items.append(items.isEmpty() ? "" : ", ").append(shown(item)));
            return items.isEmpty() ? "none" : items.toString();
        }
        if (value.isFloatingPointNumber()) {
            return value.asText().replaceFirst("\\.0$", "").replaceFirst("(\\.0)?E", "e");
        }
        return value.isNull() ? "none" : value.isObject() ? value.toString() : value.asText();
    }
}
