package espalier.engine.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.model.Architecture;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelShape;
import espalier.engine.model.ModelSize;
import espalier.engine.model.Shapes;
import espalier.engine.weights.LayerShape;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Methods/llm-pruner.md, section 6.
class SelectionTest {
    private static final LayerRange ONE = new LayerRange(0, 1);

    @ParameterizedTest
    @CsvSource({
        "llama-7b, 0.25, 4, 30, 24, 24, 8256, 5422977024",
        "llama-7b, 0.25, 0, 32, 24, 24, 8256, 5119414272",
        "llama-7b, 0.6, 3, 31, 13, 13, 4403, 3350188032",
        "llama-7b, 0.2, 4, 30, 26, 26, 8806, -1",
        "llama-13b, 0.25, 4, 38, 30, 30, 10368, 10319713280",
        "llama-3-8b, 0.25, 4, 30, 24, 6, 10752, 6612586496",
        "tinyllama-1.1b, 0.25, 4, 18, 24, 3, 4224, 945907712",
    })
    void publishedWidths(
            String name, double ratio, int from, int to, int heads, int kvHeads, int ffn, long parameters) {
        ModelShape dense = Shapes.documented(name);
        LayerRange layers = new LayerRange(from, to);
        Selection.Selected selected = new Selection.Local(layers, layers, 1).select(ratio, dense, equal(dense));
        ModelShape pruned = selected.plan().resultShape();
        for (int layer = 0; layer < dense.layers().size(); layer++) {
            LayerShape expected = layers.contains(layer)
                    ? LayerShape.uniform(heads, kvHeads, dense.layers().get(layer).headDim(), ffn)
                    : dense.layers().get(layer);
            assertEquals(expected, pruned.layers().get(layer), "layer " + layer);
        }
        if (parameters > 0) {
            assertEquals(parameters, ModelSize.of(Architecture.LLAMA, pruned).parameters());
        }
        assertEquals(List.of(), selected.notices());
    }

    @ParameterizedTest
    @CsvSource({"0.2, 3276, 5389416396", "0.5, 2048, 3369207808"})
    void publishedChannels(double ratio, int hidden, long parameters) {
        ModelShape dense = Shapes.documented("llama-7b");
        PruningPlan plan = new Selection.Channels(NormRule.EXACT).select(ratio, dense, equal(dense)).plan();
        assertEquals(hidden, plan.resultShape().hidden());
        assertEquals(dense.layers(), plan.resultShape().layers());
        assertEquals(NormRule.EXACT, plan.normRule());
        assertEquals(parameters, ModelSize.of(Architecture.LLAMA, plan.resultShape()).parameters());
    }

    @Test
    void theSmallestLeaveAndOfEqualOnesTheFirst() {
        ModelShape shape = Shapes.toy(12, false, LayerShape.uniform(4, 4, 4, 6));
        List<UnitScores> scores = scores(shape, new double[] {3, 1, 2, 1}, new double[] {0.0, 5, 0.0, 0.0, 4, -0.0});
        PruningPlan plan = new Selection.Local(ONE, ONE, 1).select(0.5, shape, scores).plan();
        assertArrayEquals(new int[] {0, 2}, plan.layers().getFirst().heads());
        assertArrayEquals(new int[] {1, 4, 5}, plan.layers().getFirst().ffn());
    }

    @Test
    void aKeyValueHeadTakesItsQueryHeadsAlong() {
        ModelShape shape = Shapes.toy(12, false, new LayerShape(new int[] {1, 3, 2}, 4, 6));
        List<UnitScores> scores = scores(shape, new double[] {2, 1, 3}, new double[6]);
        PruningPlan plan = new Selection.Local(ONE, LayerRange.NONE, 1).select(0.34, shape, scores).plan();
        assertArrayEquals(new int[] {0, 4, 5}, plan.layers().getFirst().heads());
        assertArrayEquals(new int[] {0, 2}, plan.keptKvHeads(0));
        assertArrayEquals(
                new int[] {1, 2}, plan.resultShape().layers().getFirst().queriesPerKv());
        assertEquals(6, plan.resultShape().layers().getFirst().ffn());
    }

