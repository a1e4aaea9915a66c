package espalier.engine.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class RunLockTest {
    @TempDir
    Path out;

    private Path run;
    private Path file;

    @BeforeEach
    void makeRun() throws IOException {
        run = Files.createDirectory(out.resolve("run"));
        file = run.resolve("lock");
    }

    @Test
    void isHeldOnceAndNamesItsHolder() throws IOException {
        String pid = Long.toString(ProcessHandle.current().pid());
        try (RunLock _ = RunLock.take(out, run).orElseThrow()) {
            var e = assertThrows(IOException.class, () -> RunLock.take(out, run));
            assertEquals("the run at " + out + " is in use by process " + pid, e.getMessage());
        }
        RunLock.take(out, run).orElseThrow().close();
        assertEquals(pid + "\n", Files.readString(file));
    }

    /// A holder that came to nothing deletes its file after another process has opened it.
    @Test
    @DisabledOnOs(OS.WINDOWS)
    void aFileWithoutANameIsNoLock() throws IOException {
        assertTrue(RunLock.take(out, run, () -> Files.delete(file)).isEmpty());
        assertFalse(Files.exists(file));
        RunLock.take(out, run).orElseThrow().close();
    }

    /// And a third one makes a new file of that name, and holds it.
    @Test
    @DisabledOnOs(OS.WINDOWS)
    void aFileThatLostItsNameToAnotherIsNoLock() throws IOException {
        Optional<RunLock> lock = RunLock.take(out, run, () -> {
            Files.delete(file);
            Files.writeString(file, "77\n");
        });
        assertTrue(lock.isEmpty());
        assertEquals("77\n", Files.readString(file), "the other's file is as it was");
        RunLock.take(out, run).orElseThrow().close();
    }

    @Test
    void aFolderThatIsGoneIsToBeMadeAgain() throws IOException {
        Files.delete(run);
        assertTrue(RunLock.take(out, run).isEmpty());
        try (RunFolder _ = RunFolder.claim(out, RunFolder.Opening.NEW)) {
            assertTrue(Files.exists(file));
        }
    }
}
