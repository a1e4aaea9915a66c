package espalier.engine.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.kernels.testing.ChildJvm;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// SIGTERM lets a loop save, but not for ever.
class GracefulStopTest {
    @TempDir
    Path folder;

    /// Waits for the end of the process, then takes its time to save.
    static final class Saves {
        private Saves() {}

        /// @param args the file to save
        public static void main(String[] args) throws Exception {
            try (GracefulStop stop = GracefulStop.register(Duration.ofSeconds(30))) {
                System.out.println("ready");
                while (!stop.requested()) {
                    Thread.sleep(10);
                }
                DurableFiles.replace(Path.of(args[0]), out -> {
                    sleep(500);
                    out.write(ByteBuffer.wrap(new byte[] {1}));
                });
                // What begins once the end is near is asked to stop at once.
                try (GracefulStop late = GracefulStop.register(Duration.ofSeconds(30))) {
                    DurableFiles.replace(
                            Path.of(args[0] + late.requested()), ByteSource.of(MemorySegment.NULL));
                }
            }
            sleep(60_000);
        }
    }

    /// Never asks whether it should stop.
    static final class Hangs {
        private Hangs() {}

        /// @param args the file to write
        public static void main(String[] args) throws Exception {
            try (GracefulStop _ = GracefulStop.register(Duration.ofSeconds(1))) {
                DurableFiles.replace(Path.of(args[0]), out -> {
                    out.write(ByteBuffer.wrap(new byte[] {1}));
                    System.out.println("ready");
                    sleep(60_000);
                });
            }
        }
    }

    private static void sleep(int milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private void terminate(Class<?> main) throws Exception {
        Process process = ChildJvm.start(List.of(), List.of(), main, folder.resolve("file").toString());
        try {
            String line;
            do {
                line = process.inputReader().readLine();
            } while (line != null && line.startsWith("WARNING"));
            assertEquals("ready", line);
            process.destroy();
            assertTrue(process.waitFor(20, TimeUnit.SECONDS));
            assertEquals(143, process.exitValue());
        } finally {
            process.destroyForcibly();
        }
    }

    private List<String> names() throws Exception {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void savesBeforeTheEnd() throws Exception {
        terminate(Saves.class);
        assertEquals(List.of("file", "filetrue"), names());
        assertEquals(1, Files.size(folder.resolve("file")));
    }

    @Test
    void isCutOffAfterItsLimit() throws Exception {
        terminate(Hangs.class);
        assertEquals(List.of(), names());
    }

    @Test
    void isNotRequestedByItself() {
        try (GracefulStop stop = GracefulStop.register(Duration.ofSeconds(1))) {
            assertFalse(stop.requested());
        }
    }
}
