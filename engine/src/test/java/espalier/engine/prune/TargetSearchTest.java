package espalier.engine.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.model.Architecture;
import espalier.engine.model.ChannelGraph;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelShape;
import espalier.engine.model.ModelSize;
import espalier.engine.model.Shapes;
import espalier.engine.prune.TargetSearch.Reached;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class TargetSearchTest {
    static IntStream seeds() {
        return IntStream.range(0, 40);
    }

    @Test
    void aRatioIsTakenAsItIs() {
        ModelShape shape = Shapes.documented("llama-7b");
        ChannelGraph graph = Architecture.LLAMA.graph(shape);
        LayerRange layers = new LayerRange(4, 30);
        Reached reached = TargetSearch.search(
                new Selection.Local(layers, layers, 1), new SizeTarget.GroupRatio(0.25), graph, equal(graph));
        assertEquals(0.25, reached.ratio());
        assertEquals(1_315_438_592.0 / 6_738_415_616L, reached.totalShare());
        assertEquals(1_315_438_592.0 / 6_476_005_376L, reached.prunableShare());
    }

    @Test
    void aTotalOfTwentyPercentOfLlama7b() {
        ChannelGraph graph = Architecture.LLAMA.graph(Shapes.documented("llama-7b"));
        LayerRange layers = new LayerRange(4, 30);
        Reached reached = TargetSearch.search(
                new Selection.Local(layers, layers, 1), new SizeTarget.Total(0.2), graph, equal(graph));
        // One FFN channel in 26 layers is 319,488 of 6.7 billion parameters.
        assertEquals(0.2, reached.totalShare(), 319_488.0 / 6_738_415_616L);
        Reached channels = TargetSearch.search(
                new Selection.Channels(NormRule.RELEASED), new SizeTarget.Prunable(0.2), graph, equal(graph));
        assertEquals(819 / 4096.0, channels.prunableShare());
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void noRatioComesNearer(int seed) {
        SplittableRandom random = new SplittableRandom(seed);
        ModelShape shape = SelectionPropertyTest.shape(random);
        ChannelGraph graph = Architecture.LLAMA.graph(shape);
        List<UnitScores> scores = SelectionPropertyTest.scores(shape, random);
        LayerRange all = new LayerRange(0, shape.layers().size());
        int align = seed % 2 == 0 ? 1 : 3;
        Selection selection = switch (seed % 3) {
            case 0 -> new Selection.Local(all, all, align);
            case 1 -> new Selection.Global(all, all, align);
            default -> new Selection.Channels(NormRule.EXACT);
        };
        double wanted = random.nextDouble(0, 0.9);
        boolean total = random.nextBoolean();
        SizeTarget target = total ? new SizeTarget.Total(wanted) : new SizeTarget.Prunable(wanted);
        ModelSize before = ModelSize.of(Architecture.LLAMA, shape);
        if (before.prunable() == 0) {
            assertEquals(
                    "the model has no prunable parameters",
                    assertThrows(
                                    IllegalArgumentException.class,
                                    () -> TargetSearch.search(selection, target, graph, scores))
                            .getMessage());
            return;
        }
        Reached reached = TargetSearch.search(selection, target, graph, scores);
        assertEquals(reached, TargetSearch.search(selection, target, graph, scores));
        assertEquals(share(selection, reached.ratio(), before, shape, scores, true), reached.totalShare(), 1e-15);
        assertEquals(share(selection, reached.ratio(), before, shape, scores, false), reached.prunableShare(), 1e-15);
        double distance = Math.abs((total ? reached.totalShare() : reached.prunableShare()) - wanted);
        for (int i = 0; i < 500; i++) {
            double other = share(selection, i / 500.0, before, shape, scores, total);
            assertTrue(distance <= Math.abs(other - wanted) + 1e-15, "ratio " + i / 500.0 + " is nearer");
        }
    }

    @Test
    void uniformTargetsLandOnAllowedHeadCounts() {
        ModelShape shape = Shapes.documented("smollm2-135m");
        ChannelGraph graph = Architecture.LLAMA.graph(shape);
        Selection selection = new Selection.Uniform(32);
        Reached reached =
                TargetSearch.search(selection, new SizeTarget.Prunable(0.5), graph, equal(graph));
        // 32 of 1536 channels of an FFN that makes three quarters of a layer.
        assertEquals(0.5, reached.prunableShare(), 0.75 * 32 / 1536);
        assertTrue(selection.select(reached.ratio(), shape, equal(graph)).plan().isUniform());
    }

    @Test
    void refusals() {
        assertEquals("ratio must be in [0, 1), got 1.0", message(() -> new SizeTarget.GroupRatio(1)));
        assertEquals(
                "target share of prunable parameters must be in [0, 1), got -0.1",
                message(() -> new SizeTarget.Prunable(-0.1)));
        assertEquals(
                "target share of all parameters must be in [0, 1), got NaN",
                message(() -> new SizeTarget.Total(Double.NaN)));
    }

    private static double share(
            Selection selection,
            double ratio,
            ModelSize before,
            ModelShape shape,
            List<UnitScores> scores,
            boolean total) {
        ModelSize after = ModelSize.of(
                Architecture.LLAMA, selection.select(ratio, shape, scores).plan().resultShape());
        return total
                ? 1 - (double) after.parameters() / before.parameters()
                : 1 - (double) after.prunable() / before.prunable();
    }

    private static List<UnitScores> equal(ChannelGraph graph) {
        return Groups.of(graph).all().stream().map(UnitScores::equal).toList();
    }

    private static String message(org.junit.jupiter.api.function.Executable action) {
        return assertThrows(IllegalArgumentException.class, action).getMessage();
    }
}
