package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;

import espalier.kernels.DType;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/// Two-byte floats to F32, exactly. A register of 32-bit lanes holds two elements a lane: the even ones in the lower
/// halves, the odd ones in the upper halves, so no lane has to move. Results are the bits of floats.
final class PackConvert {
    private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final ValueLayout.OfShort H = ValueLayout.JAVA_SHORT_UNALIGNED;
    private static final FloatVector REBIAS = FloatVector.broadcast(Lanes.F32, 0x1p112f);

    private PackConvert() {}

    /// @param type element type
    /// @param address of one element
    /// @return its value
    static float element(DType type, long address) {
        return switch (type) {
            case F32 -> ALL.get(F, address);
            case BF16 -> Float.intBitsToFloat(ALL.get(H, address) << 16);
            case F16 -> Float.float16ToFloat(ALL.get(H, address));
        };
    }

    static IntVector evenBf16(IntVector pair) {
        return pair.lanewise(VectorOperators.LSHL, 16);
    }

    static IntVector oddBf16(IntVector pair) {
        return pair.and(0xffff0000);
    }

    static IntVector evenF16(IntVector pair) {
        return oddF16(pair.lanewise(VectorOperators.LSHL, 16));
    }

    /// Exponent and fraction are moved into place and rescaled, which subnormals need; infinity and NaN get the largest
    /// exponent back.
    static IntVector oddF16(IntVector pair) {
        IntVector magnitude = pair.and(0x7fff0000).lanewise(VectorOperators.LSHR, 3);
        VectorMask<Integer> special = magnitude.compare(VectorOperators.GE, 0x0f800000);
        IntVector finite = magnitude.reinterpretAsFloats().mul(REBIAS).reinterpretAsInts();
        return finite.blend(magnitude.or(0x7f800000), special).or(pair.and(0x80000000));
    }
}
