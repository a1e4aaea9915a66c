package espalier.cli;

import java.util.Arrays;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/// Options of one command under other names in another: `--steps` of `finetune` as `--recover-steps` of `prune`.
final class PrefixedOptions {
    private PrefixedOptions() {}

    /// @param command gets the options
    /// @param annotated holds their values
    /// @param prefix put between `--` and the name
    static void add(CommandSpec command, Object annotated, String prefix) {
        for (OptionSpec option : CommandSpec.forAnnotatedObject(annotated).options()) {
            String[] names = Arrays.stream(option.names())
                    .map(name -> "--" + prefix + name.substring(2))
                    .toArray(String[]::new);
            command.addOption(OptionSpec.builder(option).names(names).build());
        }
    }
}
