package espalier.engine.gates;

import static espalier.engine.gates.FiniteDifferences.assertGradient;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.gates.GateSettings.Enabling;
import espalier.engine.gates.GateSettings.HeadUnit;
import espalier.engine.model.Architecture;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelShape;
import espalier.engine.model.ModelSize;
import espalier.engine.model.Shapes;
import espalier.engine.weights.LayerShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Numbered checks are those of l0-masks.md, section 12.
class GateSparsityTest {
    private static final double LN_100 = StrictMath.log(100);

    /// Section 1: number of gates; section 5: prunable parameters.
    @Test
    void llama7b() {
        GateLayout layout = Layouts.documented("llama-7b", true, HeadUnit.GROUP);
        assertEquals(357_376, layout.size());
        assertEquals(6_476_005_376L, new GateSparsity(layout).parameters());
        assertEquals(12_687_769_600L,
                new GateSparsity(Layouts.documented("llama-13b", true, HeadUnit.GROUP)).parameters());
    }

    /// Check 3: sparsity at the beginning; after the first clamp, which FFN gates do not reach; with all at ln 100.
    /// The specification gives the last two numbers the other way round, but `1 - k^2` with its own `k(ln 100)` of
    /// 0.9979823 is 0.0040313.
    @ParameterizedTest
    @EnumSource(HeadUnit.class)
    void check3AtTheStart(HeadUnit unit) {
        GateLayout layout = Layouts.documented("llama-7b", true, unit);
        GateSparsity sparsity = new GateSparsity(layout);
        double[] logAlpha = new InitialGates(0.01, 0, false).logAlpha(layout, 0);
        assertEquals(0.0013744, sparsity.expected(logAlpha), 5e-8);
        double[] clamped = Arrays.stream(logAlpha).map(a -> Math.min(a, LN_100)).toArray();
        assertEquals(0.0040449, sparsity.expected(clamped), 5e-8);
        assertEquals(0.0040314, sparsity.expected(layout.filled(LN_100)), 5e-8);
    }

    /// Section 11: step 1 with the hidden family off.
    @Test
    void withoutHiddenGates() {
        GateLayout layout = Layouts.documented("llama-7b", false, HeadUnit.GROUP);
        double[] logAlpha = new InitialGates(0.01, 0, false).logAlpha(layout, 0);
        assertEquals(0.00137, new GateSparsity(layout).expected(logAlpha), 5e-6);
    }

    /// Check 4: the ceiling, and 0 where everything is kept.
    @Test
    void check4Ends() {
        GateLayout layout = Layouts.documented("llama-7b", true, HeadUnit.GROUP);
        GateSparsity sparsity = new GateSparsity(layout);
        assertEquals(0.997779, sparsity.expected(layout.filled(StrictMath.log(0.01))), 5e-7);
        assertEquals(0.997779, sparsity.maximum(), 5e-7);
        assertEquals(0, sparsity.realised(new GateMask(layout, layout.filled(1))));
    }

    /// Check 13: what is left of LLaMA-7B, and with embedding and lm_head, in thousandths of a billion.
    @ParameterizedTest
    @CsvSource({
        "0.20, 5180804301, 5.443",
        "0.25, 4857004032, 5.119",
        "0.30, 4533203763, 4.795",
        "0.50, 3238002688, 3.500",
        "0.70, 1942801613, 2.205"
    })
    void check13Targets(double target, long prunable, double billions) {
        GateSparsity sparsity = new GateSparsity(Layouts.documented("llama-7b", true, HeadUnit.GROUP));
        assertEquals(prunable, sparsity.parametersAt(target));
        assertEquals(billions, (prunable + 262_144_000L) / 1e9, 5e-4);
    }

    /// Section 5: query heads leave their key/value heads behind, so not all of SmolLM2 can go; whole groups can.
    @Test
    void queryHeadsLeaveKeysAndValues() {
        GateLayout heads = Layouts.documented("smollm2-135m", true, HeadUnit.HEAD);
        assertEquals(0.937, new GateSparsity(heads).realised(new GateMask(heads, heads.filled(0))), 5e-4);
        GateLayout groups = Layouts.documented("smollm2-135m", true, HeadUnit.GROUP);
        assertEquals(1, new GateSparsity(groups).realised(new GateMask(groups, groups.filled(0))));
    }

    /// Section 5, NutePrune: `1 - (E + S) / (N' + S)` with `headDim = hidden / heads`.
    @Test
    void queryHeadFormula() {
        GateLayout layout = Layouts.standard(3, 8, 2, 4, 20, 32);
        GateSettings standard = layout.settings();
        layout = new GateLayout(layout.model(), new GateSettings(
                true, true, true, HeadUnit.HEAD, Enabling.NONE, standard.layers()));
        double keep = HardConcrete.keep(1.5);
        double d = 32;
        double s = 3 * 2 * d * (d * 2 / 8);
        double n = 3 * (2 * d * d + 3 * d * 20);
        double e = d * keep * (2 * 4 * 3 * 8 * keep + 3 * 3 * 20 * keep);
        assertEquals(1 - (e + s) / (n + s), new GateSparsity(layout).expected(layout.filled(1.5)), 1e-14);
    }

