package espalier.kernels.vector;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// Transcendental functions of vectors, made of exactly rounded operations only, so that their bits do not depend on
/// what compiled them (those of `VectorOperators` do).
final class VectorMath {
    private static final FloatVector LOG2_E = constant(1.44269504088896340736f);
    /// Adding this rounds to an integer, which then lies in the lowest bits.
    private static final FloatVector ROUND = constant(0x1.8p23f);
    private static final int ROUND_BITS = Float.floatToRawIntBits(0x1.8p23f);
    /// ln 2 = high - low, the high part with trailing zeros.
    private static final FloatVector MINUS_LN2_HIGH = constant(-0.693359375f);
    private static final FloatVector LN2_LOW = constant(2.12194440e-4f);
    private static final FloatVector ONE = constant(1f);
    private static final FloatVector C2 = constant(1f / 2);
    private static final FloatVector C3 = constant(1f / 6);
    private static final FloatVector C4 = constant(1f / 24);
    private static final FloatVector C5 = constant(1f / 120);
    private static final FloatVector C6 = constant(1f / 720);
    private static final FloatVector C7 = constant(1f / 5040);
    private static final FloatVector INFINITE = constant(Float.POSITIVE_INFINITY);
    /// Below this the result is less than half of the smallest float.
    private static final float LOWEST = -103.98f;
    /// Above this it is more than the largest float.
    private static final float HIGHEST = 88.73f;

    /// Below this [#expUpTo0] gives 0: there the result is less than the smallest normal float.
    private static final FloatVector LOWEST_NORMAL = constant(-87.33654f);
    /// The exponent's bias, and what [#ROUND] leaves in the bits of an integer.
    private static final IntVector BIAS = IntVector.broadcast(Lanes.I32, 127 - ROUND_BITS);
    private static final FloatVector ZERO = constant(0f);

    private VectorMath() {}

    private static FloatVector constant(float value) {
        return FloatVector.broadcast(Lanes.F32, value);
    }

    /// `e^x`, at most 1 unit in the last place off (subnormal results: 1 more rounding). Minus infinity gives exactly
    /// 0, large arguments infinity, NaN stays NaN.
    ///
    /// `x = n ln 2 + r` with `|r| <= ln 2 / 2`; `e^r` by its Taylor polynomial of degree 7, whose remainder is below
    /// 6e-9; `2^n` as two factors, since neither the smallest nor the largest result is in reach of one.
    ///
    /// @param x any
    /// @return the exponential of each lane
    static FloatVector exp(FloatVector x) {
        FloatVector rounded = LOG2_E.fma(x, ROUND);
        FloatVector n = rounded.sub(ROUND);
        FloatVector r = LN2_LOW.fma(n, MINUS_LN2_HIGH.fma(n, x));
        FloatVector p = C7.fma(r, C6);
        p = p.fma(r, C5);
        p = p.fma(r, C4);
        p = p.fma(r, C3);
        p = p.fma(r, C2);
        p = p.fma(r, ONE);
        p = p.fma(r, ONE);
        IntVector exponent = rounded.reinterpretAsInts().sub(ROUND_BITS);
        IntVector half = exponent.lanewise(VectorOperators.ASHR, 1);
        FloatVector first = half.add(127).lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
        FloatVector second = exponent.sub(half).add(127).lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
        FloatVector scaled = p.mul(first).mul(second);
        return scaled
                .blend(INFINITE, x.compare(VectorOperators.GT, HIGHEST))
                .blend(0f, x.compare(VectorOperators.LT, LOWEST));
    }

    /// `e^x` for what a softmax needs: arguments that are not positive, but for rounding (below 80 in any case). Two
    /// thirds of the operations of [#exp] and its accuracy; results below the smallest normal float are exactly 0, NaN
    /// stays NaN.
    ///
    /// @param x at most 80
    /// @return the exponential of each lane
    static FloatVector expUpTo0(FloatVector x) {
        FloatVector rounded = LOG2_E.fma(x, ROUND);
        FloatVector n = rounded.sub(ROUND);
        FloatVector r = LN2_LOW.fma(n, MINUS_LN2_HIGH.fma(n, x));
        FloatVector p = C7.fma(r, C6);
        p = p.fma(r, C5);
        p = p.fma(r, C4);
        p = p.fma(r, C3);
        p = p.fma(r, C2);
        p = p.fma(r, ONE);
        p = p.fma(r, ONE);
        IntVector scale = rounded.reinterpretAsInts().add(BIAS).lanewise(VectorOperators.LSHL, 23);
        return p.mul(scale.reinterpretAsFloats()).blend(ZERO, x.compare(VectorOperators.LT, LOWEST_NORMAL));
    }
}
