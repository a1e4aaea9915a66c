package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.testing.SharedData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/// Short runs of `prune` on small models, and looks at what they made.
final class PruneRuns {
    static final ObjectMapper JSON = new ObjectMapper();

    private PruneRuns() {}

    static Path model(String name) {
        return SharedData.models().resolve(name);
    }

    /// The smallest model with grouped queries: 5 layers, 4 key/value groups of 2 heads, 172 FFN channels.
    static Path small() {
        return model("stories260k");
    }

    static Path story() {
        return SharedData.models().resolve("eval-story.txt");
    }

    /// Runs `prune` on the small model with two samples of 32 tokens.
    static Cli prune(Path out, Object... more) {
        return pruneModel(small(), out, more);
    }

    static Cli pruneModel(Path model, Path out, Object... more) {
        return with(
                List.of(
                        "prune", "--model", model, "--out", out, "--calibration", story(), "--samples", 2, "--tokens",
                        32),
                more);
    }

    /// Runs `prune` on the small model without calibration data.
    static Cli pruneWithoutData(Path out, Object... more) {
        return with(List.of("prune", "--model", small(), "--out", out), more);
    }

    private static Cli with(List<Object> fixed, Object... more) {
        return Cli.run(Stream.concat(fixed.stream(), Stream.of(more)).toArray());
    }

    static Path copy(Path model, Path to) throws IOException {
        Files.createDirectory(to);
        try (Stream<Path> files = Files.list(model)) {
            for (Path file : files.toList()) {
                // Not Files.copy, which copies the permissions of files that may be read-only.
                Files.write(to.resolve(file.getFileName()), Files.readAllBytes(file));
            }
        }
        return to;
    }

    static ObjectNode config(Path folder) throws IOException {
        return (ObjectNode) JSON.readTree(folder.resolve("config.json").toFile());
    }

    static JsonNode inspect(Path folder) {
        return Cli.run("inspect", folder, "--json").json();
    }

    /// A number of each layer, as `inspect` shows it.
    static List<Integer> layers(Path folder, String key) {
        return StreamSupport.stream(inspect(folder).get("layers").spliterator(), false)
                .map(layer -> layer.get(key).intValue())
                .toList();
    }

    static void assertSameWeights(Path a, Path b) throws IOException {
        assertEquals(-1, Files.mismatch(a.resolve("model.safetensors"), b.resolve("model.safetensors")));
        assertEquals(config(a), config(b));
    }

    static Set<String> names(Path folder) throws IOException {
        Set<String> names = new TreeSet<>();
        try (Stream<Path> files = Files.list(folder)) {
            files.forEach(file -> names.add(file.getFileName().toString()));
        }
        return names;
    }
}