    @Test
    void rangesOfAttentionAndFfnAreSeparate() {
        LayerShape layer = LayerShape.uniform(4, 4, 4, 8);
        ModelShape shape = Shapes.toy(12, false, layer, layer, layer);
        ModelShape pruned = new Selection.Local(new LayerRange(1, 2), new LayerRange(2, 3), 1)
                .select(0.5, shape, equal(shape))
                .plan()
                .resultShape();
        assertEquals(
                List.of(layer, LayerShape.uniform(2, 2, 4, 8), LayerShape.uniform(4, 4, 4, 4)), pruned.layers());
    }

    @Test
    void aGroupThatWouldVanishStaysWhole() {
        ModelShape shape = Shapes.toy(12, false, LayerShape.uniform(2, 2, 4, 1));
        Selection.Selected selected = new Selection.Local(ONE, ONE, 1).select(0.9, shape, equal(shape));
        assertEquals(PruningPlan.keepAll(shape), selected.plan());
        assertEquals(
                List.of(
                        new Notice(
                                Notice.Reason.LEFT_WHOLE,
                                List.of(0),
                                "ratio 0.9 would take the last of the heads of layer 0, which all stay"),
                        new Notice(
                                Notice.Reason.LEFT_WHOLE,
                                List.of(0),
                                "ratio 0.9 would take the last of the FFN channels of layer 0, which all stay")),
                selected.notices());
    }

    @Test
    void aRatioThatCutsNothingIsReported() {
        ModelShape shape = Shapes.documented("smollm2-135m");
        LayerRange layers = new LayerRange(4, 26);
        Selection.Selected selected = new Selection.Local(layers, layers, 1).select(0.25, shape, equal(shape));
        assertEquals(1, selected.notices().size());
        Notice notice = selected.notices().getFirst();
        assertEquals(Notice.Reason.NOTHING_CUT, notice.reason());
        assertEquals(22, notice.layers().size());
        assertEquals(
                "ratio 0.25 is too small for one of the key/value groups of layers 4..25; a first one leaves above"
                        + " 0.3281",
                notice.message());
        assertEquals(
                List.of(), new Selection.Local(layers, layers, 1).select(0.329, shape, equal(shape)).notices());
        assertEquals(
                3,
                new Selection.Local(layers, layers, 1).select(0.328, shape, equal(shape)).plan().keptKvHeads(4).length);
        assertEquals(
                List.of(), new Selection.Local(layers, layers, 1).select(0, shape, equal(shape)).notices());
    }

    @ParameterizedTest
    @CsvSource({
        // channels, ratio, align, kept
        "1000, 0.25, 128, 768",
        "1000, 0.3, 128, 640",
        "1024, 0.3125, 128, 768",
        "1024, 0.95, 128, 128",
        "1000, 0.01, 128, 896",
        "1000, 0, 128, 1000",
        "100, 0.5, 128, 100",
        "300, 0.5, 256, 256",
        "256, 0.1, 128, 256",
    })
    void aligns(int channels, double ratio, int align, int kept) {
        ModelShape shape = Shapes.toy(12, false, LayerShape.uniform(1, 1, 4, channels));
        Selection.Selected selected =
                new Selection.Local(LayerRange.NONE, ONE, align).select(ratio, shape, equal(shape));
        assertEquals(kept, selected.plan().resultShape().layers().getFirst().ffn());
        boolean reported = selected.notices().stream()
                .anyMatch(notice -> notice.message()
                        .equals("rounded to a multiple of %d, the FFN channels of layer 0 all stay"
                                .formatted(align)));
        assertEquals(kept == channels && ratio > 0, reported);
    }

