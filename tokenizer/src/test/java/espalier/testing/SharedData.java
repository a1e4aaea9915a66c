package espalier.testing;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/// Folders of golden data, named by system properties whose relative paths are resolved against the project root.
///
/// Where a folder is absent a test is reported as not run, except under `CI=true`, where it fails.
public final class SharedData {
    private SharedData() {}

    /// Golden cases, `espalier.golden`.
    public static Path golden() {
        return required("espalier.golden");
    }

    /// The cases of the golden folder whose names start with a prefix, in order of name; at least one.
    public static List<Path> goldenCases(String prefix) {
        try (Stream<Path> folders = Files.list(golden())) {
            List<Path> cases = folders.filter(folder -> folder.getFileName().toString().startsWith(prefix))
                    .sorted()
                    .toList();
            if (cases.isEmpty()) {
                fail("no golden case in " + golden() + " starts with " + prefix);
            }
            return cases;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Small checkpoints, `espalier.models`.
    public static Path models() {
        return required("espalier.models");
    }

    /// Tokenizers with golden tokenisations, `espalier.tokenizers`.
    public static Path tokenizers() {
        return required("espalier.tokenizers");
    }

    /// Evaluation and training texts, `espalier.data`.
    public static Path data() {
        return required("espalier.data");
    }

    /// The Hugging Face folder of SmolLM2-135M-Instruct, `espalier.smollm2`; not run where the property is unset.
    public static Path smollm2() {
        String folder = System.getProperty("espalier.smollm2", "");
        if (folder.isBlank()) {
            abort("not run: -Despalier.smollm2 does not name the SmolLM2-135M-Instruct folder");
        }
        return required("espalier.smollm2");
    }

    private static Path required(String property) {
        String value = System.getProperty(property, "");
        Path root = Path.of(System.getProperty("espalier.root", ""));
        Path folder = root.resolve(value).normalize();
        if (value.isBlank() || !Files.isDirectory(folder)) {
            String message = property + " names no folder: " + folder;
            if ("true".equals(System.getenv("CI"))) {
                fail(message);
            }
            abort("not run: " + message);
        }
        return folder;
    }
}
