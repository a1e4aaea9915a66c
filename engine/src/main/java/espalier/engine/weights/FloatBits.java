package espalier.engine.weights;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// Floating-point values as files store them, one at a time; for headers, tests and small tensors, not for kernels.
public final class FloatBits {
    static final ValueLayout.OfShort LE_SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt LE_INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong LE_LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfFloat LE_FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfDouble LE_DOUBLE =
            ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private FloatBits() {}

    /// The value of bfloat16 bits, exactly.
    public static float fromBf16(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    /// The nearest bfloat16, ties to even; beyond the largest finite value infinity. A NaN stays one.
    public static short toBf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            // Rounding could carry a NaN's payload away; the quiet bit keeps it a NaN.
            return (short) ((bits >>> 16) | 0x40);
        }
        return (short) ((bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16);
    }

    /// Element `index` of packed little-endian data, exactly.
    ///
    /// @throws IllegalArgumentException if the type is not F64, F32, BF16 or F16
    static double get(MemorySegment data, StoredType type, long index) {
        return switch (type) {
            case F32 -> data.get(LE_FLOAT, 4 * index);
            case BF16 -> fromBf16(data.get(LE_SHORT, 2 * index));
            case F16 -> Float.float16ToFloat(data.get(LE_SHORT, 2 * index));
            case F64 -> data.get(LE_DOUBLE, 8 * index);
            case BOOL, F4, F6_E2M3, F6_E3M2, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ, I16, U16,
                    I32, U32, C64, I64, U64 -> throw notAFloat(type);
        };
    }

    /// Stores a value as element `index`, rounded to nearest, ties to even.
    ///
    /// @throws IllegalArgumentException if the type is not F64, F32, BF16 or F16
    static void set(MemorySegment data, StoredType type, long index, float value) {
        switch (type) {
            case F32 -> data.set(LE_FLOAT, 4 * index, value);
            case BF16 -> data.set(LE_SHORT, 2 * index, toBf16(value));
            case F16 -> data.set(LE_SHORT, 2 * index, Float.floatToFloat16(value));
            case F64 -> data.set(LE_DOUBLE, 8 * index, value);
            case BOOL, F4, F6_E2M3, F6_E3M2, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ, I16, U16,
                    I32, U32, C64, I64, U64 -> throw notAFloat(type);
        }
    }

    private static IllegalArgumentException notAFloat(StoredType type) {
        return new IllegalArgumentException(
                "type " + type + " does not convert to float, expected F64, F32, BF16 or F16");
    }
}
