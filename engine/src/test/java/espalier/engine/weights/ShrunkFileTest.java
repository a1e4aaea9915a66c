package espalier.engine.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What happens to a mapped file that changes in place.
class ShrunkFileTest {
    private static final int ELEMENTS = 1 << 20;

    @TempDir
    Path folder;

    private Path file;
    private Checkpoint model;

    @BeforeEach
    void open() throws IOException {
        file = SmallModel.write(folder, SmallModel.config(), List.of(
                        TensorToWrite.ofFloats("w", StoredType.F32, new long[] {ELEMENTS}, new float[ELEMENTS])))
                .resolve("model.safetensors");
        model = Checkpoint.open(folder);
        model.verifyUnchanged();
    }

    @AfterEach
    void close() {
        model.close();
    }

    @Test
    void verifyNamesTheFileThatShrank() throws IOException {
        long size = Files.size(file);
        truncate(size - 4);
        var e = assertThrows(CheckpointException.class, model::verifyUnchanged);
        assertEquals(
                file + ": changed while it was open: it has " + (size - 4) + " bytes, expected " + size,
                e.getMessage());
        // What is left of the last page reads as zeros, so the scan alone would not notice.
        assertThrows(CheckpointException.class, () -> model.checkFinite(bytes -> {}));
    }

    @Test
    void verifyNamesTheFileThatWasModified() throws IOException {
        FileTime before = Files.getLastModifiedTime(file);
        FileTime after = FileTime.from(before.toInstant().plusSeconds(2));
        Files.setLastModifiedTime(file, after);
        var e = assertThrows(CheckpointException.class, model::verifyUnchanged);
        assertEquals(
                file + ": changed while it was open: it was modified at " + after + ", expected " + before,
                e.getMessage());
    }

    @Test
    void deletedOrReplacedFilesStayReadable() throws IOException {
        Files.delete(file);
        model.verifyUnchanged();
        SafetensorsWriter.write(file, Map.of(), List.of());
        model.verifyUnchanged();
        assertEquals(ELEMENTS, model.get("w").toFloats().length);
    }

    @Test
    void readingPagesThatAreGoneIsAnException() throws IOException {
        // Compiled code must behave as interpreted code does.
        for (int i = 0; i < 30; i++) {
            model.checkFinite(bytes -> {});
            assertEquals(ELEMENTS, model.get("w").toFloats().length);
        }
        truncate(4096);
        StoredTensor tensor = model.get("w");
        assertUnreadable(() -> NonFiniteScan.check(tensor, bytes -> {}));
        assertUnreadable(tensor::toFloats);
        assertUnreadable(tensor::toDoubles);
        try (Arena arena = Arena.ofConfined()) {
            assertUnreadable(() -> tensor.slice(arena, new StoredTensor.Range(0, ELEMENTS)));
        }
    }

    @Test
    void copyingAShrunkenFileLeavesNoFile() throws IOException {
        TensorToWrite copy = TensorToWrite.of(model.get("w"));
        truncate(4096);
        Path target = folder.resolve("copy.safetensors");
        assertUnreadable(() -> {
            try {
                SafetensorsWriter.write(target, Map.of(), List.of(copy));
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        });
        try (var files = Files.list(folder)) {
            assertEquals(2, files.count());
        }
    }

    private void assertUnreadable(Runnable read) {
        var e = assertThrows(CheckpointException.class, read::run);
        assertTrue(e.getMessage().startsWith(file + ": could not be read where it is mapped; did it shrink"));
        assertInstanceOf(InternalError.class, e.getCause());
    }

    private void truncate(long size) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(size);
        }
    }
}
