package espalier.cli;

import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParameterException;

/// The `espalier` command.
public final class Main {
    /// What Java puts where it cannot decode an argument: the text is lost, so it must not be worked on.
    private static final char UNREADABLE = '\uFFFD';

    private Main() {}

    /// Runs one command line.
    ///
    /// @param arguments the command line
    /// @return the exit code: 0 done, 1 the job failed, 2 bad input
    public static int run(String[] arguments) {
        return run(arguments, Terminal.ofProcess());
    }

    static int run(String[] arguments, Terminal terminal) {
        CommandLine line = new CommandLine(new Root())
                .addSubcommand(new DemoCommand(terminal))
                .addSubcommand(PruneCommand.line(terminal, ofPrune(arguments)))
                .addSubcommand(new FinetuneCommand(terminal))
                .addSubcommand(new PretrainCommand(terminal))
                .addSubcommand(new PerplexityCommand(terminal))
                .addSubcommand(new GenerateCommand(terminal))
                .addSubcommand(new InspectCommand(terminal))
                .addSubcommand(new InitCommand(terminal))
                .addSubcommand(TokenizerCommand.line(terminal))
                .addSubcommand(new BenchCommand(terminal))
                .addSubcommand(new CommandLine.HelpCommand());
        return run(line, arguments, terminal);
    }

    /// @param line the commands there are
    /// @param arguments the command line
    /// @param terminal where results and errors go
    /// @return the exit code
    static int run(CommandLine line, String[] arguments, Terminal terminal) {
        line.setOut(writer(terminal.out())).setErr(writer(terminal.err()));
        // A prompt may begin with an @ sign: it is not the name of a file with more arguments.
        line.setUsageHelpWidth(100).setExpandAtFiles(false);
        line.setParameterExceptionHandler((e, _) -> Errors.report(e, terminal.err()));
        line.setExecutionExceptionHandler((e, failed, _) -> failure(e, failed, terminal));
        for (String argument : arguments) {
            if (argument.indexOf(UNREADABLE) >= 0) {
                return Errors.report(new IllegalArgumentException(
                        "the argument \"" + argument + "\" has characters that Java could not read in this locale;"
                                + " set LC_ALL=C.UTF-8"), false, terminal.err());
            }
        }
        try {
            return line.execute(arguments);
        } catch (OutOfMemoryError | StackOverflowError e) {
            return Errors.report(e, false, terminal.err());
        }
    }

    /// @return what `prune` is given, if it is that
    private static List<String> ofPrune(String[] arguments) {
        return arguments.length > 0 && arguments[0].equals("prune") ? List.of(arguments) : List.of();
    }

    private static int failure(Exception e, CommandLine failed, Terminal terminal) {
        if (e instanceof ParameterException usage) {
            return Errors.report(usage, terminal.err());
        }
        boolean debug = failed.getCommand() instanceof JobCommand job && job.debug();
        return Errors.report(e, debug, terminal.err());
    }

    private static PrintWriter writer(PrintStream stream) {
        return new PrintWriter(stream, true, StandardCharsets.UTF_8);
    }

    /// Shows what there is; without a subcommand it has nothing to do.
    @Command(
            name = "espalier",
            mixinStandardHelpOptions = true,
            versionProvider = Version.class,
            sortOptions = false,
            description = "Prune, train, measure and run Llama-family language models.",
            footer = {
                "",
                "Examples:",
                "  espalier demo",
                "  espalier inspect M",
                "  espalier prune --model M --out X --ratio 0.25 --layers 4:26 --calibration c4.jsonl.gz",
                "  espalier finetune --model M --out X --data alpaca.jsonl.gz",
                "  espalier pretrain --config config.json --tokenizer T --out X --data stories.txt.gz",
                "  espalier perplexity --model M --data wiki.test.raw.gz --window 128 --windows 64",
                "  espalier generate --model M --prompt \"Once upon a time\"",
                "",
                "M is a Hugging Face folder: config.json, tokenizer.json, model.safetensors or shards.",
                "Exit codes: 0 done, 1 the job failed, 2 bad input, 130 and 143 ended by a signal.",
            })
    static final class Root implements Runnable {
        @CommandLine.Spec
        private CommandLine.Model.CommandSpec spec;

        @Override
        public void run() {
            throw new ParameterException(spec.commandLine(), "a command is missing");
        }
    }
}
