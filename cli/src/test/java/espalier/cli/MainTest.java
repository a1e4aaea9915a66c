package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.weights.CannotWriteException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MainTest {
    @TempDir
    private Path folder;

    @Test
    void helpListsTheCommandsWithExamples() {
        Cli help = Cli.run("--help");
        assertEquals(0, help.exit());
        String words = "demo prune finetune pretrain perplexity generate inspect init bench Examples: Exit";
        for (String word : words.split(" ")) {
            assertTrue(help.out().contains(word), word);
        }
        assertEquals("", help.err());
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "demo", "prune", "finetune", "pretrain", "perplexity", "generate", "inspect", "init", "bench"})
    void everyCommandHasHelpWithAnExample(String command) {
        Cli help = Cli.run(command, "--help");
        assertEquals(0, help.exit());
        assertTrue(help.out().contains("Example") && help.out().contains("  espalier " + command), help.out());
        assertTrue(help.out().contains("--json"), help.out());
    }

    @Test
    void theVersionNamesTheJava() {
        Cli version = Cli.run("--version");
        assertEquals(0, version.exit());
        assertTrue(version.out().startsWith("espalier "), version.out());
        assertTrue(version.out().contains("Java " + System.getProperty("java.version")), version.out());
    }

    @Test
    void mistakesInTheCommandLineAreBadInput() {
        Cli.run().refused("a command is missing (see espalier --help)");
        Cli.run("prun").refused("Unmatched argument at index 0: 'prun'; did you mean prune, pretrain, finetune?"
                + " (see espalier --help)");
        Cli.run("inspect", "--modle", "x").refused(
                "Unknown option: '--modle'; did you mean --model, --mode? (see espalier inspect --help)");
        Cli.run("perplexity", "--model", "x").refused(
                "Missing required option: '--data=FILE' (see espalier perplexity --help)");
        Cli.run("perplexity", "--model", "x", "--data", "y", "--window", "many").refused(
                "Invalid value for option '--window': 'many' is not an int (see espalier perplexity --help)");
        Cli.run("perplexity", "--model", "x", "--data", "y", "--join", "lines2").refused(
                "Invalid value for option '--join': 'lines2' is not a join; there are wikitext, ptb, lines and whole"
                        + " (see espalier perplexity --help)");
        Cli.run("generate", "--model", "x", "--prompt", "y", "--backend", "gpu").refused(
                "Invalid value for option '--backend': 'gpu' is not a backend; there are vector and scalar"
                        + " (see espalier generate --help)");
    }

    @Test
    void aStackTraceIsShownOnDemand() {
        Path missing = folder.resolve("none");
        Cli.run("inspect", missing).refused(missing + ": no such file or folder");
        Cli debug = Cli.run("inspect", missing, "--debug");
        assertEquals(Errors.BAD_INPUT, debug.exit());
        assertTrue(debug.err().contains("\tat espalier.cli.Folders.require"), debug.err());
    }

    @Test
    void whatIsNotBadInputIsAFailedJob() {
        assertEquals(Errors.JOB_FAILED, Errors.exitCode(new ArithmeticException("the loss is NaN")));
        assertEquals(Errors.JOB_FAILED, Errors.exitCode(new OutOfMemoryError("7 bytes")));
        assertEquals(Errors.JOB_FAILED, Errors.exitCode(new IllegalStateException("verification")));
        var full = new CannotWriteException("cannot write x: No space left on device", new IOException());
        assertEquals(Errors.JOB_FAILED, Errors.exitCode(full));
        assertEquals(Errors.JOB_FAILED, Errors.exitCode(new UncheckedIOException(full)));
        assertEquals(Errors.BAD_INPUT, Errors.exitCode(new UncheckedIOException(new IOException("truncated"))));
        assertEquals("cannot write x: No space left on device", Errors.message(new UncheckedIOException(full)));
        assertEquals("not enough memory: 7 bytes", Errors.message(new OutOfMemoryError("7 bytes")));
        assertEquals("one two", Errors.message(new IllegalStateException("one\n two")).replaceAll(" +", " "));
    }
}
