package espalier.engine.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TemporaryFolderTest {
    @TempDir
    private Path folder;

    @Test
    void closingDeletesIt() throws Exception {
        try (TemporaryFolder temporary = TemporaryFolder.create(folder, "espalier-test")) {
            Path path = temporary.path();
            assertEquals(folder, path.getParent());
            assertTrue(path.getFileName().toString().startsWith("espalier-test"));
            Files.writeString(Files.createDirectory(path.resolve("a")).resolve("b"), "c");
        }
        assertEquals(List.of(), names());
    }

    /// Makes one, says so, and waits for its end.
    static final class Holder {
        private Holder() {}

        public static void main(String[] arguments) throws Exception {
            try (TemporaryFolder temporary = TemporaryFolder.create(Path.of(arguments[0]), "espalier-test")) {
                Files.writeString(temporary.path().resolve("a"), "b");
                System.out.println("made");
                Thread.sleep(60_000);
            }
        }
    }

    @Test
    void terminationDeletesIt() throws Exception {
        Process process = new ProcessBuilder(
                        ProcessHandle.current().info().command().orElseThrow(),
                        "-cp", System.getProperty("java.class.path"),
                        Holder.class.getName(), folder.toString())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        try {
            assertEquals("made", process.inputReader().readLine());
            assertEquals(1, names().size());
            process.destroy();
            assertTrue(process.waitFor(30, TimeUnit.SECONDS));
            assertEquals(143, process.exitValue());
            assertEquals(List.of(), names());
        } finally {
            process.destroyForcibly();
        }
    }

    private List<String> names() throws Exception {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }
}
