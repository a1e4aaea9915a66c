package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.weights.CannotWriteException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// What all commands have in common: one result, printed as text or as one JSON object.
abstract class JobCommand implements Callable<Integer> {
    /// What a command found out.
    ///
    /// @param json its documented keys
    /// @param text the same for people, without final line feed; empty if all was printed on the way
    record Result(ObjectNode json, String text) {}

    private static final Logger LOG = System.getLogger("espalier.cli");

    @Option(names = "--json", description = "Print one JSON object on standard output; its keys are in docs/json.md.")
    private boolean json;

    @Option(names = "--debug", description = "Log details, and show where an error comes from.")
    private boolean debug;

    @Spec
    private CommandSpec spec;

    private final Terminal terminal;

    JobCommand(Terminal terminal) {
        this.terminal = terminal;
    }

    /// Does the work.
    abstract Result run() throws Exception;

    @Override
    public final Integer call() throws Exception {
        LogSetup.install(terminal.err(), debug);
        Result result;
        try {
            result = run();
        } catch (Stopped e) {
            LOG.log(Level.DEBUG, "stopped", e);
            return Errors.JOB_FAILED;
        }
        if (json) {
            terminal.out().println(Json.line(result.json()));
        } else if (!result.text().isEmpty()) {
            terminal.out().println(result.text());
        }
        terminal.out().flush();
        if (terminal.out().checkError()) {
            throw new CannotWriteException("standard output cannot be written to; the work itself is done");
        }
        return 0;
    }

    final Terminal terminal() {
        return terminal;
    }

    final boolean json() {
        return json;
    }

    final boolean debug() {
        return debug;
    }

    /// @return what the command's name is followed by to see its options
    String helpArguments() {
        return "--help";
    }

    /// @return whether the command line has an option whose name begins so
    final boolean hasOption(String prefix) {
        return spec.commandLine().getParseResult().matchedOptions().stream()
                .anyMatch(option -> option.longestName().startsWith(prefix));
    }

    /// @param names of options that another command has too
    /// @return those of them that this command line has, as they were given, e.g. `--threads=2`
    final List<String> given(Set<String> names) {
        return spec.commandLine().getParseResult().matchedOptions().stream()
                .filter(option -> names.contains(option.longestName()))
                .flatMap(option -> option.originalStringValues().stream()
                        .map(value -> option.longestName() + "=" + value))
                .toList();
    }

    /// What a job ends with that a signal asked to stop, after it said so; the process exits with the signal's code.
    static final class Stopped extends Exception {
        private static final long serialVersionUID = 1L;
    }

    /// @return an error in the command line, exit code 2
    final ParameterException usage(String message) {
        return new ParameterException(spec.commandLine(), message);
    }
}
