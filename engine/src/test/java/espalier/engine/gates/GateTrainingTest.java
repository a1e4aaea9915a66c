package espalier.engine.gates;

import static espalier.engine.gates.FiniteDifferences.assertGradient;
import static espalier.engine.gates.FiniteDifferences.assertSlope;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.gates.GateSettings.HeadUnit;
import espalier.engine.gates.SparsitySchedule.Shape;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Numbered checks are those of l0-masks.md, section 12.
class GateTrainingTest {
    private static GateTraining.Settings settings(double target, long warmup) {
        return new GateTraining.Settings(
                42, new SparsitySchedule(target, warmup, Shape.LINEAR), GateTraining.Rates.RELEASED);
    }

    /// Check 5: the first update of the multipliers.
    @ParameterizedTest
    @ValueSource(doubles = {0.00131136, -0.2, 0.03})
    void check5FirstMultipliers(double gap) {
        HostAdam multipliers = new HostAdam(new double[2], -0.1);
        multipliers.step(Lagrangian.multiplierGradient(gap));
        double[] lambda = multipliers.values();
        assertEquals(0.1 * gap / (Math.abs(gap) + 1e-8), lambda[0], 1e-8);
        assertEquals(0.1 * gap * gap / (gap * gap + 1e-8), lambda[1], 1e-8);
        if (gap == 0.00131136) {
            assertEquals(0.0999992, lambda[0], 5e-8);
            assertEquals(0.0994218, lambda[1], 1e-7);
        }
    }

    /// Section 11: the beginning of the author's log of LLaMA-7B, where the multipliers push every gate open, which is
    /// where it is; the task's share does not matter to the digits that are given. The log does not give its warm-up:
    /// 3400 steps fit both multipliers of step 10.
    @Test
    void traceOfLlama7b() {
        GateLayout layout = Layouts.documented("llama-7b", true, HeadUnit.GROUP);
        GateTraining training = new GateTraining(layout, InitialGates.RELEASED, settings(0.5, 3400));
        double[] none = new double[layout.size()];
        assertEquals(0.00137, training.penalty(0).expected(), 5e-6);
        training.step(none, training.penalty(0));
        assertEquals(0.0999992, training.lagrangian().lambda1(), 1e-6);
        assertEquals(0.0994218, training.lagrangian().lambda2(), 1e-4);
        assertClamped(training);
        GateMask mask = training.deterministic(WidthRule.FREE);
        assertEquals(8, Arrays.stream(mask.gates()).skip(layout.size() - 4096).filter(z -> z == 0).count());
        assertEquals(0.0032863, training.sparsity().realised(mask), 1e-4);
        for (int step = 1; step < 10; step++) {
            training.step(none, training.penalty(step));
        }
        assertEquals(0.00404, training.penalty(9).expected(), 1e-5);
        assertEquals(0.974, training.lagrangian().lambda1(), 2e-3);
        assertEquals(0.928, training.lagrangian().lambda2(), 2e-3);
    }

    private static void assertClamped(GateTraining training) {
        for (double a : training.logAlpha()) {
            assertTrue(Math.abs(a) <= 4.6051703, "check 7: log-alpha " + a);
        }
    }

    /// Checks 7 and 8: 200 gates whose loss is `sum w (1 - z)^2`.
    @ParameterizedTest
    @ValueSource(doubles = {0.30, 0.50})
    void check8Toy(double target) {
        int gates = 200;
        GateLayout layout = Layouts.channels(gates);
        GateTraining training = new GateTraining(layout, new InitialGates(0.01, 0.01, false), settings(target, 500));
        for (int step = 0; step < 4000; step++) {
            GateSample sample = training.sample(step, 0);
            float[] z = sample.mask().values().ffn().getFirst();
            float[] dZ = new float[gates];
            for (int i = 0; i < gates; i++) {
                dZ[i] = (float) (-2 * weight(i) * (1 - z[i]));
            }
            MaskValues dValues = new MaskValues(List.of(), List.of(dZ), new float[0]);
            training.step(sample.gradient(dValues), training.penalty(step));
            assertClamped(training);
        }
        assertEquals(target, training.penalty(4000).expected(), 0.01);
        float[] mask = training.deterministic(WidthRule.FREE).values().ffn().getFirst();
        int[] dropped = IntStream.range(0, gates).filter(i -> mask[i] == 0).toArray();
        double kept = Arrays.stream(training.logAlpha()).map(HardConcrete::keep).sum();
        assertEquals(Math.rint(gates - kept), dropped.length, "check 7");
        long lowest = Arrays.stream(dropped).filter(i -> i < dropped.length).count();
        assertTrue(lowest >= 0.9 * dropped.length, lowest + " of " + dropped.length + " are the least important");
    }

    private static double weight(int gate) {
        return 0.1 * (gate + 1) / 200;
    }

    /// The order of weights is the order of log-alphas' reversal: what matters more is kept.
    @Test
    void withoutATargetWhatMattersStaysOpen() {
        GateLayout layout = Layouts.channels(10);
        GateTraining training = new GateTraining(layout, new InitialGates(0.5, 0, false), settings(0, 0));
        for (int step = 0; step < 50; step++) {
            double[] gradient = new double[10];
            Arrays.setAll(gradient, i -> i < 5 ? 1 : -1);
            training.step(gradient, training.penalty(step));
        }
        int[] order = IntStream.range(0, 10)
                .boxed()
                .sorted(Comparator.comparingDouble(i -> training.logAlpha()[i]))
                .mapToInt(i -> i / 5)
                .toArray();
        assertArrayEquals(new int[] {0, 0, 0, 0, 0, 1, 1, 1, 1, 1}, order);
    }

