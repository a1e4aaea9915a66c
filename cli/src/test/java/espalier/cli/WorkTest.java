package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.weights.CheckpointException;
import espalier.kernels.Check;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// Bad input and defects of the program are told apart by when they are found.
class WorkTest {
    private static final String DEFECT = "espalier: internal error: %s; please report it, --debug shows where";

    /// A command whose input is a number, and whose work goes wrong.
    @Command(name = "count")
    private static final class CountCommand extends JobCommand {
        @Option(names = "--count")
        private int count;

        private final RuntimeException failure;

        CountCommand(Terminal terminal, RuntimeException failure) {
            super(terminal);
            this.failure = failure;
        }

        @Override
        Result run() {
            Check.positive("--count", count);
            return Work.of(() -> {
                throw failure;
            });
        }
    }

    private static Cli count(RuntimeException failure, String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Terminal terminal = new Terminal(
                new PrintStream(out, true, StandardCharsets.UTF_8), new PrintStream(err, true, StandardCharsets.UTF_8),
                false);
        int exit = Main.run(new CommandLine(new CountCommand(terminal, failure)), arguments, terminal);
        return new Cli(exit, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    private static void assertFails(String line, Cli run) {
        assertEquals(Errors.JOB_FAILED, run.exit(), run.err());
        assertEquals("", run.out());
        assertEquals(line, run.err().lines().findFirst().orElse(""));
    }

    @Test
    void aWrongArgumentIsBadInputWhileInputIsChecked() {
        count(new IllegalArgumentException("not reached"), "--count", "0").refused("--count must be positive, got 0");
    }

    @Test
    void aWrongArgumentIsADefectInTheWork() {
        var shape = new IllegalArgumentException("y has shape [2, 3],\nexpected [2, 4]");
        String line = DEFECT.formatted("java.lang.IllegalArgumentException: y has shape [2, 3], expected [2, 4]");
        Cli run = count(shape, "--count", "1");
        assertFails(line, run);
        assertEquals(1, run.err().lines().count(), run.err());
        Cli debug = count(shape, "--count", "1", "--debug");
        assertFails(line, debug);
        assertTrue(debug.err().contains("\tat " + WorkTest.class.getName() + ".aWrongArgumentIsADefectInTheWork"),
                debug.err());
    }

    @Test
    void whatNobodyExpectsIsADefect() {
        assertFails(
                DEFECT.formatted("java.lang.NullPointerException: no gates"),
                count(new NullPointerException("no gates"), "--count", "1"));
        assertFails(
                DEFECT.formatted("java.lang.IndexOutOfBoundsException: 7"),
                count(new IndexOutOfBoundsException("7"), "--count", "1"));
    }

    @Test
    void whatTheWorkFindsStaysWhatItIs() {
        count(new CheckpointException("x: changed meanwhile"), "--count", "1").refused("x: changed meanwhile");
        assertFails("espalier: the loss is NaN", count(new ArithmeticException("the loss is NaN"), "--count", "1"));
        assertFails("espalier: no proof", count(new IllegalStateException("no proof"), "--count", "1"));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void onlyWrongArgumentsChangeTheirType(boolean isWrongArgument) {
        assertEquals(3, Work.of(() -> 3));
        Exception thrown = isWrongArgument ? new NumberFormatException("x") : new IOException("x");
        Work<Void, Exception> work = () -> {
            throw thrown;
        };
        if (isWrongArgument) {
            assertSame(thrown, assertThrows(DefectException.class, () -> Work.of(work)).getCause());
        } else {
            assertSame(thrown, assertThrows(IOException.class, () -> Work.of(work)));
        }
    }
}