    @Test
    void globalRanksHeadsAndChannelsTogether() {
        LayerShape layer = LayerShape.uniform(2, 2, 4, 4);
        ModelShape shape = Shapes.toy(12, false, layer, layer);
        LayerRange all = new LayerRange(0, 2);
        List<UnitScores> scores = scores(
                shape, new double[] {1, 20}, new double[] {2, 3, 30, 31}, new double[] {21, 22}, new double[] {
                    4, 32, 33, 34
                });
        // 12 units, 4 to go: 1, 2, 3, 4
        Selection.Selected selected = new Selection.Global(all, all, 1).select(0.33, shape, scores);
        assertEquals(List.of(), selected.notices());
        assertEquals(
                List.of(
                        new PruningPlan.Kept(new int[] {1}, new int[] {2, 3}),
                        new PruningPlan.Kept(new int[] {0, 1}, new int[] {1, 2, 3})),
                selected.plan().layers());
    }

    @Test
    void globalTiesOvershootAndVanishingGroupsStayWhole() {
        LayerShape layer = LayerShape.uniform(2, 2, 4, 4);
        ModelShape shape = Shapes.toy(12, false, layer, layer);
        LayerRange all = new LayerRange(0, 2);
        List<UnitScores> scores = scores(
                shape, new double[] {1, 2}, new double[] {2, 3, 30, 31}, new double[] {2, 22}, new double[] {
                    4, 32, 33, 34
                });
        // 2 asked for: threshold 2 takes 1, 2, 2, 2; both heads of layer 0 would go.
        Selection.Selected selected = new Selection.Global(all, all, 1).select(0.1, shape, scores);
        assertEquals(
                List.of(
                        new PruningPlan.Kept(new int[] {0, 1}, new int[] {1, 2, 3}),
                        new PruningPlan.Kept(new int[] {1}, new int[] {0, 1, 2, 3})),
                selected.plan().layers());
        assertEquals(
                List.of(Notice.Reason.OVERSHOOT, Notice.Reason.LEFT_WHOLE),
                selected.notices().stream().map(Notice::reason).toList());
        assertEquals(
                "2 units more than requested score no better than the threshold and leave too",
                selected.notices().getFirst().message());
        assertEquals(List.of(0), selected.notices().getLast().layers());
    }

    @Test
    void uniformKeepsACountThatDividesTheHiddenWidth() {
        LayerShape layer = LayerShape.uniform(12, 12, 2, 100);
        ModelShape shape = Shapes.toy(24, false, layer, layer);
        Selection.Selected selected = new Selection.Uniform(10).select(0.33, shape, equal(shape));
        // 16 of 24 channels are 8 heads, which divide 24.
        assertEquals(LayerShape.uniform(8, 8, 2, 70), selected.plan().resultShape().layers().getFirst());
        assertEquals(List.of(), selected.notices());
        assertTrue(selected.plan().isUniform());
        // 19 of 24 channels take 10 heads.
        selected = new Selection.Uniform(10).select(0.2, shape, equal(shape));
        assertEquals(LayerShape.uniform(12, 12, 2, 80), selected.plan().resultShape().layers().getFirst());
        assertEquals(Notice.Reason.WIDENED, selected.notices().getFirst().reason());
        assertEquals(
                "12 query heads stay instead of 10, whose number does not divide the hidden width 24",
                selected.notices().getFirst().message());
    }

    @Test
    void uniformCountsQueryHeadsOfGroups() {
        ModelShape shape = Shapes.documented("smollm2-135m");
        Selection.Selected selected = new Selection.Uniform(1).select(0.35, shape, equal(shape));
        for (LayerShape layer : selected.plan().resultShape().layers()) {
            assertEquals(LayerShape.uniform(6, 2, 64, 998), layer);
        }
        assertEquals(List.of(), selected.notices());
    }

