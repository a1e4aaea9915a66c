package espalier.engine.weights;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Typed access to the fields of a JSON object; every failure names the file and the field. JSON null means absent.
///
/// @param json the object
/// @param file shown in messages
/// @param prefix shown before field names, for instance `rope_parameters.`; empty at the top
record ConfigFields(ObjectNode json, String file, String prefix) {
    boolean has(String field) {
        return json.hasNonNull(field);
    }

    CheckpointException failure(String message) {
        return new CheckpointException(file + ": " + message);
    }

    private CheckpointException unexpected(String field, JsonNode actual, String expected) {
        return failure(prefix + field + " is " + actual + ", expected " + expected);
    }

    private JsonNode required(String field, String expected) {
        if (!has(field)) {
            throw failure(prefix + field + " is missing, expected " + expected);
        }
        return json.get(field);
    }

    /// An integer of a range; `4096.0` is not one.
    int integer(String field, int min, int max) {
        String expected = "an integer from " + min + " to " + max;
        return integer(field, required(field, expected), min, max);
    }

    int integer(String field, int min, int max, int absent) {
        return has(field) ? integer(field, min, max) : absent;
    }

    private int integer(String field, JsonNode node, int min, int max) {
        if (!node.isIntegralNumber() || !node.canConvertToInt() || node.intValue() < min || node.intValue() > max) {
            throw unexpected(field, node, "an integer from " + min + " to " + max);
        }
        return node.intValue();
    }

    /// A list of integers, or one integer.
    List<Integer> integers(String field, int min, int max) {
        List<Integer> values = new ArrayList<>();
        if (has(field)) {
            JsonNode node = json.get(field);
            if (node.isArray()) {
                node.forEach(element -> values.add(integer(field, element, min, max)));
            } else {
                values.add(integer(field, node, min, max));
            }
        }
        return List.copyOf(values);
    }

    /// A finite number above 0.
    double positive(String field) {
        JsonNode node = required(field, "a positive number");
        if (!node.isNumber() || !Double.isFinite(node.doubleValue()) || !(node.doubleValue() > 0)) {
            throw unexpected(field, node, "a positive number");
        }
        return node.doubleValue();
    }

    double positive(String field, double absent) {
        return has(field) ? positive(field) : absent;
    }

    boolean flag(String field, boolean absent) {
        if (!has(field)) {
            return absent;
        }
        if (!json.get(field).isBoolean()) {
            throw unexpected(field, json.get(field), "true or false");
        }
        return json.get(field).booleanValue();
    }

    String text(String field) {
        JsonNode node = required(field, "a string");
        if (!node.isTextual()) {
            throw unexpected(field, node, "a string");
        }
        return node.textValue();
    }

    Optional<String> optionalText(String field) {
        return has(field) ? Optional.of(text(field)) : Optional.empty();
    }

    List<String> texts(String field) {
        List<String> values = new ArrayList<>();
        if (has(field)) {
            for (JsonNode node : array(field)) {
                if (!node.isTextual()) {
                    throw unexpected(field, json.get(field), "an array of strings");
                }
                values.add(node.textValue());
            }
        }
        return values;
    }

    JsonNode array(String field) {
        JsonNode node = required(field, "an array");
        if (!node.isArray()) {
            throw unexpected(field, node, "an array");
        }
        return node;
    }

    Optional<ConfigFields> object(String field) {
        if (!has(field)) {
            return Optional.empty();
        }
        return Optional.of(objectAt(json.get(field), field));
    }

    ConfigFields objectAt(JsonNode node, String field) {
        if (!(node instanceof ObjectNode object)) {
            throw unexpected(field, node, "an object");
        }
        return new ConfigFields(object, file, prefix + field + ".");
    }
}
