package espalier.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParameterException;

/// What concerns tokenizers alone; does nothing without a subcommand.
@Command(
        name = "tokenizer",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        description = "Make tokenizers.")
final class TokenizerCommand implements Runnable {
    @CommandLine.Spec
    private CommandLine.Model.CommandSpec spec;

    static CommandLine line(Terminal terminal) {
        return new CommandLine(new TokenizerCommand()).addSubcommand(new TokenizerTrainCommand(terminal));
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "a command is missing: train");
    }
}