    @Test
    void refusals() {
        LayerShape layer = LayerShape.uniform(4, 4, 4, 8);
        ModelShape shape = Shapes.toy(12, false, layer, layer);
        List<UnitScores> scores = equal(shape);
        LayerRange all = new LayerRange(0, 2);
        Selection local = new Selection.Local(all, all, 1);
        assertEquals("ratio must be in [0, 1), got 1.0", message(() -> local.select(1, shape, scores)));
        assertEquals("ratio must be in [0, 1), got NaN", message(() -> local.select(Double.NaN, shape, scores)));
        assertEquals(
                "FFN layers 1:3 reach beyond the model's 2 layers",
                message(() -> new Selection.Local(all, new LayerRange(1, 3), 1).select(0.5, shape, scores)));
        assertEquals(
                "0 score vectors given for the FFN channels of layer 1, expected 1",
                message(() -> local.select(0.5, shape, scores.subList(0, 4))));
        assertEquals(
                "scores for the attention of layer 0 have 4 units of 4 channels, the model 2 of 4",
                message(() -> local.select(
                        0.5, Shapes.toy(12, false, LayerShape.uniform(2, 2, 4, 8), layer), scores)));
        assertEquals(
                "the model had 1 layers and now has 2",
                message(() -> local.select(0.5, Shapes.toy(12, false, layer), shape, scores)));
        assertEquals(
                "heads of layer 0: 4 units now, but only 2 initially",
                message(() -> local.select(
                        0.5, Shapes.toy(12, false, LayerShape.uniform(2, 2, 4, 8), layer), shape, scores)));
        ModelShape odd = Shapes.toy(12, false, layer, LayerShape.uniform(4, 2, 4, 8));
        assertEquals(
                "uniform pruning needs equal layers with equal query groups; layer 1 is"
                        + " LayerShape[queries_per_kv=[2, 2], head_dim=4, ffn=8], layer 0 is"
                        + " LayerShape[queries_per_kv=[1, 1, 1, 1], head_dim=4, ffn=8]",
                message(() -> new Selection.Uniform(1).select(0.5, odd, equal(odd))));
        assertEquals("align must be positive, got 0", message(() -> new Selection.Uniform(0)));
        Group group = scores.getFirst().group();
        assertEquals(
                "score of unit 2 of the hidden channels is NaN",
                message(() -> new UnitScores(group, new double[] {0, 0, Double.NaN, 0, 0, 0, 0, 0, 0, 0, 0, 0})));
        assertEquals(
                "hidden channels have 12 units, got 2 scores", message(() -> new UnitScores(group, new double[2])));
        assertEquals(
                "layer range \"4-30\" is not of the form first:end, e.g. 4:30 for layers 4 to 29",
                message(() -> LayerRange.parse("4-30")));
        assertEquals("layer range 5:4 ends before it starts", message(() -> LayerRange.parse("5:4")));
        assertEquals(new LayerRange(4, 30), LayerRange.parse("4:30"));
        assertEquals("step must be in 1..4, got 0", message(() -> Selection.stepRatio(0.5, 0, 4)));
    }

    /// Equal scores for every group.
    private static List<UnitScores> equal(ModelShape shape) {
        return Groups.of(Architecture.LLAMA.graph(shape)).all().stream().map(UnitScores::equal).toList();
    }

    /// Scores for attention and FFN of each layer in turn.
    private static List<UnitScores> scores(ModelShape shape, double[]... scores) {
        List<Group> groups = Groups.of(Architecture.LLAMA.graph(shape)).all().stream()
                .filter(group -> group.kind() != Group.Kind.HIDDEN)
                .toList();
        assertEquals(groups.size(), scores.length);
        return IntStream.range(0, scores.length)
                .mapToObj(i -> new UnitScores(groups.get(i), scores[i]))
                .toList();
    }

    private static String message(org.junit.jupiter.api.function.Executable action) {
        return assertThrows(IllegalArgumentException.class, action).getMessage();
    }
}
