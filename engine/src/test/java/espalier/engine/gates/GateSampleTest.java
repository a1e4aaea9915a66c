package espalier.engine.gates;

import static espalier.engine.gates.FiniteDifferences.assertGradient;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.gates.GateSettings.Enabling;
import espalier.engine.gates.GateSettings.HeadUnit;
import espalier.engine.model.LayerRange;
import espalier.engine.model.Shapes;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Philox;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Numbered checks are those of l0-masks.md, section 12.
class GateSampleTest {
    /// Check 2, over whole masks: the gradient of a weighted sum of mask values at fixed draws.
    @ParameterizedTest
    @MethodSource("withoutEnabling")
    void check2MaskGradient(GateLayout layout) {
        // Nearer to 0 than most, so that many gates are neither 0 nor 1.
        double[] logAlpha = Arrays.stream(Layouts.random(layout, 21)).map(a -> a / 4).toArray();
        double[] uniforms = uniforms(layout);
        GateSample sample = GateSample.of(layout, logAlpha, uniforms);
        MaskValues weights = weights(sample.mask().values());
        // The mask itself is F32, too coarse for differences: its weighted sum is taken in float64 instead.
        double[] gateWeights = sample.mask().gradient(weights);
        assertGradient(
                "mask", x -> dot(gateWeights, GateSample.of(layout, x, uniforms).mask().gates()), logAlpha,
                sample.gradient(weights), 1e-8);
        assertTrue(Arrays.stream(sample.gradient(weights)).anyMatch(d -> d != 0), "some gate is inside");
        assertEquals(
                dot(weights, sample.mask().values()),
                dot(gateWeights, sample.mask().gates()) + outside(layout, weights),
                1e-5,
                "gateWeights are the mask's");
    }

    static List<GateLayout> withoutEnabling() {
        return Layouts.unequal()
                .filter(layout -> layout.settings().enabling() == Enabling.NONE)
                .toList();
    }

    /// The sum of weights of layers without gates, whose mask values are 1.
    private static double outside(GateLayout layout, MaskValues weights) {
        double sum = 0;
        for (int layer = 0; layer < layout.model().layers().size(); layer++) {
            if (!layout.settings().layers().contains(layer)) {
                for (List<float[]> family : List.of(weights.heads(), weights.ffn())) {
                    for (float weight : family.isEmpty() ? new float[0] : family.get(layer)) {
                        sum += weight;
                    }
                }
            }
        }
        return sum;
    }

    /// Section 8: an enabling gate is rounded in the forward and lets gradients through as if it were not.
    @ParameterizedTest
    @EnumSource(names = {"LAYER", "ATTENTION_AND_MLP"})
    void enablingGatesAreStraightThrough(Enabling enabling) {
        GateLayout layout = new GateLayout(
                Shapes.toy(8, true, LayerShape.uniform(4, 2, 4, 3)),
                new GateSettings(true, true, false, HeadUnit.GROUP, enabling, new LayerRange(0, 1)));
        double[] logAlpha = layout.filled(0);
        double[] uniforms = new double[layout.size()];
        Arrays.fill(uniforms, 0.4);
        GateMask closed = GateSample.of(layout, logAlpha, uniforms).mask();
        for (float value : closed.values().ffn().getFirst()) {
            assertEquals(1, value, "g of " + HardConcrete.gate(HardConcrete.concrete(0.4, 0)) + " acts as 0");
        }
        for (GateBlock block : layout.blocks()) {
            if (block.family().isEnabling()) {
                uniforms[block.offset()] = 0.6;
            }
        }
        GateSample sample = GateSample.of(layout, logAlpha, uniforms);
        float z = (float) HardConcrete.gate(HardConcrete.concrete(0.4, 0));
        assertArrayEquals(new float[] {z, z, z, z}, sample.mask().values().heads().getFirst());
        MaskValues ones = new MaskValues(
                List.of(new float[] {1, 1, 1, 1}), List.of(new float[] {1, 1, 1}), new float[0]);
        double[] gradient = sample.gradient(ones);
        double unit = HardConcrete.gateSlope(HardConcrete.concrete(0.4, 0));
        double gate = HardConcrete.gateSlope(HardConcrete.concrete(0.6, 0));
        assertTrue(gate > 0.3, "the gate is inside");
        double gap = HardConcrete.gate(HardConcrete.concrete(0.4, 0)) - 1;
        for (GateBlock block : layout.blocks()) {
            double expected = switch (block.family()) {
                case HEADS -> 2 * unit;
                case FFN -> unit;
                case LAYER -> 7 * gap * gate;
                case ATTENTION -> 4 * gap * gate;
                case MLP -> 3 * gap * gate;
                case HIDDEN -> throw new AssertionError(block);
            };
            for (int i = block.offset(); i < block.end(); i++) {
                assertEquals(expected, gradient[i], 1e-12, block.name());
            }
        }
        // Under closed gates nothing reaches the units, but the enabling gate still learns.
        Arrays.fill(uniforms, 0.4);
        double[] underClosed = GateSample.of(layout, logAlpha, uniforms).gradient(ones);
        for (GateBlock block : layout.blocks()) {
            assertEquals(block.family().isEnabling(), underClosed[block.offset()] != 0, block.name());
        }
    }

