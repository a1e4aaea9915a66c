package espalier.cli;

import java.util.Map;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;

/// Where `pretrain` has other defaults than [TrainingOptions], which are for adapters.
final class PretrainDefaults implements IDefaultValueProvider {
    private static final Map<String, String> VALUES = Map.of(
            "--batch", "32",
            "--micro-batch", "16",
            "--lr", "1e-3",
            "--schedule", "cosine",
            "--weight-decay", "0.1");

    @Override
    public String defaultValue(ArgSpec argument) {
        return argument instanceof OptionSpec option ? VALUES.get(option.longestName()) : null;
    }
}
