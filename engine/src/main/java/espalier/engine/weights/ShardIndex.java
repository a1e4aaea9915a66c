package espalier.engine.weights;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/// `model.safetensors.index.json`: which shard holds which tensor.
///
/// @param fileOf shard of each tensor, a plain file name
record ShardIndex(Map<String, String> fileOf) {
    static final String FILE_NAME = "model.safetensors.index.json";

    static ShardIndex read(Path file) throws IOException {
        ObjectNode json = StrictJson.readObject(file);
        ConfigFields fields = new ConfigFields(json, file.toString(), "");
        ConfigFields map = fields.object("weight_map")
                .orElseThrow(() -> fields.failure("weight_map is missing, expected an object of file names"));
        Map<String, String> fileOf = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry : map.json().properties()) {
            String tensor = entry.getKey();
            if (!entry.getValue().isTextual() || !isPlainName(entry.getValue().textValue())) {
                throw fields.failure("tensor " + tensor + " is in " + entry.getValue()
                        + ", expected the plain name of a file in the same folder");
            }
            fileOf.put(tensor, entry.getValue().textValue());
        }
        if (fileOf.isEmpty()) {
            throw fields.failure("weight_map is empty");
        }
        return new ShardIndex(fileOf);
    }

    Set<String> files() {
        return new LinkedHashSet<>(fileOf.values());
    }

    String encode(long totalBytes) throws IOException {
        ObjectNode json = StrictJson.newObject();
        json.putObject("metadata").put("total_size", totalBytes);
        ObjectNode map = json.putObject("weight_map");
        fileOf.forEach(map::put);
        return StrictJson.pretty(json);
    }

    /// `model-00001-of-00003.safetensors`.
    ///
    /// @param number from 1
    static String shardName(int number, int count) {
        return String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", number, count);
    }

    /// Whether a name stays in its folder on every system.
    static boolean isPlainName(String name) {
        boolean safe = name.chars().allMatch(c -> c >= ' ' && c != '/' && c != '\\' && c != ':');
        return safe && !name.isBlank() && !name.equals(".") && !name.equals("..");
    }
}