    /// Check 12: one draw for a key, another for the next step, micro-batch or seed; none outside training.
    @Test
    void check12NewDrawsForNewKeys() {
        GateLayout layout = Layouts.standard(2, 4, 2, 4, 60, 50);
        double[] logAlpha = layout.filled(0);
        double[] draw = GateSample.of(layout, logAlpha, new GateKey(3, 5, 1)).mask().gates();
        assertArrayEquals(draw, GateSample.of(layout, logAlpha, new GateKey(3, 5, 1)).mask().gates());
        for (GateKey other : List.of(new GateKey(3, 6, 1), new GateKey(3, 5, 0), new GateKey(4, 5, 1))) {
            assertFalse(Arrays.equals(draw, GateSample.of(layout, logAlpha, other).mask().gates()), other.toString());
        }
        assertArrayEquals(
                DeterministicMask.of(layout, logAlpha, WidthRule.FREE).gates(),
                DeterministicMask.of(layout, logAlpha, WidthRule.FREE).gates());
    }

    /// Layers and families draw independently; a layer's gates do not depend on which others there are.
    @Test
    void blocksDrawOnTheirOwn() {
        GateLayout layout = Layouts.standard(3, 8, 8, 2, 8, 8);
        double[] draw = GateSample.of(layout, layout.filled(0), new GateKey(0, 0, 0)).mask().gates();
        List<List<Double>> blocks = new ArrayList<>();
        for (GateBlock block : layout.blocks()) {
            blocks.add(Arrays.stream(draw, block.offset(), block.end()).boxed().toList());
        }
        assertEquals(blocks.size(), blocks.stream().distinct().count());
        GateLayout one = new GateLayout(layout.model(), new GateSettings(
                false, true, false, HeadUnit.GROUP, Enabling.NONE, new LayerRange(1, 2)));
        double[] alone = GateSample.of(one, one.filled(0), new GateKey(0, 0, 0)).mask().gates();
        GateBlock block = layout.block(GateFamily.FFN, 1).orElseThrow();
        assertArrayEquals(Arrays.copyOfRange(draw, block.offset(), block.end()), alone);
    }

    /// The same bits on every machine, in every version: draws, gates and slopes.
    @Test
    void bitsStay() {
        GateLayout layout = Layouts.standard(2, 4, 2, 4, 60, 50);
        double[] logAlpha = new InitialGates(0.2, 1.5, false).logAlpha(layout, 42);
        GateSample sample = GateSample.of(layout, logAlpha, new GateKey(42, 1L << 31, 7));
        long[] hashes = {
            hash(logAlpha),
            hash(sample.mask().gates()),
            hash(sample.gradient(weights(sample.mask().values()))),
            hash(DeterministicMask.of(layout, logAlpha, WidthRule.FREE).gates())
        };
        assertArrayEquals(
                new long[] {
                    -7455256677158939071L, 8847573699424797792L, -4700361101778032551L, 1148146756013347135L
                },
                hashes,
                "log-alpha, gates, gradient, deterministic mask");
    }

    private static long hash(double[] values) {
        long hash = 1;
        for (double value : values) {
            hash = 31 * hash + Double.doubleToLongBits(value);
        }
        return hash;
    }

