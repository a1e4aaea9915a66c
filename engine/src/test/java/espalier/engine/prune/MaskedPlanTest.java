package espalier.engine.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.gates.DeterministicMask;
import espalier.engine.gates.GateBlock;
import espalier.engine.gates.GateFamily;
import espalier.engine.gates.GateLayout;
import espalier.engine.gates.GateMask;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.GateSettings.Enabling;
import espalier.engine.gates.GateSettings.HeadUnit;
import espalier.engine.gates.GateSparsity;
import espalier.engine.gates.HardConcrete;
import espalier.engine.gates.MaskValues;
import espalier.engine.gates.WidthRule;
import espalier.engine.model.Architecture;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Shapes;
import espalier.engine.prune.Notice.Reason;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Philox;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class MaskedPlanTest {
    private static final ModelShape SHAPE =
            Shapes.toy(20, true, Collections.nCopies(4, LayerShape.uniform(8, 4, 4, 40)).toArray(LayerShape[]::new));

    private static double[] random(GateLayout layout, long seed) {
        Philox random = new Philox(seed, 1);
        return IntStream.range(0, layout.size()).mapToDouble(i -> 8 * random.uniform(i) - 4).toArray();
    }

    private static void fill(double[] logAlpha, GateLayout layout, GateFamily family, int layer, double value) {
        GateBlock block = layout.block(family, layer).orElseThrow();
        Arrays.fill(logAlpha, block.offset(), block.end(), value);
    }

    private static MaskedPlan plan(GateLayout layout, double[] logAlpha, WidthRule rule, double target) {
        GateMask free = DeterministicMask.of(layout, logAlpha, WidthRule.FREE);
        return MaskedPlan.of(
                Architecture.LLAMA, free, DeterministicMask.of(layout, logAlpha, rule), target,
                new GateSparsity(layout).expected(logAlpha));
    }

    private static MaskedPlan plan(GateLayout layout, double[] logAlpha) {
        return plan(layout, logAlpha, WidthRule.FREE, 0);
    }

    private static List<Reason> reasons(MaskedPlan plan) {
        return plan.notices().stream().map(Notice::reason).toList();
    }

    @ParameterizedTest
    @EnumSource(HeadUnit.class)
    void whatIsNotZeroIsKept(HeadUnit unit) {
        GateLayout layout = new GateLayout(
                SHAPE, new GateSettings(true, true, true, unit, Enabling.NONE, new LayerRange(0, 4)));
        double[] logAlpha = random(layout, 3);
        MaskedPlan plan = plan(layout, logAlpha);
        MaskValues values = DeterministicMask.of(layout, logAlpha, WidthRule.FREE).values();
        assertEquals(values, plan.plan().factors());
        assertEquals(NormRule.EXACT, plan.plan().normRule());
        assertArrayEquals(new int[] {0, 1, 2, 3}, plan.plan().keptLayers());
        assertArrayEquals(open(values.hidden()), plan.plan().keptHidden());
        for (int layer = 0; layer < 4; layer++) {
            assertArrayEquals(open(values.heads().get(layer)), plan.plan().layers().get(layer).heads());
            assertArrayEquals(open(values.ffn().get(layer)), plan.plan().layers().get(layer).ffn());
        }
        assertTrue(plan.plan().keptHidden().length < 20, "something leaves");
    }

    private static int[] open(float[] values) {
        return IntStream.range(0, values.length).filter(i -> values[i] != 0).toArray();
    }

    /// What has no gates stays whole, and is not multiplied.
    @Test
    void onlyWhatHasGatesLeaves() {
        GateLayout layout = new GateLayout(
                SHAPE, new GateSettings(
                        false, true, false, HeadUnit.GROUP, Enabling.NONE, new LayerRange(1, 3)));
        MaskedPlan plan = plan(layout, random(layout, 3));
        assertEquals(List.of(), plan.plan().factors().heads());
        assertEquals(20, plan.plan().keptHidden().length);
        for (int layer = 0; layer < 4; layer++) {
            PruningPlan.Kept kept = plan.plan().layers().get(layer);
            assertEquals(8, kept.heads().length);
            assertEquals(layer == 0 || layer == 3, kept.ffn().length == 40, "layer " + layer);
        }
        assertEquals(plan.realised(), plan.prunableRemoved(), 1e-15);
    }

    /// Compresso, check 7: `1 - sum over layers (4 headDim d' heads + 3 d' channels) / N`, for groups of any size.
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6})
    void realisedIsThatOfTheResult(long seed) {
        ModelShape shape = Shapes.toy(
                20,
                true,
                new LayerShape(new int[] {3, 1, 2}, 4, 7),
                LayerShape.uniform(4, 4, 2, 6),
                LayerShape.uniform(4, 2, 2, 5));
        GateLayout layout = new GateLayout(shape, GateSettings.standard(3));
        MaskedPlan plan = plan(layout, random(layout, seed));
        long hidden = plan.plan().resultShape().hidden();
        long left = 0;
        for (LayerShape layer : plan.plan().resultShape().layers()) {
            left += hidden * (2L * layer.headDim() * (layer.heads() + layer.kvHeads()) + 3L * layer.ffn());
        }
        assertEquals(left, plan.after().prunable());
        assertEquals(1 - (double) left / plan.before().prunable(), plan.realised(), 1e-15);
        assertEquals(plan.realised(), plan.prunableRemoved(), 1e-15);
    }

    /// NutePrune counts key and value projections of shared heads as constant; the result is cut there too.
    @Test
    void queryHeadsRemoveMoreThanIsCounted() {
        GateLayout layout = new GateLayout(
                SHAPE, new GateSettings(true, true, true, HeadUnit.HEAD, Enabling.NONE, new LayerRange(0, 4)));
        MaskedPlan plan = plan(layout, random(layout, 3));
        assertTrue(plan.prunableRemoved() > plan.realised(), plan.prunableRemoved() + " > " + plan.realised());
    }

    /// L0 masks, check 6: after the first clamp a mask of LLaMA-7B closes 8 hidden channels and 22 FFN channels a
    /// layer. Section 10 has the size of the result.
    @Test
    void llama7b() {
        ModelShape shape = Shapes.documented("llama-7b");
        GateLayout layout = new GateLayout(shape, GateSettings.standard(32));
        double[] logAlpha = new double[layout.size()];
        Arrays.fill(logAlpha, HardConcrete.MAX_LOG_ALPHA);
        for (int layer = 0; layer < 32; layer++) {
            fill(logAlpha, layout, GateFamily.FFN, layer, 4.59512);
        }
        MaskedPlan plan = plan(layout, logAlpha);
        assertEquals(0.00328633, plan.realised(), 5e-9);
        assertEquals(6_476_005_376L - 21_282_304L, plan.after().prunable());
        long hidden = 4088;
        assertEquals(
                2 * 32_000 * hidden + 65 * hidden + 32 * (4 * 128 * hidden * 32 + 3 * hidden * 10_986),
                plan.after().parameters());
        assertEquals(6_738_415_616L, plan.before().parameters());
        assertEquals(1 - plan.after().parameters() / 6_738_415_616.0, plan.totalRemoved(), 1e-15);
        assertEquals(List.of(), reasons(plan));
    }

    /// L0 masks, check 13: with 3835 hidden channels embedding and lm_head have 245,440,000 parameters.
    @Test
    void hiddenChannelsLeaveTheEmbeddingToo() {
        ModelShape shape = Shapes.documented("llama-7b");
        GateLayout layout = new GateLayout(shape, new GateSettings(
                false, false, true, HeadUnit.GROUP, Enabling.NONE, new LayerRange(0, 32)));
        double[] logAlpha = new double[layout.size()];
        // Each keep probability is near 1 or near 0: together about 3835.
        Arrays.fill(logAlpha, 40);
        Arrays.fill(logAlpha, 0, 4096 - 3835, -40);
        MaskedPlan plan = plan(layout, logAlpha);
        assertEquals(3835, plan.plan().resultShape().hidden());
        assertEquals(245_440_000L, plan.after().parameters() - plan.after().prunable() - 65 * 3835);
    }

    @Test
    void alignedWidths() {
        GateLayout layout = new GateLayout(SHAPE, GateSettings.standard(4));
        MaskedPlan free = plan(layout, random(layout, 3));
        MaskedPlan plan = plan(layout, random(layout, 3), new WidthRule(16, false), free.realised());
        assertFalse(free.plan().resultShape().layers().stream().allMatch(layer -> layer.ffn() % 16 == 0));
        for (LayerShape layer : plan.plan().resultShape().layers()) {
            assertTrue(layer.ffn() > 0 && layer.ffn() % 16 == 0, layer.toString());
        }
        assertRounded(free, plan);
    }

    @Test
    void uniformWidths() {
        GateLayout layout = new GateLayout(SHAPE, GateSettings.standard(4));
        double[] logAlpha = random(layout, 3);
        fill(logAlpha, layout, GateFamily.HEADS, 2, 3);
        fill(logAlpha, layout, GateFamily.FFN, 1, 3);
        MaskedPlan free = plan(layout, logAlpha);
        MaskedPlan plan = plan(layout, logAlpha, new WidthRule(8, true), free.realised());
        assertFalse(free.plan().isUniform());
        assertTrue(plan.plan().isUniform(), plan.plan().resultShape().toString());
        assertEquals(0, plan.plan().resultShape().layers().getFirst().ffn() % 8);
        assertRounded(free, plan);
    }

    private static void assertRounded(MaskedPlan free, MaskedPlan plan) {
        assertEquals(free.realised(), plan.realised());
        assertTrue(plan.prunableRemoved() != free.prunableRemoved());
        assertFalse(reasons(free).contains(Reason.ROUNDED));
        String message = "rounding the widths of layers changed the sparsity of the mask from %.4f to %.4f"
                .formatted(free.prunableRemoved(), plan.prunableRemoved());
        assertTrue(plan.notices().contains(new Notice(Reason.ROUNDED, List.of(), message)),
                plan.notices().toString());
    }

    @Test
    void layersThatAreEmptied() {
        GateLayout layout = new GateLayout(
                Shapes.toy(
                        20,
                        true,
                        LayerShape.uniform(4, 2, 4, 9),
                        LayerShape.uniform(4, 2, 4, 9),
                        new LayerShape(new int[0], 4, 9),
                        LayerShape.uniform(4, 2, 4, 0)),
                GateSettings.standard(4));
        double[] logAlpha = new double[layout.size()];
        Arrays.fill(logAlpha, HardConcrete.MAX_LOG_ALPHA);
        fill(logAlpha, layout, GateFamily.HEADS, 0, HardConcrete.MIN_LOG_ALPHA);
        fill(logAlpha, layout, GateFamily.HEADS, 3, HardConcrete.MIN_LOG_ALPHA);
        fill(logAlpha, layout, GateFamily.FFN, 1, HardConcrete.MIN_LOG_ALPHA);
        MaskedPlan plan = plan(layout, logAlpha, WidthRule.FREE, plan(layout, logAlpha).prunableRemoved());
        assertEquals(
                List.of(
                        new Notice(Reason.EMPTIED, List.of(0, 3), "no attention head is left in layers 0, 3"),
                        new Notice(Reason.EMPTIED, List.of(1), "no FFN channel is left in layer 1")),
                plan.notices());
        assertEquals(0, plan.plan().resultShape().layers().get(0).heads());
        assertEquals(0, plan.plan().resultShape().layers().get(1).ffn());
    }

    @Test
    void nothingOfTheModelIsLeft() {
        GateLayout layout = new GateLayout(
                Shapes.toy(9, true, LayerShape.uniform(4, 2, 4, 40)), GateSettings.standard(1));
        double[] logAlpha = random(layout, 3);
        fill(logAlpha, layout, GateFamily.HIDDEN, 0, HardConcrete.MIN_LOG_ALPHA);
        var e = assertThrows(IllegalStateException.class, () -> plan(layout, logAlpha));
        assertEquals("the mask closes all 9 hidden channels, nothing of the model would be left", e.getMessage());
    }

    @Test
    void masksOfDifferentGates() {
        GateLayout layout = new GateLayout(SHAPE, GateSettings.standard(4));
        GateLayout other = new GateLayout(SHAPE, GateSettings.standard(4));
        GateMask mask = DeterministicMask.of(layout, random(layout, 3), WidthRule.FREE);
        GateMask another = DeterministicMask.of(other, random(other, 3), WidthRule.FREE);
        assertThrows(
                IllegalArgumentException.class, () -> MaskedPlan.of(Architecture.LLAMA, mask, another, 0.5, 0.5));
    }

    /// Half of a layer's three groups cannot leave: how much that amounts to is said.
    @Test
    void fewGroupsMissTheTarget() {
        ModelShape shape = Shapes.documented("smollm2-135m");
        GateLayout layout = new GateLayout(shape, new GateSettings(
                true, false, false, HeadUnit.GROUP, Enabling.NONE, new LayerRange(0, 30)));
        // A keep probability of one half: 1.5 of three groups are rounded to two that leave.
        double[] logAlpha = new double[layout.size()];
        Arrays.fill(logAlpha, -1.5986);
        GateSparsity sparsity = new GateSparsity(layout);
        double target = sparsity.expected(logAlpha);
        // A group: 2 * 3 + 2 matrices of 64 rows; a layer: 2 * (576 + 192) and 3 * 1536.
        assertEquals(0.5 * 8 * 64 / (2 * 768 + 3 * 1536), sparsity.halfHeadUnits(), 1e-12);
        MaskedPlan plan = plan(layout, logAlpha, WidthRule.FREE, target);
        assertEquals(sparsity.halfHeadUnits(), plan.prunableRemoved() - target, 1e-5);
        assertEquals(
                List.of(new Notice(Reason.MISSED, List.of(), "the result's sparsity is 0.1667, wanted was 0.1250: heads"
                        + " leave in whole units, and half a unit of each layer amounts to 0.0417")),
                plan.notices());
        assertEquals(List.of(), plan(layout, logAlpha, WidthRule.FREE, plan.prunableRemoved() - 0.0099).notices());
        assertEquals(List.of(Reason.MISSED), reasons(plan(layout, logAlpha, WidthRule.FREE, Double.NaN)));
    }

    /// A training that ends beside its target is not what heads are to blame for.
    @Test
    void trainingMissesTheTarget() {
        GateLayout layout = new GateLayout(
                SHAPE, new GateSettings(false, true, false, HeadUnit.GROUP, Enabling.NONE, new LayerRange(0, 4)));
        double[] logAlpha = new double[layout.size()];
        Arrays.fill(logAlpha, -1.5986);
        double expected = new GateSparsity(layout).expected(logAlpha);
        assertEquals(
                List.of(new Notice(Reason.MISSED, List.of(),
                        ("the result's sparsity is %1$.4f, wanted was 0.1000: training ended at an expected"
                                + " sparsity of %1$.4f").formatted(expected))),
                plan(layout, logAlpha, WidthRule.FREE, 0.1).notices());
        assertEquals(List.of(), plan(layout, logAlpha, WidthRule.FREE, expected).notices());
    }

    /// Both causes, where there are both.
    @Test
    void trainingAndFewGroupsMissTheTarget() {
        GateLayout layout = new GateLayout(
                Shapes.documented("smollm2-135m"), new GateSettings(
                        true, false, false, HeadUnit.GROUP, Enabling.NONE, new LayerRange(0, 30)));
        double[] logAlpha = new double[layout.size()];
        Arrays.fill(logAlpha, -1.5986);
        assertEquals(
                List.of(new Notice(Reason.MISSED, List.of(), "the result's sparsity is 0.1667, wanted was 0.0500:"
                        + " training ended at an expected sparsity of 0.1250; heads leave in whole units, and half a"
                        + " unit of each layer amounts to 0.0417")),
                plan(layout, logAlpha, WidthRule.FREE, 0.05).notices());
    }

    /// Layers without masks are constant to the method, but lose their hidden channels: that is why, not heads.
    @Test
    void whatIsConstantToTheMethodLeavesToo() {
        ModelShape shape = Shapes.documented("smollm2-135m");
        GateLayout layout = new GateLayout(shape, new GateSettings(
                false, false, true, HeadUnit.GROUP, Enabling.NONE, new LayerRange(0, 15)));
        double[] logAlpha = new double[layout.size()];
        Arrays.fill(logAlpha, -1.5986);
        double target = new GateSparsity(layout).expected(logAlpha);
        MaskedPlan plan = plan(layout, logAlpha, WidthRule.FREE, target);
        assertEquals(0.5, plan.prunableRemoved(), 1e-12);
        assertEquals(
                List.of(new Notice(Reason.MISSED, List.of(),
                        "the result's sparsity is 0.5000, wanted was 0.2500, 0.2500 as the method counts it")),
                plan.notices());
    }
}
