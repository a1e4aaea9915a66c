package espalier.engine.gates;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.gates.GateSettings.Enabling;
import espalier.engine.gates.GateSettings.HeadUnit;
import espalier.engine.model.LayerRange;
import espalier.engine.model.Shapes;
import espalier.engine.weights.LayerShape;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Numbered checks are those of l0-masks.md, section 12.
class DeterministicMaskTest {
    /// Check 6: what the mask of LLaMA-7B closes after the first clamp.
    @Test
    void check6AfterTheFirstClamp() {
        GateLayout layout = Layouts.documented("llama-7b", true, HeadUnit.GROUP);
        double[] logAlpha = new InitialGates(0.01, 0, false).logAlpha(layout, 0);
        double[] clamped = Arrays.stream(logAlpha).map(a -> Math.min(a, HardConcrete.MAX_LOG_ALPHA)).toArray();
        GateMask mask = DeterministicMask.of(layout, clamped, WidthRule.FREE);
        MaskValues values = mask.values();
        values.heads().forEach(heads -> assertEquals(0, zeros(heads)));
        values.ffn().forEach(ffn -> assertEquals(22, zeros(ffn)));
        assertEquals(8, zeros(values.hidden()));
        GateSparsity sparsity = new GateSparsity(layout);
        assertEquals(21_282_304L, sparsity.parameters() - sparsity.left(mask));
        assertEquals(0.00328633, sparsity.realised(mask), 5e-9);
    }

    /// Check 7: each block has as many zeros as it expects; those with the smallest log-alpha; the others are soft.
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void check7ZerosAreThoseExpected(long seed) {
        GateLayout layout = Layouts.standard(3, 6, 3, 4, 50, 40);
        double[] logAlpha = Layouts.random(layout, seed);
        double[] gates = DeterministicMask.of(layout, logAlpha, WidthRule.FREE).gates();
        for (GateBlock block : layout.blocks()) {
            int[] closed = IntStream.range(block.offset(), block.end()).filter(i -> gates[i] == 0).toArray();
            int[] kept = IntStream.range(block.offset(), block.end()).filter(i -> gates[i] != 0).toArray();
            double expected = IntStream.range(block.offset(), block.end())
                    .mapToDouble(i -> 1 - HardConcrete.keep(logAlpha[i]))
                    .sum();
            assertEquals(Math.rint(expected), closed.length, block.name());
            double largest = Arrays.stream(closed).mapToDouble(i -> logAlpha[i]).max().orElse(-99);
            for (int i : kept) {
                assertEquals(HardConcrete.kept(logAlpha[i]), gates[i]);
                assertTrue(logAlpha[i] > largest, block.name());
            }
        }
    }

    /// Of equal gates those with the lower index close; a negative zero is a zero.
    @Test
    void tiesGoByIndex() {
        GateLayout layout = Layouts.channels(12);
        double[] logAlpha = layout.filled(0);
        logAlpha[5] = -0.0;
        logAlpha[1] = 0.5;
        GateMask mask = DeterministicMask.of(layout, logAlpha, WidthRule.FREE);
        assertEquals(2, expectedZeros(layout, logAlpha));
        float half = 0.5f;
        float more = (float) HardConcrete.kept(0.5);
        assertArrayEquals(
                new float[] {0, more, 0, half, half, half, half, half, half, half, half, half},
                mask.values().ffn().getFirst());
    }

    /// Exact halves go to the even number, as Python rounds.
    @ParameterizedTest
    @CsvSource({"1, 0", "3, 2", "5, 2", "7, 4"})
    void halvesGoToEven(int count, int zeros) {
        // A keep probability of exactly one half.
        double a = HardConcrete.TEMPERATURE * StrictMath.log(-HardConcrete.LOW / HardConcrete.HIGH);
        assertEquals(0.5, HardConcrete.keep(a));
        GateLayout layout = Layouts.channels(count);
        MaskValues values = DeterministicMask.of(layout, layout.filled(a), WidthRule.FREE).values();
        assertEquals(zeros, zeros(values.ffn().getFirst()));
    }

