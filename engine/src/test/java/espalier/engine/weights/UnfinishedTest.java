package espalier.engine.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A signal in the middle of writing leaves nothing behind.
class UnfinishedTest {
    @TempDir
    Path folder;

    /// Writes the first half of a tensor, says so, and waits for its end.
    static final class Writer {
        private Writer() {}

        public static void main(String[] arguments) throws Exception {
            SafetensorsWriter.write(
                    Path.of(arguments[0]), Map.of(), List.of(new TensorToWrite("x", StoredType.U8, new long[] {2}, out -> {
                        out.write(ByteBuffer.wrap(new byte[] {1}));
                        System.out.println("half");
                        try {
                            Thread.sleep(60_000);
                        } catch (InterruptedException e) {
                            throw new IllegalStateException(e);
                        }
                    })));
        }
    }

    @Test
    void terminationDeletesWhatIsNotComplete() throws Exception {
        Process process = new ProcessBuilder(
                        ProcessHandle.current().info().command().orElseThrow(),
                        "-cp", System.getProperty("java.class.path"),
                        Writer.class.getName(), folder.resolve("x.safetensors").toString())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        try {
            assertEquals("half", process.inputReader().readLine());
            assertEquals(1, names().size(), "the temporary file: " + names());
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
