package espalier.engine.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.model.Architecture;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Shapes;
import espalier.engine.weights.LayerShape;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class ReductionTest {
    private static final Group FFN =
            groups(LayerShape.uniform(3, 3, 4, 2)).of(Group.Kind.FFN).getFirst();
    private static final List<double[]> FFN_SCORES =
            List.of(new double[] {1, 2}, new double[] {3, 5}, new double[] {7, 0.5});

    @Test
    void reducesOverMatrices() {
        assertFfn("sum", 11, 7.5);
        assertFfn("mean", 11 / 3.0, 2.5);
        assertFfn("max", 7, 5);
        assertFfn("prod", 21, 5);
        assertFfn("first", 1, 2);
        assertFfn("last", 7, 0.5);
        assertFfn("up_proj", 3, 5);
        assertFfn("o_proj,down_proj", 7, 0.5);
    }

    /// View as [K, H/K, h], sum the middle axis, reduce over matrices, then sum over h.
    @Test
    void foldsQueryHeadsBeforeItReduces() {
        // k_proj, q_proj, v_proj, o_proj; two key/value heads of width 2; the second is read by two query heads.
        Group group = groups(new LayerShape(new int[] {1, 2}, 2, 2))
                .of(Group.Kind.KV_GROUPS)
                .getFirst();
        List<double[]> scores = List.of(
                new double[] {1, 2, 3, 4},
                new double[] {1, 1, 2, 3, 4, 6},
                new double[] {5, 0, 0, 1},
                new double[] {0, 1, 1, 0, 2, 10});
        assertUnits("sum", group, scores, 7 + 4, 12 + 24);
        assertUnits("mean", group, scores, 11 / 4.0, 9);
        assertUnits("max", group, scores, 5 + 2, 6 + 10);
        assertUnits("prod", group, scores, 0, 4 * 9 * 1 * 10);
        assertUnits("first", group, scores, 3, 7);
        assertUnits("last", group, scores, 1, 13);
        assertUnits("q_proj", group, scores, 2, 15);
    }

    /// Check 9 of methods/llm-pruner.md, section 12.
    @Test
    void inflatedQueryHeadsKeepTheirOwnKeyValueHead() {
        Group group = groups(LayerShape.uniform(8, 2, 4, 2))
                .of(Group.Kind.KV_GROUPS)
                .getFirst();
        double[] queries = new double[32];
        Arrays.fill(queries, 0, 16, 100);
        Arrays.fill(queries, 16, 32, 1);
        double[] keys = {1, 1, 1, 1, 2, 2, 2, 2};
        List<double[]> scores = List.of(keys, queries, keys, queries);
        double[] right = Reduction.Stacked.SUM.unitScores(group, scores, GqaFold.BY_GROUP);
        assertArrayEquals(new double[] {3208, 48}, right);
        double[] released = Reduction.Stacked.SUM.unitScores(group, scores, GqaFold.RELEASED);
        assertArrayEquals(new double[] {1624, 1632}, released);
        assertTrue(right[0] > right[1]);
        assertFalse(released[0] > released[1]);
    }

    @Test
    void theReleasedFoldIsTheRightOneWithoutGroups() {
        Group group = groups(LayerShape.uniform(3, 3, 2, 2)).of(Group.Kind.HEADS).getFirst();
        double[] scores = {1, 2, 3, 4, 5, 6};
        assertArrayEquals(
                new double[] {12, 28, 44},
                Reduction.Stacked.SUM.unitScores(
                        group, List.of(scores, scores, scores, scores), GqaFold.RELEASED));
    }

    @Test
    void aTiedEmbeddingIsTheLastMatrixOfTheHiddenGroup() {
        ModelShape shape = Shapes.toy(2, true, LayerShape.uniform(1, 1, 2, 2));
        Group hidden = Groups.of(Architecture.LLAMA.graph(shape)).of(Group.Kind.HIDDEN).getFirst();
        List<double[]> scores = hidden.scored().stream()
                .map(member -> member.module().equals("embed_tokens") ? new double[] {3, 4} : new double[] {1, 1})
                .toList();
        assertUnits("last", hidden, scores, 3, 4);
        assertUnits("embed_tokens", hidden, scores, 3, 4);
        assertUnits("sum", hidden, scores, 13, 14);
    }

    @Test
    void refusals() {
        assertEquals(
                "reduction avg is unknown; allowed: sum, mean, max, prod, first, last, or matrices by name (q_proj,"
                        + " k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, embed_tokens, lm_head, norm)",
                message(() -> Reduction.parse("avg")));
        assertTrue(message(() -> Reduction.parse("second"))
                .startsWith("reduction second is refused: which matrix the release finds at that position is not"
                        + " established; name one instead: q_proj, "));
        assertEquals(
                "reduction o_proj names 0 of the matrices of the FFN channels of layer 0 (gate_proj, up_proj,"
                        + " down_proj), not one",
                message(() -> Reduction.parse("o_proj").unitScores(FFN, FFN_SCORES, GqaFold.BY_GROUP)));
        assertEquals(
                "FFN channels of layer 0 need 3 score vectors, got 1",
                message(() -> Reduction.Stacked.SUM.unitScores(
                        FFN, List.of(new double[2]), GqaFold.BY_GROUP)));
        assertEquals(
                "up_proj rows of the FFN channels of layer 0 has 2 channels, got 3 scores",
                message(() -> Reduction.Stacked.SUM.unitScores(
                        FFN, List.of(new double[2], new double[3], new double[2]), GqaFold.BY_GROUP)));
        assertEquals(
                "score of channel 1, gate_proj rows of the FFN channels of layer 0, is NaN",
                assertThrows(
                                ArithmeticException.class,
                                () -> Reduction.Stacked.MAX.unitScores(
                                        FFN,
                                        List.of(new double[] {0, Double.NaN}, new double[2], new double[2]),
                                        GqaFold.BY_GROUP))
                        .getMessage());
        Group unequal = groups(new LayerShape(new int[] {1, 2}, 2, 2))
                .of(Group.Kind.KV_GROUPS)
                .getFirst();
        assertEquals(
                "the released fold needs equal query groups, which the key/value groups of layer 0 are not",
                message(() -> Reduction.Stacked.SUM.unitScores(
                        unequal,
                        List.of(new double[4], new double[6], new double[4], new double[6]),
                        GqaFold.RELEASED)));
    }

    private static void assertFfn(String reduction, double... expected) {
        assertUnits(reduction, FFN, FFN_SCORES, expected);
    }

    private static void assertUnits(String reduction, Group group, List<double[]> scores, double... expected) {
        assertArrayEquals(
                expected, Reduction.parse(reduction).unitScores(group, scores, GqaFold.BY_GROUP), 1e-12, reduction);
    }

    private static Groups groups(LayerShape layer) {
        return Groups.of(Architecture.LLAMA.graph(Shapes.toy(12, false, layer)));
    }

    private static String message(org.junit.jupiter.api.function.Executable action) {
        return assertThrows(IllegalArgumentException.class, action).getMessage();
    }
}