    /// Kept channels, from the number expected: nearest multiple, halves up, one at least, not more than there are.
    @ParameterizedTest
    @CsvSource({
        "200, 100, 32, 96", "200, 113, 32, 128", "200, 112, 32, 128", "200, 5, 32, 32", "200, 198, 64, 192",
        "40, 20, 64, 40", "512, 140, 128, 128", "512, 400, 256, 512"
    })
    void aligned(int width, int kept, int align, int expected) {
        GateLayout layout = Layouts.channels(width);
        double[] logAlpha = keeping(width, kept);
        assertEquals(kept, width - expectedZeros(layout, logAlpha));
        WidthRule rule = new WidthRule(align, false);
        float[] values = DeterministicMask.of(layout, logAlpha, rule).values().ffn().getFirst();
        int open = width - zeros(values);
        assertEquals(expected, open);
        for (int i = 0; i < width; i++) {
            assertEquals(i >= width - open, values[i] > 0, "those with the largest log-alpha stay, channel " + i);
        }
    }

    /// A layer that expects to keep nothing, or everything, is not rounded.
    @Test
    void alignLeavesEmptyAndWholeLayers() {
        GateLayout layout = Layouts.channels(10);
        WidthRule rule = new WidthRule(4, false);
        double[] all = layout.filled(HardConcrete.MAX_LOG_ALPHA);
        assertEquals(0, zeros(DeterministicMask.of(layout, all, rule).values().ffn().getFirst()));
        double[] none = layout.filled(HardConcrete.MIN_LOG_ALPHA);
        assertEquals(10, zeros(DeterministicMask.of(layout, none, rule).values().ffn().getFirst()));
    }

    /// Alignment concerns FFN channels; heads and hidden channels stay as expected.
    @Test
    void alignLeavesOtherFamilies() {
        GateLayout layout = Layouts.standard(2, 8, 4, 4, 40, 30);
        double[] logAlpha = Layouts.random(layout, 8);
        MaskValues free = DeterministicMask.of(layout, logAlpha, WidthRule.FREE).values();
        MaskValues aligned = DeterministicMask.of(layout, logAlpha, new WidthRule(16, false)).values();
        assertArrayEquals(free.hidden(), aligned.hidden());
        assertArrayEquals(free.heads().toArray(), aligned.heads().toArray());
        aligned.ffn().forEach(ffn -> assertEquals(0, (40 - zeros(ffn)) % 16));
    }

    /// Every layer keeps what the mean layer expects, its own best.
    @Test
    void uniformLayersKeepTheSameWidths() {
        GateLayout layout = Layouts.channels(100, 3);
        double[] logAlpha = new double[300];
        System.arraycopy(keeping(100, 90), 0, logAlpha, 0, 100);
        System.arraycopy(keeping(100, 50), 0, logAlpha, 100, 100);
        System.arraycopy(keeping(100, 31), 0, logAlpha, 200, 100);
        List<float[]> uniform =
                DeterministicMask.of(layout, logAlpha, new WidthRule(1, true)).values().ffn();
        uniform.forEach(ffn -> assertEquals(57, 100 - zeros(ffn)));
        uniform.forEach(ffn -> assertTrue(ffn[99] > 0 && ffn[43] > 0 && ffn[42] == 0));
        List<float[]> aligned =
                DeterministicMask.of(layout, logAlpha, new WidthRule(32, true)).values().ffn();
        aligned.forEach(ffn -> assertEquals(64, 100 - zeros(ffn)));
    }

    @Test
    void uniformHeadsToo() {
        GateLayout layout = Layouts.standard(4, 8, 4, 4, 40, 30);
        MaskValues values =
                DeterministicMask.of(layout, Layouts.random(layout, 2), new WidthRule(8, true)).values();
        assertEquals(1, values.heads().stream().mapToInt(DeterministicMaskTest::zeros).distinct().count());
        assertEquals(1, values.ffn().stream().mapToInt(DeterministicMaskTest::zeros).distinct().count());
    }

    @Test
    void uniformIsRefusedWhereItCannotBe() {
        LayerShape layer = LayerShape.uniform(4, 2, 4, 6);
        LayerRange all = new LayerRange(0, 2);
        assertUniformRefused("equal shapes", new GateLayout(
                Shapes.toy(8, true, layer, LayerShape.uniform(4, 2, 4, 7)), GateSettings.standard(2)));
        assertUniformRefused("all 2 layers, the range is 0:1", new GateLayout(
                Shapes.toy(8, true, layer, layer), GateSettings.standard(1)));
        assertUniformRefused("gates over layers", new GateLayout(
                Shapes.toy(8, true, layer, layer),
                new GateSettings(true, true, true, HeadUnit.GROUP, Enabling.LAYER, all)));
    }

