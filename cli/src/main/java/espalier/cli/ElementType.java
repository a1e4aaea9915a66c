package espalier.cli;

import espalier.kernels.DType;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/// Reads the name of an element type that can be written.
final class ElementType implements ITypeConverter<DType> {
    @Override
    public DType convert(String value) {
        return switch (value) {
            case "bf16" -> DType.BF16;
            case "f16" -> DType.F16;
            case "f32" -> DType.F32;
            default -> throw new TypeConversionException(
                    "'" + value + "' is not an element type; there are bf16, f16 and f32");
        };
    }
}
