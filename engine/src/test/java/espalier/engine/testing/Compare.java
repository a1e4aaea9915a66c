package espalier.engine.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

/// Comparisons in the norm, as golden/README.md states its tolerances. NaN fails.
public final class Compare {
    /// Tolerance of logits and losses.
    public static final double VALUES = 1e-4;
    /// Tolerance of gradients.
    public static final double GRADIENTS = 1e-3;

    private Compare() {}

    /// @return `|actual - expected| / |expected|`
    public static double relativeError(float[] actual, float[] expected) {
        assertEquals(expected.length, actual.length, "length");
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < expected.length; i++) {
            difference += Math.pow((double) actual[i] - expected[i], 2);
            norm += Math.pow(expected[i], 2);
        }
        return norm == 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
    }

    /// Fails unless the relative error in the norm is within the tolerance.
    public static void assertClose(String what, float[] expected, float[] actual, double tolerance) {
        double error = relativeError(actual, expected);
        if (!(error <= tolerance)) {
            fail("%s: relative error %g, tolerance %g".formatted(what, error, tolerance));
        }
    }

    /// Fails unless the relative error is within the tolerance.
    public static void assertClose(String what, double expected, double actual, double tolerance) {
        if (!(Math.abs(actual - expected) <= tolerance * Math.abs(expected))) {
            fail("%s: %.9g, expected %.9g within %g".formatted(what, actual, expected, tolerance));
        }
    }
}
