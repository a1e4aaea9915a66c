package espalier.cli.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class AxisTest {
    private static List<String> labels(Axis axis) {
        return axis.ticks().stream().map(Axis.Tick::label).toList();
    }

    @Test
    void linearTicksAreRound() {
        assertEquals(List.of("0", "50", "100", "150", "200", "250", "300"), labels(Axis.linear(0, 300, 6, true)));
        assertEquals(List.of("1.5", "2.0", "2.5", "3.0"), labels(Axis.linear(1.43, 3.02, 5, false)));
        assertEquals(List.of("-0.2", "0.0", "0.2", "0.4"), labels(Axis.linear(-0.3, 0.5, 5, false)));
        assertEquals(List.of("1", "2", "3"), labels(Axis.linear(1, 3, 6, true)));
    }

    @Test
    void shortLabelsShareAFactor() {
        Axis rate = Axis.linear(0, 1e-4, 5, false);
        assertEquals(List.of("0.0", "0.2", "0.4", "0.6", "0.8", "1.0"), labels(rate));
        assertEquals("×10⁻⁴", rate.factor());
        assertEquals(6e-5, rate.ticks().get(3).value());
        Axis large = Axis.linear(0, 12e6, 5, false);
        assertEquals(List.of("0.0", "0.5", "1.0"), labels(large));
        assertEquals("×10⁷", large.factor());
        assertEquals("", Axis.linear(0, 0.01, 5, false).factor());
        assertEquals(List.of("0", "50,000", "100,000"), labels(Axis.linear(0, 1e5, 3, true)));
    }

    @Test
    void everyLinearAxisHasAFewRoundTicksInside() {
        Random random = new Random(1);
        for (int i = 0; i < 20_000; i++) {
            double low = random.nextGaussian() * Math.pow(10, random.nextInt(-20, 20));
            double high = low + Math.abs(low) * Math.pow(10, random.nextInt(-6, 6)) * (0.1 + random.nextDouble());
            Axis axis = Axis.linear(low, high, 5, false);
            String range = low + " to " + high + ": " + axis;
            assertTrue(axis.ticks().size() >= 2 && axis.ticks().size() <= 6, range);
            for (Axis.Tick tick : axis.ticks()) {
                double position = axis.position(tick.value());
                assertTrue(position >= -1e-8 && position <= 1 + 1e-8, range);
                assertTrue(tick.label().length() <= 13, range);
            }
        }
    }

    @Test
    void logarithmicTicks() {
        assertEquals(List.of("0.1", "0.2", "0.5", "1", "2", "5"), labels(Axis.logarithmic(0.12, 4)));
        assertEquals(List.of("10⁻⁶", "10⁻⁵", "10⁻⁴", "0.001", "0.01"), labels(Axis.logarithmic(1.5e-6, 0.01)));
        assertEquals(List.of("10⁻²⁰", "10⁻¹⁶", "10⁻¹²", "10⁻⁸", "10⁻⁴", "1", "10⁴"),
                labels(Axis.logarithmic(1e-20, 100)));
        assertEquals(List.of("2.10", "2.15", "2.20", "2.25", "2.30"), labels(Axis.logarithmic(2.08, 2.3)));
    }

    @Test
    void everyLogarithmicAxisHoldsItsValues() {
        Random random = new Random(2);
        for (int i = 0; i < 20_000; i++) {
            double low = Math.pow(10, random.nextDouble(-290, 200));
            double high = low * Math.pow(10, Math.pow(random.nextDouble(), 6) * 90);
            Axis axis = Axis.logarithmic(low, high);
            String range = low + " to " + high + ": " + axis;
            assertTrue(axis.position(low) >= -1e-8 && axis.position(high) <= 1 + 1e-8, range);
            assertTrue(axis.ticks().size() >= 2 && axis.ticks().size() <= 11, range);
        }
    }

    @Test
    void aRangeWithoutWidthIsWidened() {
        assertEquals(0.5, Axis.linear(7, 7, 5, false).position(7), 1e-12);
        assertEquals(0.5, Axis.linear(0, 0, 5, false).position(0));
        Axis flat = Axis.linear(1e15, 1e15 + 1, 5, false);
        assertTrue(flat.high() - flat.low() > 1e13, flat::toString);
    }
}