    /// Layers outside the range count in both sizes.
    @Test
    void layersWithoutGatesAreConstant() {
        LayerShape layer = LayerShape.uniform(4, 2, 4, 10);
        ModelShape model = Shapes.toy(8, true, layer, layer, layer, layer);
        GateSettings settings =
                new GateSettings(true, true, true, HeadUnit.GROUP, Enabling.NONE, new LayerRange(1, 2));
        GateLayout layout = new GateLayout(model, settings);
        assertEquals(0.25, new GateSparsity(layout).realised(new GateMask(layout, layout.filled(0))));
    }

    @ParameterizedTest
    @MethodSource("espalier.engine.gates.Layouts#unequal")
    void gradientMatchesDifferences(GateLayout layout) {
        GateSparsity sparsity = new GateSparsity(layout);
        double[] logAlpha = Layouts.random(layout, 11);
        double[] gradient = sparsity.expectedGradient(logAlpha);
        assertTrue(Arrays.stream(gradient).anyMatch(d -> Math.abs(d) > 1e-3), "some gate matters");
        for (GateBlock block : layout.blocks()) {
            if (block.family().isEnabling()) {
                // Linear in the gate, which counts as 0 or 1: from one to the other, times what rounding hides.
                double[] moved = logAlpha.clone();
                moved[block.offset()] = HardConcrete.MAX_LOG_ALPHA;
                double open = sparsity.expected(moved);
                moved[block.offset()] = HardConcrete.MIN_LOG_ALPHA;
                double slope = (open - sparsity.expected(moved)) * HardConcrete.keepSlope(logAlpha[block.offset()]);
                assertEquals(slope, gradient[block.offset()], 1e-12, block.name());
                // Rounded, the gate has no slope at all, which is what the differences below find.
                gradient[block.offset()] = 0;
            }
        }
        assertGradient("d expected", sparsity::expected, logAlpha, gradient, 1e-10);
    }

    /// Section 8: closed gates over layers leave units no gradient until they open; hidden gates, which are under none,
    /// have theirs.
    @ParameterizedTest
    @EnumSource(names = {"LAYER", "ATTENTION_AND_MLP"})
    void closedGatesOverLayersSpareTheirUnits(Enabling enabling) {
        GateLayout layout = new GateLayout(
                Shapes.toy(8, true, LayerShape.uniform(4, 2, 4, 10)),
                new GateSettings(true, true, true, HeadUnit.GROUP, enabling, new LayerRange(0, 1)));
        GateSparsity sparsity = new GateSparsity(layout);
        double[] logAlpha = InitialGates.RELEASED.logAlpha(layout, 3);
        Arrays.setAll(logAlpha, i -> Math.max(HardConcrete.MIN_LOG_ALPHA, logAlpha[i]));
        double hidden = HardConcrete.keep(logAlpha[layout.block(GateFamily.HIDDEN, 0).orElseThrow().offset()]);
        assertEquals(1 - hidden, sparsity.expected(logAlpha), 1e-6, "layers are dense");
        double[] gradient = sparsity.expectedGradient(logAlpha);
        for (GateBlock block : layout.blocks()) {
            boolean isUnit = block.family() == GateFamily.HEADS || block.family() == GateFamily.FFN;
            assertEquals(isUnit, gradient[block.offset()] == 0, block.name());
        }
        double[] open = new InitialGates(0.01, 0.01, true).logAlpha(layout, 3);
        assertTrue(Arrays.stream(sparsity.expectedGradient(open)).allMatch(d -> d != 0), "all gates matter");
    }

    /// What is expected of gates over layers is what the mask outside training does: open from the same log-alpha on.
    @ParameterizedTest
    @ValueSource(doubles = {-4, -1.7, -1.6, -1.59, 0, 4})
    void gatesOverLayersOpenAsInTheMask(double logAlpha) {
        LayerShape layer = LayerShape.uniform(4, 2, 4, 10);
        GateLayout layout = new GateLayout(Shapes.toy(8, true, layer, layer), new GateSettings(
                true, true, false, HeadUnit.GROUP, Enabling.LAYER, new LayerRange(0, 2)));
        double[] all = layout.filled(-40);
        for (int i = 0; i < 2; i++) {
            all[layout.block(GateFamily.LAYER, i).orElseThrow().offset()] = logAlpha;
        }
        GateSparsity sparsity = new GateSparsity(layout);
        assertEquals(
                sparsity.realised(DeterministicMask.of(layout, all, WidthRule.FREE)), sparsity.expected(all), 2e-6);
    }

    /// The expectation is over independent gates: with every keep probability near an end it is a mask's share.
    @ParameterizedTest
    @MethodSource("espalier.engine.gates.Layouts#unequal")
    void expectationOfCertainGatesIsRealised(GateLayout layout) {
        GateSparsity sparsity = new GateSparsity(layout);
        double[] logAlpha = Layouts.random(layout, 5);
        double[] certain = Arrays.stream(logAlpha).map(a -> a > 0 ? 40 : -40).toArray();
        GateMask mask = new GateMask(layout, Arrays.stream(logAlpha).map(a -> a > 0 ? 1 : 0).toArray());
        assertEquals(sparsity.realised(mask), sparsity.expected(certain), 1e-5);
    }

