package espalier.engine.weights;

import java.util.Arrays;
import java.util.Optional;

/// Element types of safetensors files, in the format's own ascending order: a writer lays tensors out by descending
/// order of these constants. All are little-endian.
public enum StoredType {
    /// One byte, 0 or 1.
    BOOL(8),
    /// 4-bit float, two to a byte.
    F4(4),
    /// 6-bit float, 2 exponent and 3 mantissa bits.
    F6_E2M3(6),
    /// 6-bit float, 3 exponent and 2 mantissa bits.
    F6_E3M2(6),
    /// Unsigned byte.
    U8(8),
    /// Signed byte.
    I8(8),
    /// 8-bit float, 5 exponent and 2 mantissa bits, with infinities.
    F8_E5M2(8),
    /// 8-bit float, 4 exponent and 3 mantissa bits, no infinities.
    F8_E4M3(8),
    /// 8-bit power of two, used as a block scale.
    F8_E8M0(8),
    /// [#F8_E4M3] without a negative zero.
    F8_E4M3FNUZ(8),
    /// [#F8_E5M2] without a negative zero and infinities.
    F8_E5M2FNUZ(8),
    /// Signed 16-bit integer.
    I16(16),
    /// Unsigned 16-bit integer.
    U16(16),
    /// IEEE half precision.
    F16(16),
    /// The upper half of a float32.
    BF16(16),
    /// Signed 32-bit integer.
    I32(32),
    /// Unsigned 32-bit integer.
    U32(32),
    /// IEEE single precision.
    F32(32),
    /// Complex number of two float32.
    C64(64),
    /// IEEE double precision.
    F64(64),
    /// Signed 64-bit integer.
    I64(64),
    /// Unsigned 64-bit integer.
    U64(64);

    private final int bits;

    StoredType(int bits) {
        this.bits = bits;
    }

    /// Bits of one element, 4 to 64.
    public int bits() {
        return bits;
    }

    /// Whether weights of a model may have this type: F32, F16, BF16 or F64.
    public boolean isWeightFloat() {
        return switch (this) {
            case F16, BF16, F32, F64 -> true;
            case BOOL, F4, F6_E2M3, F6_E3M2, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ, I16, U16,
                    I32, U32, C64, I64, U64 -> false;
        };
    }

    /// Bytes of a tensor of this type; a shape with a zero dimension takes none, the shape `[]` one element.
    ///
    /// As in the reference implementation the product is taken from the left, so a shape may overflow before it
    /// reaches a dimension of zero.
    ///
    /// @param shape dimensions, none negative
    /// @throws IllegalArgumentException if a dimension is negative, if the number of elements or of bits does not fit
    ///     64 unsigned bits, or if the bits do not fill whole bytes
    public long bytes(long... shape) {
        long elements = 1;
        for (long dimension : shape) {
            if (dimension < 0) {
                throw new IllegalArgumentException("shape " + Arrays.toString(shape) + " has a negative dimension");
            }
            elements = multiplyUnsigned(elements, dimension, shape);
        }
        long totalBits = multiplyUnsigned(elements, bits, shape);
        if ((totalBits & 7) != 0) {
            throw new IllegalArgumentException("shape " + Arrays.toString(shape) + " of " + this + " takes "
                    + Long.toUnsignedString(totalBits) + " bits, expected whole bytes");
        }
        return totalBits >>> 3;
    }

    private long multiplyUnsigned(long a, long b, long[] shape) {
        if (Math.unsignedMultiplyHigh(a, b) != 0) {
            throw new IllegalArgumentException(
                    "the size of shape " + Arrays.toString(shape) + " of " + this + " overflows 64 bits");
        }
        return a * b;
    }

    /// The type that a header names, for instance `BF16`.
    static Optional<StoredType> named(String name) {
        return Arrays.stream(values()).filter(type -> type.name().equals(name)).findFirst();
    }

    /// The type that a `config.json` names, for instance `bfloat16` or `torch.bfloat16`.
    static Optional<StoredType> ofTorch(String name) {
        return switch (name.startsWith("torch.") ? name.substring("torch.".length()) : name) {
            case "float64", "double" -> Optional.of(F64);
            case "float32", "float" -> Optional.of(F32);
            case "bfloat16" -> Optional.of(BF16);
            case "float16", "half" -> Optional.of(F16);
            default -> Optional.empty();
        };
    }

    /// The name of a weight type in a `config.json`.
    ///
    /// @throws IllegalArgumentException for a type that weights do not have, see [#isWeightFloat]
    String torchName() {
        return switch (this) {
            case F64 -> "float64";
            case F32 -> "float32";
            case BF16 -> "bfloat16";
            case F16 -> "float16";
            case BOOL, F4, F6_E2M3, F6_E3M2, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ, I16, U16,
                    I32, U32, C64, I64, U64 -> throw new IllegalArgumentException(
                    "weights cannot be of type " + this + ", expected F64, F32, BF16 or F16");
        };
    }
}
