package espalier.cli;

import java.util.Locale;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/// The methods that `--method` takes.
enum MethodName {
    /// LLM-Pruner, arXiv:2305.11627.
    LLM_PRUNER;

    /// @return as `--method` takes it
    String optionName() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    static final class Converter implements ITypeConverter<MethodName> {
        @Override
        public MethodName convert(String value) {
            for (MethodName method : values()) {
                if (method.optionName().equals(value)) {
                    return method;
                }
            }
            throw new TypeConversionException("'" + value + "' is not a method; there is llm-pruner");
        }
    }
}
