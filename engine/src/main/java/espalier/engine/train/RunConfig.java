package espalier.engine.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Everything that the bits of a run depend on, as sections of settings: options, hashes of the data and of the model,
/// backend, lane bits, threads, version.
///
/// @param json nested objects of settings; copied
/// @param free dotted paths of settings, or of whole sections, that may differ when the run is resumed, for instance
///     `output.save_every`
public record RunConfig(ObjectNode json, Set<String> free) {
    /// Marks the file as one of a run; its value is the version of the folder's layout.
    static final String MARKER = "espalier_run";

    private static final ObjectMapper MAPPER = new ObjectMapper();

    /// Copies both. What was given as a value and what is read back from the file are the same.
    ///
    /// @throws IllegalArgumentException if a section has the name that marks the file
    public RunConfig {
        if (json.has(MARKER)) {
            throw new IllegalArgumentException("a configuration must not have a section " + MARKER);
        }
        try {
            json = (ObjectNode) MAPPER.readTree(json.toString());
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("the configuration is not JSON: " + e.getOriginalMessage(), e);
        }
        free = Set.copyOf(free);
    }

    /// A setting that is not what it was.
    ///
    /// @param path of the setting, its sections separated by dots
    /// @param was its value in the folder, as JSON but for plain texts; "absent" where it had none
    /// @param is its value now
    public record Difference(String path, String was, String is) {
        @Override
        public String toString() {
            return path + " is " + is + ", was " + was;
        }
    }

    /// All differences, free settings as well.
    ///
    /// @param old configuration that a run was started with
    /// @return in the order of this configuration, then of the old one
    List<Difference> differencesTo(ObjectNode old) {
        Map<String, JsonNode> before = new LinkedHashMap<>();
        Map<String, JsonNode> now = new LinkedHashMap<>();
        flatten("", old, before);
        flatten("", json, now);
        Set<String> paths = new LinkedHashSet<>(now.keySet());
        paths.addAll(before.keySet());
        List<Difference> differences = new ArrayList<>();
        for (String path : paths) {
            JsonNode was = before.get(path);
            JsonNode is = now.get(path);
            if (is == null || !is.equals(was)) {
                differences.add(new Difference(path, shown(was), shown(is)));
            }
        }
        return differences;
    }

    /// @param old configuration that a run was started with
    /// @return the differences that are not free, in that order
    List<Difference> bindingDifferencesTo(ObjectNode old) {
        return differencesTo(old).stream()
                .filter(difference -> !isFree(difference.path()))
                .toList();
    }

    /// @return these settings without what ran them: all that decides about a result that is there already
    public RunConfig withoutMachine() {
        ObjectNode settings = json.deepCopy();
        settings.remove(RunDescription.MACHINE);
        return new RunConfig(settings, free);
    }

    /// @return a copy of the settings without those that are free, for a configuration that this one is a part of
    public ObjectNode binding() {
        return binding("", json);
    }

    private ObjectNode binding(String prefix, ObjectNode object) {
        ObjectNode binding = object.objectNode();
        for (Map.Entry<String, JsonNode> field : object.properties()) {
            String path = prefix + field.getKey();
            if (!isFree(path)) {
                JsonNode value = field.getValue();
                binding.set(
                        field.getKey(),
                        value instanceof ObjectNode section ? binding(path + ".", section) : value.deepCopy());
            }
        }
        return binding;
    }

    /// @return whether the setting at a path, or a section it lies in, may differ
    private boolean isFree(String path) {
        for (int end = path.length(); end > 0; end = path.lastIndexOf('.', end - 1)) {
            if (free.contains(path.substring(0, end))) {
                return true;
            }
        }
        return false;
    }

    private static void flatten(String prefix, ObjectNode object, Map<String, JsonNode> leaves) {
        for (Map.Entry<String, JsonNode> field : object.properties()) {
            if (field.getValue() instanceof ObjectNode section) {
                flatten(prefix + field.getKey() + ".", section, leaves);
            } else {
                leaves.put(prefix + field.getKey(), field.getValue());
            }
        }
    }

    private static String shown(JsonNode value) {
        if (value == null) {
            return "absent";
        }
        return value.isTextual() ? value.textValue() : value.toString();
    }
}
