package espalier.engine.gates;

import espalier.kernels.Philox;

/// What log-alphas begin as: 10 for heads and hidden channels (which training clamps at once), the drop rate's for FFN
/// channels, -10 or 10 for gates over layers, each with Gaussian noise.
///
/// @param dropRate of FFN channels, in (0, 1)
/// @param deviation standard deviation of the noise, finite and not negative
/// @param enabled whether gates over layers begin open, so that every layer may be pruned
public record InitialGates(double dropRate, double deviation, boolean enabled) {
    /// Those of the releases.
    public static final InitialGates RELEASED = new InitialGates(0.01, 0.01, false);

    private static final double OPEN = 10;

    /// @throws IllegalArgumentException naming what is out of range
    public InitialGates {
        HardConcrete.logAlpha(dropRate);
        if (!(deviation >= 0 && deviation < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(
                    "deviation of initial gates is " + deviation + ", expected a number that is not negative");
        }
    }

    /// @param layout the gates
    /// @param seed of the run
    /// @return `[gates]`, each a value of F32
    public double[] logAlpha(GateLayout layout, long seed) {
        double[] logAlpha = new double[layout.size()];
        for (GateBlock block : layout.blocks()) {
            Philox noise = GateKey.noise(seed, block);
            double mean = mean(block.family());
            for (int i = 0; i < block.size(); i++) {
                logAlpha[block.offset() + i] = (float) (mean + deviation * noise.gaussian(i));
            }
        }
        return logAlpha;
    }

    private double mean(GateFamily family) {
        return switch (family) {
            case HEADS, HIDDEN -> OPEN;
            case FFN -> HardConcrete.logAlpha(dropRate);
            case LAYER, ATTENTION, MLP -> enabled ? OPEN : -OPEN;
        };
    }
}
