package espalier.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.ISetter;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;

/// `prune`: `--method` decides which of several commands it is. Each has the options of its method alone, with the
/// defaults of its method, and refuses those of the others.
final class PruneCommand {
    private PruneCommand() {}

    /// @param terminal where results go
    /// @param arguments that the command will be given
    /// @return the command as picocli knows it
    static CommandLine line(Terminal terminal, List<String> arguments) {
        MethodName method = MethodName.of(arguments);
        CommandLine line = of(method, terminal);
        Set<String> unknown = arguments.stream()
                .filter(argument -> argument.startsWith("--"))
                .map(argument -> argument.split("=", 2)[0])
                .filter(name -> line.getCommandSpec().findOption(name) == null)
                .collect(Collectors.toCollection(LinkedHashSet::new));
        if (!unknown.isEmpty()) {
            refuseThoseOfOthers(line, method, unknown, terminal);
        }
        return line;
    }

    private static CommandLine of(MethodName method, Terminal terminal) {
        PruneJob job = switch (method) {
            case LLM_PRUNER -> new LlmPrunerCommand(terminal);
            case NUTEPRUNE -> new NutePruneCommand(terminal);
            case COMPRESSO -> new CompressoCommand(terminal);
        };
        CommandLine line = new CommandLine(job);
        job.borrow(line.getCommandSpec());
        return line;
    }

    /// Lets the command know unknown options that other methods have, to say whose they are.
    private static void refuseThoseOfOthers(
            CommandLine line, MethodName method, Set<String> unknown, Terminal terminal) {
        Map<String, OptionSpec> others = new LinkedHashMap<>();
        List<String> owned = new ArrayList<>();
        for (String name : unknown) {
            for (MethodName other : MethodName.values()) {
                OptionSpec option = other == method ? null : of(other, terminal).getCommandSpec().findOption(name);
                if (option != null) {
                    others.put(name, option);
                    owned.add("%s (%s does)".formatted(name, other.optionName()));
                    break;
                }
            }
        }
        String message = "--method %s does not take %s".formatted(method.optionName(), String.join(", ", owned));
        CommandSpec command = line.getCommandSpec();
        others.forEach((name, option) -> command.addOption(OptionSpec.builder(name)
                .arity(option.arity().toString())
                .type(option.arity().max() == 0 ? Boolean.class : String.class)
                .hidden(true)
                .setter(refusing(line, message))
                .build()));
    }

    private static ISetter refusing(CommandLine line, String message) {
        return new ISetter() {
            @Override
            public <T> T set(T value) {
                if (value == null) {
                    // Before the command line is read.
                    return null;
                }
                throw new ParameterException(line, message);
            }
        };
    }
}