    /// Compresso, check 7: the realised share is that of the cut matrices, counted by [ModelSize].
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void realisedIsThatOfTheCutModel(long seed) {
        GateLayout layout = new GateLayout(
                Shapes.toy(
                        5,
                        true,
                        new LayerShape(new int[] {3, 1, 2}, 4, 7),
                        LayerShape.uniform(4, 4, 2, 6),
                        LayerShape.uniform(4, 2, 2, 5)),
                GateSettings.standard(3));
        GateSparsity sparsity = new GateSparsity(layout);
        GateMask mask = DeterministicMask.of(layout, Layouts.random(layout, seed), WidthRule.FREE);
        MaskValues values = mask.values();
        List<LayerShape> cut = new ArrayList<>();
        for (int layer = 0; layer < 3; layer++) {
            LayerShape shape = layout.model().layers().get(layer);
            cut.add(new LayerShape(
                    keptGroups(shape, values.heads().get(layer)),
                    shape.headDim(),
                    open(values.ffn().get(layer))));
        }
        ModelShape small = layout.model().withWidths(open(values.hidden()), cut);
        assertEquals(prunable(layout.model()), sparsity.parameters());
        assertEquals(prunable(small), sparsity.left(mask));
        assertEquals(1 - (double) prunable(small) / prunable(layout.model()), sparsity.realised(mask), 1e-15);
    }

    private static long prunable(ModelShape model) {
        return ModelSize.of(Architecture.forModelType("llama"), model).prunable();
    }

    private static int open(float[] values) {
        int open = 0;
        for (float value : values) {
            open += value > 0 ? 1 : 0;
        }
        return open;
    }

    private static int[] keptGroups(LayerShape shape, float[] heads) {
        int[] first = new int[shape.kvHeads()];
        int[] queries = shape.queriesPerKv();
        for (int group = 1; group < first.length; group++) {
            first[group] = first[group - 1] + queries[group - 1];
        }
        return Arrays.stream(first)
                .boxed()
                .filter(head -> heads[head] > 0)
                .mapToInt(head -> queries[Arrays.binarySearch(first, head)])
                .toArray();
    }

    /// The most that gates over layers allow is reached with them open, where they change nothing.
    @Test
    void enablingGatesLeaveTheMaximum() {
        ModelShape model = Shapes.toy(8, true, LayerShape.uniform(4, 2, 4, 10));
        GateLayout layout = new GateLayout(model, new GateSettings(
                true, true, false, HeadUnit.GROUP, Enabling.LAYER, new LayerRange(0, 1)));
        double closed = 1 - HardConcrete.keep(HardConcrete.MIN_LOG_ALPHA);
        assertEquals(closed, new GateSparsity(layout).maximum(), 1e-15);
    }

    @Test
    void unreachableTargetsNameBoth() {
        GateSparsity sparsity = new GateSparsity(Layouts.documented("smollm2-135m", true, HeadUnit.HEAD));
        sparsity.requireReachable(0);
        sparsity.requireReachable(0.93);
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> sparsity.requireReachable(0.95));
        assertEquals(
                "target sparsity is 0.95, but these gates reach 0 to %.6f".formatted(sparsity.maximum()),
                e.getMessage());
        assertThrows(IllegalArgumentException.class, () -> sparsity.requireReachable(Double.NaN));
        assertThrows(IllegalArgumentException.class, () -> sparsity.requireReachable(-0.1));
    }

    @Test
    void aBadLogAlphaIsNamed() {
        GateLayout layout = Layouts.standard(2, 4, 2, 4, 6, 8);
        GateSparsity sparsity = new GateSparsity(layout);
        double[] logAlpha = layout.filled(1);
        logAlpha[8 + 2 + 3] = Double.NaN;
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> sparsity.expected(logAlpha));
        assertEquals("log-alpha of layers.1.ffn, entry 3, is NaN", e.getMessage());
        e = assertThrows(IllegalArgumentException.class, () -> sparsity.expected(new double[3]));
        assertEquals("3 values of log-alpha, expected 24", e.getMessage());
    }

    @Test
    void settingsThatMakeNoSense() {
        LayerRange all = new LayerRange(0, 2);
        assertThrows(IllegalArgumentException.class,
                () -> new GateSettings(false, false, false, HeadUnit.GROUP, Enabling.NONE, all));
        assertThrows(IllegalArgumentException.class,
                () -> new GateSettings(true, false, true, HeadUnit.GROUP, Enabling.LAYER, all));
        assertThrows(IllegalArgumentException.class,
                () -> new GateSettings(true, true, true, HeadUnit.GROUP, Enabling.NONE, new LayerRange(1, 1)));
        ModelShape one = Shapes.toy(8, true, LayerShape.uniform(4, 2, 4, 10));
        assertThrows(IllegalArgumentException.class, () -> new GateLayout(one, GateSettings.standard(2)));
    }
}
