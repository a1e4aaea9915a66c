package espalier.cli;

import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/// Options of one command in another: under other names, as `--steps` of `finetune` is `--recover-steps` of `prune`, or
/// with other defaults.
final class BorrowedOptions {
    private final Object annotated;
    private final String prefix;
    private final Map<String, String> defaults = new HashMap<>();
    private final Map<String, String> descriptions = new HashMap<>();
    private final Set<String> following = new HashSet<>();
    private final Set<String> left = new HashSet<>();

    /// @param annotated holds the values
    /// @param prefix put between `--` and the name; may be empty
    BorrowedOptions(Object annotated, String prefix) {
        this.annotated = annotated;
        this.prefix = prefix;
    }

    /// @param option without the prefix
    /// @param value instead of the default that it has
    BorrowedOptions withDefault(String option, String value) {
        defaults.put(option, value);
        return this;
    }

    /// @param option without the prefix
    /// @param text instead of the description that it has
    BorrowedOptions described(String option, String text) {
        descriptions.put(option, text);
        return this;
    }

    /// @param options that have no default of their own: the command gives them the value of the one without prefix
    BorrowedOptions following(String... options) {
        following.addAll(Arrays.asList(options));
        return this;
    }

    /// @param options that the command does not get
    BorrowedOptions without(String... options) {
        left.addAll(Arrays.asList(options));
        return this;
    }

    /// @param command gets the options
    /// @throws IllegalStateException naming an option that was changed and is none
    void addTo(CommandSpec command) {
        Set<String> changed = new HashSet<>(left);
        changed.addAll(following);
        changed.addAll(defaults.keySet());
        changed.addAll(descriptions.keySet());
        for (OptionSpec option : CommandSpec.forAnnotatedObject(annotated).options()) {
            String name = option.longestName();
            changed.remove(name);
            if (!left.contains(name)) {
                command.addOption(changed(option, name));
            }
        }
        if (!changed.isEmpty()) {
            throw new IllegalStateException("no such options: " + changed);
        }
    }

    private OptionSpec changed(OptionSpec option, String name) {
        OptionSpec.Builder builder = OptionSpec.builder(option)
                .names(Arrays.stream(option.names())
                        .map(each -> "--" + prefix + each.substring(2))
                        .toArray(String[]::new));
        if (defaults.containsKey(name)) {
            builder.defaultValue(defaults.get(name));
        }
        if (following.contains(name)) {
            builder.defaultValue(null);
            builder.description(Arrays.stream(option.description())
                    .map(line -> line.replaceAll("\\(default: [^)]*\\)", "(default: that of " + name + ")"))
                    .toArray(String[]::new));
        }
        if (descriptions.containsKey(name)) {
            builder.description(descriptions.get(name));
        }
        return builder.build();
    }
}