    @ParameterizedTest
    @CsvSource({"LINEAR, 0, 0", "LINEAR, 9, 0.00338093", "LINEAR, 1331, 0.5", "LINEAR, 9999, 0.5",
        "CUBIC, 0, 0", "CUBIC, 1331, 0.5", "CUBIC, 666, 0.4376408"})
    void schedules(Shape shape, long step, double wanted) {
        assertEquals(wanted, new SparsitySchedule(0.5, 1331, shape).at(step), 5e-7);
        assertEquals(0.5, new SparsitySchedule(0.5, 0, shape).at(step));
    }

    @Test
    void schedulesOutOfRange() {
        assertThrows(IllegalArgumentException.class, () -> new SparsitySchedule(1, 1, Shape.LINEAR));
        assertThrows(IllegalArgumentException.class, () -> new SparsitySchedule(Double.NaN, 1, Shape.LINEAR));
        assertThrows(IllegalArgumentException.class, () -> new SparsitySchedule(0.5, -1, Shape.LINEAR));
    }

    @Test
    void lagrangianMatchesDifferences() {
        for (double gap : new double[] {-0.3, 0, 0.01}) {
            Lagrangian lagrangian = new Lagrangian(-2.5, 7);
            assertSlope("gap", lagrangian::value, gap, lagrangian.slope(gap), 1e-9);
            assertGradient(
                    "multipliers", lambda -> new Lagrangian(lambda[0], lambda[1]).value(gap), new double[] {-2.5, 7},
                    Lagrangian.multiplierGradient(gap), 1e-9);
        }
    }

    /// What [HostAdam] does, written out for two steps.
    @Test
    void adamOfTwoSteps() {
        HostAdam adam = new HostAdam(new double[] {1, -2}, 0.1);
        adam.step(new double[] {0.5, -3});
        assertArrayEquals(new double[] {0.9, -1.9}, adam.values(), 1e-7);
        adam.step(new double[] {-1, -3});
        double m = (0.9 * 0.1 * 0.5 + 0.1 * -1) / (1 - 0.81);
        double v = (0.999 * 0.001 * 0.25 + 0.001) / (1 - 0.998001);
        assertArrayEquals(new double[] {0.9 - 0.1 * m / (Math.sqrt(v) + 1e-8), -1.8}, adam.values(), 1e-6);
    }

    /// A run that goes on from its state has the same bits as one that never stopped.
    @Test
    void stateBringsTheSameBitsBack() {
        GateLayout layout = Layouts.standard(2, 4, 2, 4, 20, 8);
        GateTraining whole = new GateTraining(layout, InitialGates.RELEASED, settings(0.4, 10));
        steps(whole, layout, 0, 7);
        GateTraining resumed =
                new GateTraining(layout, new InitialGates(0.3, 1, false), settings(0.4, 10));
        resumed.restore(whole.state());
        assertEquals(7, resumed.state().updates());
        steps(whole, layout, 7, 20);
        steps(resumed, layout, 7, 20);
        assertArrayEquals(whole.logAlpha(), resumed.logAlpha());
        assertEquals(whole.lagrangian(), resumed.lagrangian());
        assertEquals(whole.penalty(20), resumed.penalty(20));
    }

    private static void steps(GateTraining training, GateLayout layout, int from, int to) {
        for (int step = from; step < to; step++) {
            GateSample sample = training.sample(step, 0);
            training.step(sample.gradient(sample.mask().values()), training.penalty(step));
        }
    }

    @Test
    void statesThatDoNotFitAreNamed() {
        GateTraining training =
                new GateTraining(Layouts.channels(3), InitialGates.RELEASED, settings(0.4, 10));
        GateState four =
                new GateTraining(Layouts.channels(4), InitialGates.RELEASED, settings(0.4, 10)).state();
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> training.restore(four));
        assertEquals("the state of log-alpha has 4 values, expected 3", e.getMessage());
        GateState bad = training.state();
        bad.multipliers().m()[1] = Float.NaN;
        e = assertThrows(IllegalArgumentException.class, () -> training.restore(bad));
        assertEquals("the state of multipliers: entry 1 is NaN", e.getMessage());
    }

    /// A gradient that is not finite is refused before anything changes.
    @Test
    void badGradientsChangeNothing() {
        GateTraining training =
                new GateTraining(Layouts.channels(3), InitialGates.RELEASED, settings(0.4, 10));
        double[] before = training.logAlpha();
        double[] gradient = {0, Double.POSITIVE_INFINITY, 0};
        assertThrows(IllegalArgumentException.class, () -> training.step(gradient, training.penalty(0)));
        assertArrayEquals(before, training.logAlpha());
        assertEquals(0, training.state().updates());
    }

    @Test
    void unreachableTargetsAreRefused() {
        GateLayout layout = Layouts.documented("smollm2-135m", true, HeadUnit.HEAD);
        assertThrows(
                IllegalArgumentException.class,
                () -> new GateTraining(layout, InitialGates.RELEASED, settings(0.95, 10)));
    }
}
