package espalier.cli;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/// The methods that `--method` takes.
enum MethodName {
    /// LLM-Pruner, arXiv:2305.11627.
    LLM_PRUNER;

    static final class Converter implements ITypeConverter<MethodName> {
        @Override
        public MethodName convert(String value) {
            if (value.equals("llm-pruner")) {
                return LLM_PRUNER;
            }
            throw new TypeConversionException("'" + value + "' is not a method; there is llm-pruner");
        }
    }
}
