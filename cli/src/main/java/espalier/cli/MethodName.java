package espalier.cli;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/// The methods that `--method` takes.
enum MethodName {
    /// LLM-Pruner, arXiv:2305.11627.
    LLM_PRUNER,
    /// NutePrune, arXiv:2402.09773.
    NUTEPRUNE,
    /// Compresso, arXiv:2310.05015.
    COMPRESSO;

    /// @return as `--method` takes it
    String optionName() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /// @param name as `--method` takes it
    static Optional<MethodName> named(String name) {
        return Arrays.stream(values()).filter(method -> method.optionName().equals(name)).findFirst();
    }

    /// @param arguments of a command line
    /// @return the method that it names; LLM-Pruner where it names none that there is
    static MethodName of(List<String> arguments) {
        String option = "--method";
        for (int i = 0; i < arguments.size(); i++) {
            String argument = arguments.get(i);
            if (argument.equals(option) && i + 1 < arguments.size()) {
                return named(arguments.get(i + 1)).orElse(LLM_PRUNER);
            }
            if (argument.startsWith(option + "=")) {
                return named(argument.substring(option.length() + 1)).orElse(LLM_PRUNER);
            }
        }
        return LLM_PRUNER;
    }

    static final class Converter implements ITypeConverter<MethodName> {
        @Override
        public MethodName convert(String value) {
            return named(value).orElseThrow(() -> new TypeConversionException("'" + value
                    + "' is not a method; there are "
                    + Arrays.stream(values()).map(MethodName::optionName).collect(Collectors.joining(", "))));
        }
    }
}
