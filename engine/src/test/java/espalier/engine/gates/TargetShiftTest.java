package espalier.engine.gates;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.gates.GateSettings.Enabling;
import espalier.engine.gates.GateSettings.HeadUnit;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelShape;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Philox;
import java.util.Collections;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TargetShiftTest {
    private static final GateLayout LAYOUT = new GateLayout(
            new ModelShape(
                    40, 32, Collections.nCopies(3, LayerShape.uniform(4, 2, 8, 48)), true, ModelShape.Biases.NONE, 1e-5,
                    10_000, 64),
            GateSettings.standard(3));

    private static double[] trained() {
        Philox random = new Philox(1, 2);
        return IntStream.range(0, LAYOUT.size())
                .mapToDouble(i -> Math.clamp(
                        1 + 2.5 * random.gaussian(i), HardConcrete.MIN_LOG_ALPHA, HardConcrete.MAX_LOG_ALPHA))
                .toArray();
    }

    @ParameterizedTest
    @ValueSource(doubles = {0.1, 0.3, 0.5, 0.7})
    void gatesExpectTheTargetAndKeepTheirOrder(double target) {
        double[] before = trained();
        double[] after = TargetShift.to(LAYOUT, before, target);
        assertEquals(target, new GateSparsity(LAYOUT).expected(after), 1e-9);
        double shift = after[0] - before[0];
        for (int i = 0; i < before.length; i++) {
            assertEquals(shift, after[i] - before[i], 1e-12);
        }
        assertTrue(Math.abs(shift) > 1e-3);
    }

    /// At the start all gates are open but for noise, which must not decide what leaves.
    @Test
    void gatesThatHardlyMovedStay() {
        double[] initial = InitialGates.RELEASED.logAlpha(LAYOUT, 1);
        assertSame(initial, TargetShift.to(LAYOUT, initial, 0.3));
    }

    /// Gates over layers stay where they are: units under open ones make the target, or, if these are too few, nothing
    /// is moved.
    @Test
    void closedLayersStayDense() {
        GateLayout layout = new GateLayout(LAYOUT.model(), new GateSettings(
                true, true, false, HeadUnit.GROUP, Enabling.LAYER, new LayerRange(0, 3)));
        double[] trained = layout.filled(1);
        GateBlock closed = layout.block(GateFamily.LAYER, 1).orElseThrow();
        trained[closed.offset()] = -3;
        double before = new GateSparsity(layout).expected(trained);
        assertEquals(2.0 / 3 * (1 - HardConcrete.keep(1)), before, 1e-12);
        double[] moved = TargetShift.to(layout, trained, 0.08);
        assertEquals(0.08, new GateSparsity(layout).expected(moved), 1e-9);
        for (int layer = 0; layer < 3; layer++) {
            int gate = layout.block(GateFamily.LAYER, layer).orElseThrow().offset();
            assertEquals(trained[gate], moved[gate]);
        }
        double[] one = layout.filled(-3);
        one[layout.block(GateFamily.LAYER, 0).orElseThrow().offset()] = 1;
        assertEquals(1.0 / 3 * (1 - HardConcrete.keep(-3)), new GateSparsity(layout).expected(one), 1e-12);
        assertSame(one, TargetShift.to(layout, one, 0.35), "one layer of three cannot");
    }

    @Test
    void gatesOnTheTargetStay() {
        double[] trained = trained();
        double expected = new GateSparsity(LAYOUT).expected(trained);
        assertArrayEquals(trained, TargetShift.to(LAYOUT, trained, expected), 1e-9);
    }
}
