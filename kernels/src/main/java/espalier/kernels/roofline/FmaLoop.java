package espalier.kernels.roofline;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/// As many fused multiply-adds as a core can do: twelve independent chains hide the latency of two units, and with
/// their constant they fit in sixteen registers.
final class FmaLoop {
    private static final VectorSpecies<Float> S = Width.F32;
    private static final int CHAINS = 12;
    /// Operations of one step of all chains.
    static final double FLOPS_PER_STEP = 2.0 * CHAINS * Width.LANES;

    private FmaLoop() {}

    /// Every chain is `a = a / 2 + 1 / 2`, which ends at exactly 1 wherever it began.
    ///
    /// @param steps of each chain, at least 100
    /// @return the sum of all lanes of all chains
    static float run(int steps) {
        FloatVector half = FloatVector.broadcast(S, 0.5f);
        FloatVector a0 = FloatVector.broadcast(S, 0);
        FloatVector a1 = FloatVector.broadcast(S, 2);
        FloatVector a2 = FloatVector.broadcast(S, 3);
        FloatVector a3 = FloatVector.broadcast(S, 4);
        FloatVector a4 = FloatVector.broadcast(S, 5);
        FloatVector a5 = FloatVector.broadcast(S, 6);
        FloatVector a6 = FloatVector.broadcast(S, 7);
        FloatVector a7 = FloatVector.broadcast(S, 8);
        FloatVector a8 = FloatVector.broadcast(S, 9);
        FloatVector a9 = FloatVector.broadcast(S, 10);
        FloatVector a10 = FloatVector.broadcast(S, 11);
        FloatVector a11 = FloatVector.broadcast(S, 12);
        for (int i = 0; i < steps; i++) {
            a0 = a0.fma(half, half);
            a1 = a1.fma(half, half);
            a2 = a2.fma(half, half);
            a3 = a3.fma(half, half);
            a4 = a4.fma(half, half);
            a5 = a5.fma(half, half);
            a6 = a6.fma(half, half);
            a7 = a7.fma(half, half);
            a8 = a8.fma(half, half);
            a9 = a9.fma(half, half);
            a10 = a10.fma(half, half);
            a11 = a11.fma(half, half);
        }
        FloatVector sum = FloatVector.zero(S)
                .add(a0).add(a1).add(a2).add(a3).add(a4).add(a5).add(a6).add(a7).add(a8).add(a9).add(a10).add(a11);
        float[] lanes = new float[Width.LANES];
        sum.intoArray(lanes, 0);
        float total = 0;
        for (float lane : lanes) {
            total += lane;
        }
        return total;
    }

    /// @param sum from [#run]
    static void check(float sum) {
        if (sum != CHAINS * Width.LANES) {
            throw new ArithmeticException("%d chains of %d lanes add up to %s".formatted(CHAINS, Width.LANES, sum));
        }
    }
}
