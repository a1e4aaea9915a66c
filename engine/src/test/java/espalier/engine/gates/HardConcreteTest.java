package espalier.engine.gates;

import static espalier.engine.gates.FiniteDifferences.assertSlope;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import espalier.kernels.Philox;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Numbered checks are those of l0-masks.md, section 12.
class HardConcreteTest {
    /// Check 1: P(z = 0), k and P(z = 1) of section 2, half a unit of the last digit.
    @ParameterizedTest
    @CsvSource({
        "10, 9.18e-6, 5e-9, 0.9999908, 5e-8, 0.99978, 5e-6",
        "4.60517, 0.0020177, 5e-8, 0.9979823, 5e-8, 0.95287, 5e-6",
        "4.59512, 0.0020381, 5e-8, 0.9979619, 5e-8, 0.95242, 5e-6",
        "0, 0.168178, 5e-7, 0.831822, 5e-7, 0.168178, 5e-7",
        "-1.598597, 0.5, 5e-7, 0.5, 5e-7, 0.0393, 5e-5",
        "-4.60517, 0.952870, 5e-7, 0.0471298, 5e-8, 0.0020177, 5e-8"
    })
    void check1Table(
            double a,
            double zero,
            double zeroTolerance,
            double keep,
            double keepTolerance,
            double one,
            double oneTolerance) {
        assertEquals(zero, 1 - HardConcrete.keep(a), zeroTolerance, "P(z = 0)");
        assertEquals(keep, HardConcrete.keep(a), keepTolerance, "k");
        assertEquals(one, HardConcrete.fullyOpen(a), oneTolerance, "P(z = 1)");
    }

    /// Check 1: a million samples at 0; the shares of 0 and 1 at other log-alphas too.
    @ParameterizedTest
    @ValueSource(doubles = {0, 2, -1.5})
    void check1Sampled(double a) {
        int samples = 1_000_000;
        Philox random = new Philox(7, 1);
        int zeros = 0;
        int ones = 0;
        double sum = 0;
        for (int i = 0; i < samples; i++) {
            double z = HardConcrete.gate(HardConcrete.concrete(HardConcrete.withoutEnds(random.uniform(i)), a));
            zeros += z == 0 ? 1 : 0;
            ones += z == 1 ? 1 : 0;
            sum += z;
        }
        assertEquals(1 - HardConcrete.keep(a), (double) zeros / samples, 0.002, "P(z = 0)");
        assertEquals(HardConcrete.fullyOpen(a), (double) ones / samples, 0.002, "P(z = 1)");
        if (a == 0) {
            assertEquals(0.5, sum / samples, 0.002, "mean");
        }
    }

    /// Check 2: at fixed draws, the gradient of the mean gate is that of finite differences, exactly 0 where cut off.
    @ParameterizedTest
    @ValueSource(doubles = {-4, -1, 0, 0.5, 3})
    void check2SampledGradient(double a) {
        int cut = 0;
        for (double u = 0.005; u < 1; u += 0.01) {
            double draw = u;
            double slope = HardConcrete.gateSlope(HardConcrete.concrete(u, a));
            double z = HardConcrete.gate(HardConcrete.concrete(u, a));
            if (z == 0 || z == 1) {
                assertEquals(0.0, slope, "cut off at u " + u);
                cut++;
            } else {
                assertSlope("u " + u, x -> HardConcrete.gate(HardConcrete.concrete(draw, x)), a, slope, 1e-8);
            }
        }
        assertEquals(true, cut > 10 && cut < 100, "both kinds of draws are met, cut off " + cut);
    }

    @ParameterizedTest
    @ValueSource(doubles = {-12, -4.6, -1.6, 0, 1, 4.6, 11})
    void keepSlopeMatchesDifferences(double a) {
        assertSlope("keep", HardConcrete::keep, a, HardConcrete.keepSlope(a), 1e-10);
    }

    @ParameterizedTest
    @ValueSource(doubles = {-40, 40})
    void clampedKeepHasNoSlope(double a) {
        assertEquals(a < 0 ? 1e-6 : 1 - 1e-6, HardConcrete.keep(a));
        assertEquals(0, HardConcrete.keepSlope(a));
    }

    /// Section 9: values of kept gates.
    @ParameterizedTest
    @CsvSource({"4.605, 0.99603, 5e-6", "1, 0.7685, 5e-5", "0, 0.5, 0"})
    void keptValues(double a, double value, double tolerance) {
        assertEquals(value, HardConcrete.kept(a), tolerance);
    }

    /// Every draw lies within the margin of section 2.
    @Test
    void drawsKeepTheirMargin() {
        assertEquals(1e-6, HardConcrete.withoutEnds(0));
        assertEquals(1 - 1e-6, HardConcrete.withoutEnds(1 - 0x1p-53), 1e-15);
    }

    @Test
    void dropRates() {
        assertEquals(4.59512, HardConcrete.logAlpha(0.01), 5e-6);
        assertThrows(IllegalArgumentException.class, () -> HardConcrete.logAlpha(0));
        assertThrows(IllegalArgumentException.class, () -> HardConcrete.logAlpha(Double.NaN));
    }
}
