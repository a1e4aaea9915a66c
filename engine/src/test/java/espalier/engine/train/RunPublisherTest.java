package espalier.engine.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.train.RunFolder.Opening;
import espalier.engine.weights.CannotWriteException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunPublisherTest {
    @TempDir
    Path folder;

    private Path out;

    @BeforeEach
    void nameOut() {
        out = folder.resolve("x");
    }

    private static final Map<String, String> OLD = Map.of(
            "config.json", "old", "model.safetensors", "old", "adapter/a", "old", "adapter/gone", "old",
            "extra/e", "old");
    private static final Map<String, String> NEW =
            Map.of("config.json", "new", "model.safetensors", "new", "adapter/a", "new", "tokenizer.json", "new");

    private static final Map<String, String> OTHER =
            Map.of("config.json", "other", "model-1.safetensors", "other", "model-2.safetensors", "other");

    private RunFolder open() throws IOException {
        return RunFolder.open(out, RunFolderCase.config(8, 1), Opening.RESUME);
    }

    private static Path build(RunFolder run, Map<String, String> files) throws IOException {
        for (Map.Entry<String, String> file : files.entrySet()) {
            Path path = run.resultFolder().resolve(file.getKey());
            Files.createDirectories(path.getParent());
            Files.writeString(path, file.getValue());
        }
        return run.resultFolder();
    }

    /// All files of X but those of the run.
    private Map<String, String> published() throws IOException {
        Map<String, String> files = new TreeMap<>();
        try (Stream<Path> walk = Files.walk(out)) {
            for (Path file : walk.filter(Files::isRegularFile).toList()) {
                if (!file.startsWith(out.resolve("run"))) {
                    files.put(out.relativize(file).toString().replace('\\', '/'), Files.readString(file));
                }
            }
        }
        return files;
    }

    private void assertPublished(Map<String, String> files, RunFolder run) throws IOException {
        assertEquals(new TreeMap<>(files), published());
        assertTrue(Files.notExists(run.resultFolder()));
        try (Stream<Path> left = Files.list(run.path())) {
            assertTrue(left.noneMatch(path -> path.toString().endsWith(".tmp")));
        }
    }

    @Test
    void movesAllFiles() throws IOException {
        try (RunFolder run = open()) {
            run.publish(build(run, NEW));
            assertPublished(NEW, run);
            Files.writeString(out.resolve("NOTES"), "mine");
            run.publish(build(run, OLD));
            assertEquals("mine", Files.readString(out.resolve("NOTES")));
            Files.delete(out.resolve("NOTES"));
            assertPublished(OLD, run);
        }
    }

    /// As a kill would do, after each rename in turn; then the result, or another one, is built anew.
    @Test
    void anyInterruptionIsRepaired() throws IOException {
        for (Map<String, String> anew : List.of(NEW, OTHER)) {
            int renames = 0;
            boolean done = false;
            while (!done) {
                out = folder.resolve("x" + anew.size() + renames);
                done = interrupted(renames, anew);
                renames++;
            }
            // adapter in two, model, tokenizer, config: each was the last one done once, and none was.
            assertEquals(6, renames);
        }
    }

    /// @return whether nothing was left to interrupt
    private boolean interrupted(int renames, Map<String, String> anew) throws IOException {
        int[] left = {renames};
        RunPublisher killed = new RunPublisher(new RunContents(out), (from, to) -> {
            if (left[0]-- == 0) {
                throw new IllegalStateException("killed");
            }
            RunPublisher.of(new RunContents(out)).move().move(from, to);
        });
        boolean done = false;
        try (RunFolder run = open()) {
            run.publish(build(run, OLD));
            Path result = build(run, NEW);
            try {
                killed.publish(result);
                done = true;
                assertPublished(NEW, run);
            } catch (IllegalStateException e) {
                assertTrue(Files.notExists(out.resolve("config.json")), "incomplete, so it must not look like a model");
            }
        }
        try (RunFolder run = open()) {
            assertTrue(Files.notExists(run.resultFolder()), "what is left of the first one");
            run.publish(build(run, anew));
            assertPublished(anew, run);
        }
        return done;
    }

    @Test
    void refusesWhatIsNotAResult() throws IOException {
        try (RunFolder run = open()) {
            var outside = assertThrows(IllegalArgumentException.class, () -> run.publish(folder));
            assertEquals(folder + " does not lie in " + run.path(), outside.getMessage());
            var absent = assertThrows(NoSuchFileException.class, () -> run.publish(run.resultFolder()));
            assertEquals(run.resultFolder() + ": is not a folder with a result", absent.getMessage());
            Path result = build(run, Map.of("run", "a file"));
            assertThrows(IllegalArgumentException.class, () -> run.publish(result));
        }
    }

    @Test
    void aFailureNamesTheTarget() throws IOException {
        try (RunFolder run = open()) {
            RunFolderCase.done(run, 1, 3);
            Path result = build(run, NEW);
            Files.createDirectories(out.resolve("config.json/not empty"));
            var e = assertThrows(CannotWriteException.class, () -> run.publish(result));
            assertTrue(e.getMessage().startsWith("cannot write " + out + ": "), e.getMessage());
            assertTrue(
                    e.getMessage().endsWith("; the run can be continued with --resume from step 3"), e.getMessage());
        }
    }
}
