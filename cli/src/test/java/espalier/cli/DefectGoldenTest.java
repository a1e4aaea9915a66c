package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A wrong argument somewhere in the work of a command is a defect, not bad input: where the command shows how its work
/// goes, something in its way throws.
class DefectGoldenTest {
    private static final String WRONG = "y has shape [2, 3], expected [2, 4]";

    @TempDir
    private Path folder;

    /// Throws at what it is given to print, if that has some part.
    private static final class Failing extends PrintStream {
        private final String part;

        Failing(ByteArrayOutputStream bytes, String part) {
            super(bytes, true, StandardCharsets.UTF_8);
            this.part = part;
        }

        @Override
        public void print(String text) {
            require(text);
            super.print(text);
        }

        @Override
        public void println(String text) {
            require(text);
            super.println(text);
        }

        private void require(String text) {
            if (text.contains(part)) {
                throw new IllegalArgumentException(WRONG);
            }
        }
    }

    private static void assertDefect(String part, List<Object> arguments, Object... more) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        String[] words = Stream.concat(arguments.stream(), Arrays.stream(more))
                .map(Object::toString)
                .toArray(String[]::new);
        int exit = Main.run(words, new Terminal(new Failing(out, part), new Failing(err, part), false));
        String said = err.toString(StandardCharsets.UTF_8);
        assertEquals(Errors.JOB_FAILED, exit, said);
        assertTrue(
                said.endsWith("espalier: internal error: java.lang.IllegalArgumentException: " + WRONG
                        + "; please report it, --debug shows where" + System.lineSeparator()),
                said);
    }

    private List<Object> training(Object... command) {
        List<Object> options = List.of(
                "--data", PruneRuns.story(), "--out", folder.resolve("x"), "--steps", 3, "--batch", 2, "--max-length",
                64);
        return Stream.concat(Stream.of(command), options.stream()).toList();
    }

    @Test
    void whileAdaptersAreTrained() {
        assertDefect(": loss ", training("finetune", "--model", PruneRuns.small()), "--validation-rows", 0);
    }

    @ParameterizedTest
    @ValueSource(strings = {"nuteprune", "compresso"})
    void whileMasksAreTrained(String method) {
        assertDefect(
                ": loss ",
                training("prune", "--method", method, "--model", PruneRuns.small()),
                "--sparsity", 0.3, "--sparsity-warmup", 1);
    }

    @Test
    void whileWeightsAreTrained() {
        assertDefect(
                ": loss ",
                training("pretrain", "--config", PruneRuns.small(), "--tokenizer", PruneRuns.small()),
                "--validation-rows", 0);
    }

    @Test
    void whileTextIsWritten() {
        assertDefect(
                "upon",
                List.of("generate", "--model", PruneRuns.small(), "--prompt", "Once", "--max-tokens", 20));
    }
}
