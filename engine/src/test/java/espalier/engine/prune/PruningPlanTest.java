package espalier.engine.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.gates.MaskValues;
import espalier.engine.model.Architecture;
import espalier.engine.model.ModelShape;
import espalier.engine.model.ModelSize;
import espalier.engine.model.Shapes;
import espalier.engine.model.Space;
import espalier.engine.prune.PruningPlan.Kept;
import espalier.engine.weights.LayerShape;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class PruningPlanTest {
    private static final LayerShape LAYER = LayerShape.uniform(6, 2, 2, 4);
    private static final ModelShape SHAPE = Shapes.toy(8, true, LAYER, LAYER, LAYER);

    @Test
    void keepsEverything() {
        PruningPlan plan = PruningPlan.keepAll(SHAPE);
        assertEquals(SHAPE, plan.resultShape());
        assertTrue(plan.isUniform());
        assertArrayEquals(IntStream.range(0, 11).toArray(), plan.kept(Space.VOCAB));
        assertArrayEquals(IntStream.range(0, 2).toArray(), plan.kept(Space.head(1)));
        assertArrayEquals(IntStream.range(0, 12).toArray(), plan.kept(Space.query(1)));
    }

    @Test
    void singleQueryHeadsLeaveUnequalGroups() {
        PruningPlan plan = PruningPlan.keepAll(SHAPE)
                .withLayer(0, new Kept(new int[] {1, 3, 5}, new int[] {0, 3}))
                .withLayer(1, new Kept(new int[] {4}, new int[0]))
                .withLayer(2, new Kept(new int[0], new int[] {2}));
        assertEquals(
                List.of(
                        new LayerShape(new int[] {1, 2}, 2, 2),
                        new LayerShape(new int[] {1}, 2, 0),
                        new LayerShape(new int[0], 2, 1)),
                plan.resultShape().layers());
        assertArrayEquals(new int[] {2, 3, 6, 7, 10, 11}, plan.kept(Space.query(0)));
        assertArrayEquals(new int[] {0, 1, 2, 3}, plan.kept(Space.kv(0)));
        assertArrayEquals(new int[] {2, 3}, plan.kept(Space.kv(1)));
        assertArrayEquals(new int[0], plan.kept(Space.kv(2)));
        assertArrayEquals(new int[] {0, 3}, plan.kept(Space.ffn(0)));
        assertFalse(plan.isUniform());
        SelectionPropertyTest.assertConsistent(plan);
    }

    @Test
    void layersLeave() {
        PruningPlan plan = PruningPlan.keepAll(SHAPE)
                .withLayer(2, new Kept(new int[] {0}, new int[] {1}))
                .withLayers(new int[] {0, 2});
        assertEquals(List.of(LAYER, LayerShape.uniform(1, 1, 2, 1)), plan.resultShape().layers());
        SelectionPropertyTest.assertConsistent(plan);
        ModelShape llama = Shapes.documented("llama-7b");
        assertEquals(
                6_738_415_616L - 20 * 202_383_360L,
                ModelSize.of(Architecture.LLAMA, PruningPlan.keepFirstLayers(llama, 12).resultShape())
                        .parameters());
    }

    @Test
    void normRules() {
        int[] kept = {0, 7};
        PruningPlan released = PruningPlan.keepAll(SHAPE).withHidden(kept, NormRule.RELEASED);
        PruningPlan exact = released.withHidden(kept, NormRule.EXACT);
        assertEquals(2, released.resultShape().hidden());
        assertEquals(1e-5, released.resultShape().normEps());
        assertEquals(4e-5, exact.resultShape().normEps());
        assertEquals(1, NormRule.RELEASED.weightFactor(8, 2));
        assertEquals(2, NormRule.EXACT.weightFactor(8, 2));
        SelectionPropertyTest.assertConsistent(exact);
    }

    /// y = x * w / sqrt(mean(x^2) + eps) over the old width equals the corrected norm over the new one.
    @Test
    void theExactRuleKeepsTheNormOfZeroedChannels() {
        SplittableRandom random = new SplittableRandom(1);
        double[] x = {random.nextDouble(), 0, 0, random.nextDouble(), 0};
        double squares = x[0] * x[0] + x[3] * x[3];
        double eps = 0.1;
        double before = x[0] / Math.sqrt(squares / 5 + eps);
        double after =
                x[0] * NormRule.EXACT.weightFactor(5, 2) / Math.sqrt(squares / 2 + NormRule.EXACT.eps(eps, 5, 2));
        assertEquals(before, after, 1e-15);
    }

    @Test
    void absentFactorsAreOnes() {
        PruningPlan plan = PruningPlan.keepAll(SHAPE);
        assertTrue(plan.factors().isNone());
        assertEquals(1, plan.factors().head(2, 5));
        assertEquals(1, plan.factors().ffn(2, 3));
        assertEquals(1, plan.factors().hidden(7));
        float[] heads = {1, 0.5f, 0, 1, 1, 1};
        float[] hidden = new float[8];
        hidden[3] = 0.25f;
        PruningPlan soft = plan.withFactors(new MaskValues(List.of(heads, heads, heads), List.of(), hidden));
        heads[1] = 9;
        assertEquals(0.5f, soft.factors().head(1, 1));
        assertEquals(0.25f, soft.factors().hidden(3));
        assertEquals(1, soft.factors().ffn(2, 3));
        assertFalse(soft.equals(plan));
        assertEquals(
                soft,
                plan.withFactors(new MaskValues(soft.factors().heads(), List.of(), soft.factors().hidden())));
    }

    @Test
    void joinsPlans() {
        PruningPlan first = PruningPlan.keepAll(SHAPE)
                .withLayers(new int[] {0, 2})
                .withLayer(2, new Kept(new int[] {0, 2, 4, 5}, new int[] {1, 2, 3}))
                .withHidden(new int[] {1, 3, 5, 7}, NormRule.EXACT);
        PruningPlan second = PruningPlan.keepAll(first.resultShape())
                .withLayers(new int[] {1})
                .withLayer(1, new Kept(new int[] {1, 3}, new int[] {0, 2}))
                .withHidden(new int[] {0, 3}, NormRule.EXACT);
        PruningPlan both = first.then(second);
        assertArrayEquals(new int[] {2}, both.keptLayers());
        assertArrayEquals(new int[] {1, 7}, both.keptHidden());
        assertEquals(new Kept(new int[] {2, 5}, new int[] {1, 3}), both.layers().get(2));
        assertEquals(second.resultShape(), both.resultShape());
        assertEquals(
                "the second plan does not start from the result of the first",
                message(() -> second.then(first)));
        assertEquals(
                "plans with factors or different norm rules cannot be joined",
                message(() -> first.then(PruningPlan.keepAll(first.resultShape()))));
    }

    @Test
    void refusals() {
        PruningPlan plan = PruningPlan.keepAll(SHAPE);
        assertEquals(
                "kept query heads of layer 1 must ascend within 0..5, found 6 after 2",
                message(() -> plan.withLayer(1, new Kept(new int[] {2, 6}, new int[0]))));
        assertEquals(
                "kept FFN channels of layer 0 must ascend within 0..3, found 1 after 1",
                message(() -> plan.withLayer(0, new Kept(new int[0], new int[] {1, 1}))));
        assertEquals("no layers are kept", message(() -> plan.withLayers(new int[0])));
        assertEquals("no hidden channels are kept", message(() -> plan.withHidden(new int[0], NormRule.EXACT)));
        assertEquals("kept layers must be positive, got 0", message(() -> PruningPlan.keepFirstLayers(SHAPE, 0)));
        assertEquals(
                "kept layers must ascend within 0..2, found 3 after 2",
                message(() -> PruningPlan.keepFirstLayers(SHAPE, 4)));
        assertEquals(
                "plan has 1 layers, its source 3",
                message(() -> new PruningPlan(
                        SHAPE,
                        new int[] {0},
                        List.of(new Kept(new int[0], new int[0])),
                        new int[] {0},
                        MaskValues.NONE,
                        NormRule.EXACT)));
        assertEquals(
                "hidden mask has 7 values, expected 8",
                message(() -> plan.withFactors(new MaskValues(List.of(), List.of(), new float[7]))));
        assertEquals(
                "FFN mask has 1 layers, expected 3",
                message(() -> plan.withFactors(new MaskValues(List.of(), List.of(new float[4]), new float[0]))));
        float[] bad = {1, 1, 1, Float.NaN};
        assertEquals(
                "FFN mask of layer 0: entry 3 is NaN",
                message(() -> plan.withFactors(new MaskValues(List.of(), List.of(bad, bad, bad), new float[0]))));
    }

    private static String message(org.junit.jupiter.api.function.Executable action) {
        return assertThrows(IllegalArgumentException.class, action).getMessage();
    }
}