    private static void assertUniformRefused(String why, GateLayout layout) {
        WidthRule rule = new WidthRule(1, true);
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class, () -> DeterministicMask.of(layout, layout.filled(0), rule));
        assertTrue(e.getMessage().contains(why), e.getMessage());
    }

    /// Groups close with all their query heads; layers outside the range have ones.
    @Test
    void groupsCloseTheirQueryHeads() {
        LayerShape shape = new LayerShape(new int[] {3, 1, 2}, 4, 5);
        GateLayout layout = new GateLayout(Shapes.toy(4, true, shape, shape), new GateSettings(
                true, false, false, HeadUnit.GROUP, Enabling.NONE, new LayerRange(1, 2)));
        double[] logAlpha = {4.5, -4.5, 2};
        MaskValues values = DeterministicMask.of(layout, logAlpha, WidthRule.FREE).values();
        float first = (float) HardConcrete.kept(4.5);
        float last = (float) HardConcrete.kept(2);
        assertArrayEquals(new float[] {1, 1, 1, 1, 1, 1}, values.heads().get(0));
        assertArrayEquals(new float[] {first, first, first, 0, last, last}, values.heads().get(1));
        assertEquals(List.of(), values.ffn());
        assertEquals(0, values.hidden().length);
    }

    /// A closed enabling gate leaves its layer dense: all ones, and nothing realised.
    @ParameterizedTest
    @MethodSource("enabling")
    void closedLayersAreDense(Enabling enabling) {
        LayerShape shape = LayerShape.uniform(4, 4, 4, 6);
        GateLayout layout = new GateLayout(Shapes.toy(8, true, shape, shape), new GateSettings(
                true, true, false, HeadUnit.GROUP, enabling, new LayerRange(0, 2)));
        double[] logAlpha = layout.filled(-4.5);
        GateBlock open = layout.block(
                enabling == Enabling.LAYER ? GateFamily.LAYER : GateFamily.MLP, 1).orElseThrow();
        logAlpha[open.offset()] = 4.5;
        GateMask mask = DeterministicMask.of(layout, logAlpha, WidthRule.FREE);
        MaskValues values = mask.values();
        float[] attention = enabling == Enabling.LAYER ? new float[] {0, 0, 0, 0} : new float[] {1, 1, 1, 1};
        assertArrayEquals(new float[] {1, 1, 1, 1}, values.heads().get(0));
        assertArrayEquals(new float[] {1, 1, 1, 1, 1, 1}, values.ffn().get(0));
        assertArrayEquals(attention, values.heads().get(1));
        assertArrayEquals(new float[6], values.ffn().get(1));
        double removed = 8 * 3 * 6 + (enabling == Enabling.LAYER ? 8 * 4 * 16 : 0);
        GateSparsity sparsity = new GateSparsity(layout);
        assertEquals(removed / sparsity.parameters(), sparsity.realised(mask), 1e-15);
    }

    static List<Enabling> enabling() {
        return List.of(Enabling.LAYER, Enabling.ATTENTION_AND_MLP);
    }

    /// Log-alphas, all different and rising, of which so many are expected to stay.
    private static double[] keeping(int width, int kept) {
        double low = -12;
        double high = 12;
        double[] logAlpha = new double[width];
        for (int halving = 0; halving < 60; halving++) {
            double middle = (low + high) / 2;
            for (int i = 0; i < width; i++) {
                logAlpha[i] = middle + 0.1 * i / width;
            }
            if (Arrays.stream(logAlpha).map(HardConcrete::keep).sum() < kept) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return logAlpha;
    }

    private static int expectedZeros(GateLayout layout, double[] logAlpha) {
        return (int) Math.rint(layout.size() - Arrays.stream(logAlpha).map(HardConcrete::keep).sum());
    }

    private static int zeros(float[] values) {
        int zeros = 0;
        for (float value : values) {
            zeros += value == 0 ? 1 : 0;
        }
        return zeros;
    }
}
