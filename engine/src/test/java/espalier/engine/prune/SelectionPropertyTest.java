package espalier.engine.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import espalier.engine.model.Architecture;
import espalier.engine.model.ChannelGraph;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelShape;
import espalier.engine.model.ModelSize;
import espalier.engine.model.Shapes;
import espalier.engine.model.Space;
import espalier.engine.model.TensorShape;
import espalier.engine.weights.LayerShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What must hold for every model, score and ratio; seeds are fixed.
class SelectionPropertyTest {
    static IntStream seeds() {
        return IntStream.range(0, 60);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void localCountsEqualTheFormulaAndTheBestStay(int seed) {
        SplittableRandom random = new SplittableRandom(seed);
        ModelShape shape = shape(random);
        List<UnitScores> scores = scores(shape, random);
        LayerRange attention = range(shape, random);
        LayerRange ffn = range(shape, random);
        double ratio = random.nextDouble(0, 0.999);
        PruningPlan plan = new Selection.Local(attention, ffn, 1).select(ratio, shape, scores).plan();
        for (int layer = 0; layer < shape.layers().size(); layer++) {
            LayerShape before = shape.layers().get(layer);
            int kvWidth = before.kvWidth();
            int kvCut = (kvWidth - (int) (kvWidth * (1 - ratio))) / before.headDim();
            int kvKept = attention.contains(layer) && kvCut < before.kvHeads() ? before.kvHeads() - kvCut
                    : before.kvHeads();
            assertEquals(kvKept, plan.keptKvHeads(layer).length);
            int ffnCut = before.ffn() - (int) (before.ffn() * (1 - ratio));
            int ffnKept = ffn.contains(layer) && ffnCut < before.ffn() ? before.ffn() - ffnCut : before.ffn();
            assertEquals(ffnKept, plan.layers().get(layer).ffn().length);
            assertBestStay(scores, layer, true, plan.keptKvHeads(layer));
            assertBestStay(scores, layer, false, plan.layers().get(layer).ffn());
        }
        assertConsistent(plan);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void globalCutsTheRequestedNumberUpToTiesAndEmptiesNothing(int seed) {
        SplittableRandom random = new SplittableRandom(seed);
        ModelShape shape = shape(random);
        List<UnitScores> scores = scores(shape, random);
        LayerRange all = new LayerRange(0, shape.layers().size());
        double ratio = random.nextDouble(0, 0.999);
        Selection.Selected selected = new Selection.Global(all, all, 1).select(ratio, shape, scores);
        PruningPlan plan = selected.plan();
        int units = 0;
        int cut = 0;
        int vanishing = 0;
        for (int layer = 0; layer < shape.layers().size(); layer++) {
            LayerShape before = shape.layers().get(layer);
            assertEquals(before.kvHeads() > 0, plan.keptKvHeads(layer).length > 0);
            assertEquals(before.ffn() > 0, plan.layers().get(layer).ffn().length > 0);
            units += before.kvHeads() + before.ffn();
            cut += before.kvHeads() - plan.keptKvHeads(layer).length;
            cut += before.ffn() - plan.layers().get(layer).ffn().length;
        }
        for (Notice notice : selected.notices()) {
            if (notice.reason() == Notice.Reason.LEFT_WHOLE) {
                boolean ofFfn = notice.message().contains("FFN");
                for (int layer : notice.layers()) {
                    LayerShape before = shape.layers().get(layer);
                    vanishing += ofFfn ? before.ffn() : before.kvHeads();
                }
            }
        }
        int overshoot = selected.notices().stream()
                .filter(notice -> notice.reason() == Notice.Reason.OVERSHOOT)
                .mapToInt(notice -> Integer.parseInt(notice.message().split(" ")[0]))
                .sum();
        assertEquals(units - (int) (units * (1 - ratio)) + overshoot, cut + vanishing);
        assertConsistent(plan);
    }

    /// As long as no group would lose its last channel: then a single step leaves it whole, but earlier steps have cut.
    @ParameterizedTest
    @MethodSource("seeds")
    void iterativePruningEndsAtTheSameWidths(int seed) {
        SplittableRandom random = new SplittableRandom(seed);
        ModelShape shape = shape(random);
        LayerRange all = new LayerRange(0, shape.layers().size());
        Selection selection = seed % 3 == 0
                ? new Selection.Channels(NormRule.RELEASED)
                : new Selection.Local(all, all, seed % 3 == 1 ? 1 : 4);
        int narrowest = shape.layers().stream()
                .flatMapToInt(layer -> IntStream.of(layer.kvWidth(), layer.ffn(), shape.hidden()))
                .filter(channels -> channels > 0)
                .min()
                .orElseThrow();
        double ratio = random.nextDouble() * 0.999 * (1 - 1.0 / narrowest);
        PruningPlan once = selection.select(ratio, shape, scores(shape, random)).plan();
        PruningPlan joined = PruningPlan.keepAll(shape);
        for (int step = 1; step <= 4; step++) {
            ModelShape current = joined.resultShape();
            PruningPlan next = selection
                    .select(Selection.stepRatio(ratio, step, 4), shape, current, scores(current, random))
                    .plan();
            joined = joined.then(next);
        }
        assertEquals(once.resultShape().hidden(), joined.resultShape().hidden());
        for (int layer = 0; layer < shape.layers().size(); layer++) {
            assertEquals(once.keptKvHeads(layer).length, joined.keptKvHeads(layer).length, "layer " + layer);
            assertEquals(
                    once.resultShape().layers().get(layer).ffn(),
                    joined.resultShape().layers().get(layer).ffn(),
                    "layer " + layer);
        }
        assertConsistent(joined);
    }

    /// Slicing every tensor by its spaces gives the tensors of the resulting shape.
    static void assertConsistent(PruningPlan plan) {
        ChannelGraph before = Architecture.LLAMA.graph(plan.source());
        List<TensorShape> after = Architecture.LLAMA.tensors(plan.resultShape());
        List<List<Integer>> sliced = new ArrayList<>();
        for (TensorShape tensor : before.tensors()) {
            boolean stays = tensor.layer() == Space.WHOLE_MODEL
                    || IntStream.of(plan.keptLayers()).anyMatch(layer -> layer == tensor.layer());
            if (stays) {
                int rows = kept(plan, tensor.rowSpaces());
                sliced.add(tensor.isVector() ? List.of(rows) : List.of(rows, kept(plan, tensor.columnSpaces())));
            }
        }
        assertEquals(after.stream().map(TensorShape::dims).toList(), sliced);
        long elements = sliced.stream()
                .mapToLong(dims -> dims.stream().mapToLong(Integer::longValue).reduce(1, (a, b) -> a * b))
                .sum();
        assertEquals(ModelSize.of(Architecture.LLAMA, plan.resultShape()).parameters(), elements);
    }

    private static int kept(PruningPlan plan, List<Space> spaces) {
        return spaces.stream().mapToInt(space -> plan.kept(space).length).sum();
    }

    private static void assertBestStay(List<UnitScores> scores, int layer, boolean attention, int[] kept) {
        for (UnitScores score : scores) {
            if (score.group().layer() == layer && score.group().kind().isAttention() == attention) {
                double[] values = score.scores();
                int[] best = IntStream.range(0, values.length)
                        .boxed()
                        .sorted((a, b) -> values[a] == values[b] ? b - a : Double.compare(values[b], values[a]))
                        .limit(kept.length)
                        .mapToInt(Integer::intValue)
                        .sorted()
                        .toArray();
                assertArrayEquals(best, kept, score.group().name());
            }
        }
    }

    static ModelShape shape(SplittableRandom random) {
        LayerShape[] layers = new LayerShape[random.nextInt(1, 5)];
        for (int layer = 0; layer < layers.length; layer++) {
            int[] queries = new int[random.nextInt(0, 6)];
            Arrays.setAll(queries, _ -> random.nextInt(1, 4));
            layers[layer] = new LayerShape(queries, 2 * random.nextInt(1, 5), random.nextInt(0, 40));
        }
        ModelShape.Biases biases =
                new ModelShape.Biases(random.nextBoolean(), random.nextBoolean(), random.nextBoolean());
        return Shapes.toy(random.nextInt(1, 30), random.nextBoolean(), biases, layers);
    }

    /// Random scores, for half of the calls with many ties.
    static List<UnitScores> scores(ModelShape shape, SplittableRandom random) {
        boolean ties = random.nextBoolean();
        return Groups.of(Architecture.LLAMA.graph(shape)).all().stream()
                .map(group -> new UnitScores(
                        group,
                        IntStream.range(0, group.units())
                                .mapToDouble(_ -> ties ? random.nextInt(0, 12) : random.nextDouble())
                                .toArray()))
                .toList();
    }

    private static LayerRange range(ModelShape shape, SplittableRandom random) {
        int start = random.nextInt(0, shape.layers().size());
        return new LayerRange(start, random.nextInt(start, shape.layers().size() + 1));
    }
}
