package espalier.engine.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import espalier.kernels.testing.ChildJvm;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
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

    /// The end of the process comes while something is being renamed: it waits, and what was published is whole.
    @Test
    void deletionWaitsForAPublication() throws Exception {
        Path temporary = Files.createDirectory(folder.resolve(".x.tmp"));
        Files.writeString(temporary.resolve("a"), "1");
        Path target = folder.resolve("x");
        Unfinished unfinished = new Unfinished();
        unfinished.begin(temporary);
        Thread shutdown = new Thread(unfinished::deleteAll);
        unfinished.publish(() -> {
            shutdown.start();
            while (shutdown.getState() != Thread.State.BLOCKED) {
                assertTrue(shutdown.isAlive(), "it deleted while something was being published");
                Thread.onSpinWait();
            }
            Files.move(temporary, target);
        });
        shutdown.join();
        assertEquals("1", Files.readString(target.resolve("a")));
        assertEquals(List.of("x"), names());
    }

    @Test
    void nothingBeginsOrIsPublishedOnceDeletionHasBegun() throws Exception {
        Unfinished unfinished = new Unfinished();
        Path first = Files.createFile(folder.resolve(".a.tmp"));
        Path second = Files.createFile(folder.resolve(".b.tmp"));
        unfinished.begin(first);
        unfinished.begin(second);
        unfinished.end(second);
        assertEquals(List.of(first), unfinished.stop());
        var late = assertThrows(IOException.class, () -> unfinished.publish(() -> fail("must not be published")));
        assertEquals("the process is ending", late.getMessage());
        assertThrows(IOException.class, () -> unfinished.begin(second));
        unfinished.deleteAll();
        assertEquals(List.of(".b.tmp"), names());
    }

    /// Replaces a folder and a file; when each is complete, the process ends and half of it is deleted.
    static final class Ends {
        private Ends() {}

        /// @param args the folder around
        public static void main(String[] args) throws Exception {
            Path around = Path.of(args[0]);
            List<SideFile> old = List.of(SideFile.text("config.json", "{\"model_type\": \"old\"}"));
            Path target = around.resolve("x");
            FolderWriter.write(target, FolderWriter.Kind.CHECKPOINT, false, old);
            Files.writeString(around.resolve("y"), "old");
            try {
                FolderWriter.write(target, FolderWriter.Kind.CHECKPOINT, true, temporary -> {
                    Files.writeString(temporary.resolve("a"), "");
                    Files.writeString(temporary.resolve("config.json"), "{}");
                }, temporary -> {
                    if (!Unfinished.OF_PROCESS.stop().equals(List.of(temporary.toAbsolutePath()))) {
                        throw new IllegalStateException("it is not registered");
                    }
                    Files.delete(temporary.resolve("a"));
                });
            } catch (CannotWriteException e) {
                System.out.println(e.getMessage());
            }
            try {
                DurableFiles.replace(around.resolve("y"), ByteSource.of(MemorySegment.NULL));
            } catch (CannotWriteException e) {
                System.out.println(e.getMessage());
            }
        }
    }

    @Test
    void whatIsHalfDeletedIsNotPublished() throws Exception {
        String output = ChildJvm.run(List.of(), List.of(), Ends.class, folder.toString());
        assertEquals(
                "cannot write %s: the process is ending\ncannot write %s: the process is ending\n"
                        .formatted(folder.resolve("x"), folder.resolve("y")),
                output);
        assertEquals(Set.of("x", "y"), Set.copyOf(names()));
        assertEquals("old", StrictJson.readObject(folder.resolve("x/config.json")).path("model_type").asText());
        assertEquals("old", Files.readString(folder.resolve("y")));
    }

    private List<String> names() throws Exception {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }
}
