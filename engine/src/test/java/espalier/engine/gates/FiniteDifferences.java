package espalier.engine.gates;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.function.DoubleUnaryOperator;
import java.util.function.ToDoubleFunction;

/// Central differences in float64.
final class FiniteDifferences {
    private static final double STEP = 1e-5;

    private FiniteDifferences() {}

    /// Fails unless a slope is the function's.
    static void assertSlope(String what, DoubleUnaryOperator function, double x, double slope, double tolerance) {
        double difference = (function.applyAsDouble(x + STEP) - function.applyAsDouble(x - STEP)) / (2 * STEP);
        assertEquals(difference, slope, tolerance, what);
    }

    /// Fails unless every entry of a gradient is the function's.
    static void assertGradient(
            String what, ToDoubleFunction<double[]> function, double[] x, double[] gradient, double tolerance) {
        assertEquals(x.length, gradient.length, what);
        for (int i = 0; i < x.length; i++) {
            int entry = i;
            assertSlope(what + " " + i, value -> {
                double[] moved = x.clone();
                moved[entry] = value;
                return function.applyAsDouble(moved);
            }, x[i], gradient[i], tolerance);
        }
    }
}