    /// Philox keys differ for any two coordinates that could be confused.
    @Test
    void keysHaveAFieldForEachCoordinate() {
        GateBlock block = new GateBlock(GateFamily.FFN, 1, 0, 9);
        GateKey key = new GateKey(1, 2, 3);
        assertNotEquals(key.draws(block), key.draws(new GateBlock(GateFamily.HEADS, 1, 0, 9)));
        assertNotEquals(key.draws(block), key.draws(new GateBlock(GateFamily.FFN, 0, 0, 9)));
        assertNotEquals(key.draws(block), GateKey.noise(1, block));
        assertNotEquals(new GateKey(1, 2, 0).draws(block), GateKey.noise(1, block));
        assertEquals((2L << 32) + 8, key.index(8));
        assertEquals(0xFFFFFFFF00000008L, new GateKey(1, 0xFFFFFFFFL, 0).index(8));
        assertThrows(IllegalArgumentException.class, () -> new GateKey(0, -1, 0));
        assertThrows(IllegalArgumentException.class, () -> new GateKey(0, 1L << 32, 0));
        assertThrows(IllegalArgumentException.class, () -> new GateKey(0, 0, -1));
    }

    @Test
    void gradientsOfAnotherLengthAreRefused() {
        GateLayout layout = Layouts.channels(4);
        GateSample sample = GateSample.of(layout, layout.filled(0), new GateKey(0, 0, 0));
        MaskValues shorter = new MaskValues(List.of(), List.of(new float[3]), new float[0]);
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> sample.gradient(shorter));
        assertEquals("3 mask gradients of layers.0.ffn, expected 4", e.getMessage());
    }

    /// Section 1: means and deviation of the first log-alphas.
    @Test
    void firstLogAlphas() {
        GateLayout layout = new GateLayout(
                Shapes.toy(4000, true, LayerShape.uniform(4, 2, 4, 4000)),
                new GateSettings(true, true, true, HeadUnit.GROUP, Enabling.LAYER, new LayerRange(0, 1)));
        double[] logAlpha = InitialGates.RELEASED.logAlpha(layout, 9);
        for (GateBlock block : layout.blocks()) {
            double[] part = Arrays.copyOfRange(logAlpha, block.offset(), block.end());
            double mean = Arrays.stream(part).average().orElseThrow();
            double wanted = switch (block.family()) {
                case HEADS, HIDDEN -> 10;
                case FFN -> 4.59512;
                case LAYER -> -10;
                case ATTENTION, MLP -> throw new AssertionError(block);
            };
            assertEquals(wanted, mean, block.size() > 100 ? 0.001 : 0.04, block.name());
            if (block.size() > 100) {
                double variance = Arrays.stream(part).map(a -> (a - mean) * (a - mean)).average().orElseThrow();
                assertEquals(0.01, Math.sqrt(variance), 0.0005, block.name());
            }
        }
        double[] open = new InitialGates(0.5, 0, true).logAlpha(layout, 9);
        assertEquals(10, open[layout.block(GateFamily.LAYER, 0).orElseThrow().offset()]);
        assertEquals(0, open[layout.block(GateFamily.FFN, 0).orElseThrow().offset()]);
        assertThrows(IllegalArgumentException.class, () -> new InitialGates(1, 0, true));
        assertThrows(IllegalArgumentException.class, () -> new InitialGates(0.5, -1, true));
    }

    private static double[] uniforms(GateLayout layout) {
        Philox random = new Philox(31, 0);
        double[] uniforms = new double[layout.size()];
        Arrays.setAll(uniforms, i -> HardConcrete.withoutEnds(random.uniform(i)));
        return uniforms;
    }

    /// Numbers in the shape of mask values.
    private static MaskValues weights(MaskValues like) {
        Philox random = new Philox(5, 5);
        int[] at = {0};
        return new MaskValues(
                like.heads().stream().map(values -> numbers(values.length, random, at)).toList(),
                like.ffn().stream().map(values -> numbers(values.length, random, at)).toList(),
                numbers(like.hidden().length, random, at));
    }

    private static float[] numbers(int count, Philox random, int[] at) {
        float[] numbers = new float[count];
        for (int i = 0; i < count; i++) {
            numbers[i] = (float) random.gaussian(at[0]++);
        }
        return numbers;
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    private static double dot(MaskValues a, MaskValues b) {
        double sum = dot(a.hidden(), b.hidden());
        for (int layer = 0; layer < a.heads().size(); layer++) {
            sum += dot(a.heads().get(layer), b.heads().get(layer));
        }
        for (int layer = 0; layer < a.ffn().size(); layer++) {
            sum += dot(a.ffn().get(layer), b.ffn().get(layer));
        }
        return sum;
    }

    private static double dot(float[] a, float[] b) {
        assertEquals(a.length, b.length);
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (double) a[i] * b[i];
        }
        return sum;
    }
}
