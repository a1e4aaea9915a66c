package espalier.engine.gates;

/// The hard-concrete distribution of one gate: a concrete variable, stretched to (-0.1, 1.1) and cut off at 0 and 1, so
/// that both ends have a probability of their own. Louizos et al. 2018, arXiv:1712.01312; the deterministic value is
/// that of Wang et al. 2020, arXiv:1910.04732; constants as in the releases of Compresso and NutePrune.
///
/// Float64 and StrictMath: the same bits on every machine.
public final class HardConcrete {
    /// Lower end of the stretched interval.
    public static final double LOW = -0.1;
    /// Upper end of the stretched interval.
    public static final double HIGH = 1.1;
    /// Temperature.
    public static final double TEMPERATURE = 2.0 / 3;
    /// Uniform draws and keep probabilities stay so far from 0 and from 1.
    public static final double EPS = 1e-6;
    /// ln 0.01, the least that training leaves a log-alpha at, rounded to F32 as log-alphas are.
    public static final double MIN_LOG_ALPHA = (float) StrictMath.log(0.01);
    /// ln 100, the most that training leaves a log-alpha at, rounded to F32 as log-alphas are.
    public static final double MAX_LOG_ALPHA = (float) StrictMath.log(100);

    private static final double MAGICAL_NUMBER = 0.8;
    /// A gate is 0 where the concrete variable's logit is below this.
    private static final double CUT = TEMPERATURE * StrictMath.log(-LOW / HIGH);

    private HardConcrete() {}

    /// @param uniform in `[0, 1)`
    /// @return the same moved into `[EPS, 1 - EPS]`
    static double withoutEnds(double uniform) {
        return EPS + (1 - 2 * EPS) * uniform;
    }

    /// The concrete variable, from which [#gate] and [#gateSlope] follow.
    ///
    /// @param uniform the draw, in (0, 1)
    /// @param logAlpha finite
    /// @return in `[0, 1]`
    public static double concrete(double uniform, double logAlpha) {
        double logit = StrictMath.log(uniform) - StrictMath.log(1 - uniform);
        return sigmoid((logit + logAlpha) / TEMPERATURE);
    }

    /// @param concrete from [#concrete]
    /// @return the sampled gate, in `[0, 1]`
    public static double gate(double concrete) {
        return Math.clamp(stretched(concrete), 0.0, 1.0);
    }

    /// @param concrete from [#concrete]
    /// @return d gate / d logAlpha at a fixed draw; exactly 0 where the gate is 0 or 1
    public static double gateSlope(double concrete) {
        double stretched = stretched(concrete);
        boolean isInside = stretched > 0 && stretched < 1;
        return isInside ? (HIGH - LOW) * concrete * (1 - concrete) / TEMPERATURE : 0;
    }

    /// @param logAlpha finite
    /// @return probability that the gate is not 0, in `[EPS, 1 - EPS]`
    public static double keep(double logAlpha) {
        return Math.clamp(sigmoid(logAlpha - CUT), EPS, 1 - EPS);
    }

    /// @param logAlpha finite
    /// @return d keep / d logAlpha; 0 where [#keep] is at an end of its range
    public static double keepSlope(double logAlpha) {
        double keep = sigmoid(logAlpha - CUT);
        return keep > EPS && keep < 1 - EPS ? keep * (1 - keep) : 0;
    }

    /// @param logAlpha finite
    /// @return probability that the gate is 1
    public static double fullyOpen(double logAlpha) {
        return sigmoid(logAlpha + CUT);
    }

    /// @param logAlpha finite
    /// @return what a kept gate is outside training, in (0, 1)
    public static double kept(double logAlpha) {
        return sigmoid(logAlpha / TEMPERATURE * MAGICAL_NUMBER);
    }

    /// @param dropRate probability of dropping a gate were it not stretched, in (0, 1)
    /// @return its log-alpha
    /// @throws IllegalArgumentException naming the rate
    public static double logAlpha(double dropRate) {
        if (!(dropRate > 0 && dropRate < 1)) {
            throw new IllegalArgumentException("initial drop rate is " + dropRate + ", expected a number in (0, 1)");
        }
        return StrictMath.log((1 - dropRate) / dropRate);
    }

    private static double stretched(double concrete) {
        return concrete * (HIGH - LOW) + LOW;
    }

    private static double sigmoid(double x) {
        double power = StrictMath.exp(-Math.abs(x));
        return x >= 0 ? 1 / (1 + power) : power / (1 + power);
    }
}
