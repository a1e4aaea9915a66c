package espalier.kernels.vector;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/// Two-byte floats to F32, exactly. A register of 32-bit lanes holds two elements a lane: the even ones in the lower
/// halves, the odd ones in the upper halves, so no lane has to move. Results are the bits of floats.
final class PackConvert {
    private static final FloatVector REBIAS = FloatVector.broadcast(Lanes.F32, 0x1p112f);

    private PackConvert() {}

    static IntVector evenBf16(IntVector pair) {
        return pair.lanewise(VectorOperators.LSHL, 16);
    }

    static IntVector oddBf16(IntVector pair) {
        return pair.and(0xffff0000);
    }

    static IntVector evenF16(IntVector pair) {
        return fromF16(pair.and(0x7fff).lanewise(VectorOperators.LSHL, 13), pair.lanewise(VectorOperators.LSHL, 16));
    }

    static IntVector oddF16(IntVector pair) {
        return fromF16(pair.and(0x7fff0000).lanewise(VectorOperators.LSHR, 3), pair);
    }

    /// A product moves the exponent to F32's bias, exactly, which subnormal numbers need; infinity and NaN get the
    /// largest exponent back.
    ///
    /// @param magnitude exponent and fraction, shifted to where F32's fraction begins
    /// @param sign the sign bit, above bits of any value
    private static IntVector fromF16(IntVector magnitude, IntVector sign) {
        VectorMask<Integer> special = magnitude.compare(VectorOperators.GE, 0x0f800000);
        return magnitude.reinterpretAsFloats().mul(REBIAS).reinterpretAsInts()
                .lanewise(VectorOperators.OR, 0x7f800000, special)
                .or(sign.and(0x80000000));
    }
}
