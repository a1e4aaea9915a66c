package espalier.engine.prune;

import static espalier.engine.testing.Compare.assertClose;
import static espalier.engine.testing.Compare.relativeError;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.Progress;
import espalier.engine.model.Architecture;
import espalier.engine.model.Axis;
import espalier.engine.model.Batch;
import espalier.engine.model.ChannelGraph;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.LayerRange;
import espalier.engine.model.LmHead;
import espalier.engine.model.Model;
import espalier.engine.model.ModelShape;
import espalier.engine.model.ModelShape.Biases;
import espalier.engine.model.Pass;
import espalier.engine.model.StateGradients;
import espalier.engine.testing.RandomModel;
import espalier.engine.testing.WholeGradients;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Salience;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Scores against plain sums over whole gradients, each sample run by itself (llm-pruner.md §4, §5, §12).
class UnitScorerTest {
    private static final LayerShape GROUPS = LayerShape.uniform(4, 2, 4, 11);
    private static final LayerShape UNEQUAL = new LayerShape(new int[] {1, 3, 2}, 4, 9);
    private static final List<Importance> TAYLOR = List.of(
            Importance.VECTORIZE, Importance.PARAM_FIRST, Importance.PARAM_SECOND, Importance.PARAM_MIX);
    private static final int SAMPLES = 3;

    /// Both ways to tie, and a vocabulary that takes more than one tile: a tile has 2^20 elements.
    static Stream<Arguments> models() {
        Biases biases = new Biases(true, true, true);
        ModelShape small = new ModelShape(19, 14, List.of(GROUPS, UNEQUAL), true, biases, 1e-5, 10_000, 64);
        ModelShape untied = new ModelShape(19, 14, List.of(UNEQUAL, GROUPS), false, biases, 1e-5, 10_000, 64);
        ModelShape tiled = new ModelShape(2100, 1024, List.of(GROUPS), true, Biases.NONE, 1e-5, 10_000, 64);
        ModelShape tiledUntied = new ModelShape(2100, 1024, List.of(GROUPS), false, Biases.NONE, 1e-5, 10_000, 64);
        return Stream.of(
                Arguments.of("tied", small, Backends.Choice.SCALAR),
                Arguments.of("tied", small, Backends.Choice.VECTOR),
                Arguments.of("untied", untied, Backends.Choice.SCALAR),
                Arguments.of("untied", untied, Backends.Choice.VECTOR),
                Arguments.of("tied, tiles", tiled, Backends.Choice.VECTOR),
                Arguments.of("untied, tiles", tiledUntied, Backends.Choice.VECTOR));
    }

    @ParameterizedTest(name = "{0}, {2}")
    @MethodSource("models")
    void everyVariantAgainstWholeGradients(String name, ModelShape shape, Backends.Choice choice) {
        int[][] samples = RandomModel.ids(shape, SAMPLES, 6, 2);
        ChannelGraph graph = Architecture.LLAMA.graph(shape);
        try (Ops ops = Backends.open(choice, 2); RandomModel random = new RandomModel(shape, 7);
                Model model = Model.load(random, shape, ops)) {
            List<Map<String, float[]>> perSample = new ArrayList<>();
            for (int[] sample : samples) {
                perSample.add(gradients(model, Batch.of(sample)));
            }
            for (Importance importance : TAYLOR) {
                for (boolean hidden : new boolean[] {false, true}) {
                    List<Group> groups = groups(graph, hidden);
                    UnitScorer.Settings settings =
                            new UnitScorer.Settings(importance, Reduction.Stacked.SUM, GqaFold.BY_GROUP);
                    UnitScorer.Scored scored = UnitScorer.score(
                            settings, groups, model, Keep.ACTIVATIONS, graph.tensors(), random, samples, 0,
                            Progress.NONE);
                    assertTrue(scored.loss() > 1 && scored.loss() < 20, "loss " + scored.loss());
                    for (UnitScores units : scored.units()) {
                        double[] expected = bruteForce(units.group(), importance, random, graph, perSample);
                        assertClose(importance + ", " + units.group().name(),
                                floats(expected), floats(units.scores()), 1e-4);
                    }
                }
            }
        }
    }

    @Test
    void keptAndComputedActivationsGiveTheSameBits() {
        ModelShape shape = new ModelShape(
                19, 14, List.of(GROUPS, UNEQUAL, GROUPS), false, Biases.NONE, 1e-5, 10_000, 64);
        ChannelGraph graph = Architecture.LLAMA.graph(shape);
        UnitScorer.Settings settings =
                new UnitScorer.Settings(Importance.PARAM_MIX, Reduction.Stacked.SUM, GqaFold.BY_GROUP);
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 2); RandomModel random = new RandomModel(shape, 7);
                Model model = Model.load(random, shape, ops)) {
            List<List<float[]>> scores = new ArrayList<>();
            for (int kept = 0; kept <= 3; kept++) {
                UnitScorer.Scored scored = UnitScorer.score(
                        settings, groups(graph, false), model, Keep.lastLayers(kept), graph.tensors(), random,
                        RandomModel.ids(shape, SAMPLES, 6, 2), 0, Progress.NONE);
                scores.add(scored.units().stream().map(units -> floats(units.scores())).toList());
                for (int i = 0; i < scores.getFirst().size(); i++) {
                    assertArrayEquals(scores.getFirst().get(i), scores.getLast().get(i), kept + " layers kept");
                }
            }
        }
    }

    /// The gradient of the batch is the mean over the samples of theirs; A the mean of their squares.
    private static double[] bruteForce(
            Group group,
            Importance importance,
            RandomModel random,
            ChannelGraph graph,
            List<Map<String, float[]>> perSample) {
        double[] units = new double[group.units()];
        for (Member member : group.scored()) {
            float[] w = random.values().get(member.tensor());
            int cols = graph.tensor(member.tensor()).cols();
            double[] channels = new double[member.length()];
            for (int i = 0; i < w.length; i++) {
                double g = 0;
                double a = 0;
                for (Map<String, float[]> gradients : perSample) {
                    double gj = gradients.get(member.tensor())[i];
                    g += gj / perSample.size();
                    a += gj * gj / perSample.size();
                }
                double s = switch (importance) {
                    case VECTORIZE, PARAM_FIRST -> w[i] * g;
                    case PARAM_SECOND -> w[i] * a * w[i];
                    case PARAM_MIX -> w[i] * g - 0.5 * w[i] * a * w[i];
                    case L1, L2, RANDOM -> throw new AssertionError(importance);
                };
                channels[member.axis() == Axis.ROWS ? i / cols : i % cols] +=
                        importance == Importance.VECTORIZE ? s : Math.abs(s);
            }
            for (int c = 0; c < channels.length; c++) {
                units[member.rootChannelOf()[c] / group.unitWidth()] += Math.abs(channels[c]);
            }
        }
        return units;
    }

    private static Map<String, float[]> gradients(Model model, Batch batch) {
        Map<String, float[]> gradients = new HashMap<>();
        try (WholeGradients sink = new WholeGradients(model.ops(), model.shape());
                Workspace ws = model.ops().newWorkspace()) {
            int[] targets = batch.nextTokens();
            float scale = 1f / (batch.tokens() - batch.sequences());
            Pass pass = Pass.plain(model.shape().layers().size()).withWeightGradients(sink);
            Hidden hidden = model.forward(batch, pass, Keep.ACTIVATIONS, ws);
            Tensor dNormed = ws.take(batch.tokens(), model.shape().hidden());
            model.lmHead().lossBackward(dNormed, hidden, targets, scale, ws);
            LmHead.Backward head = model.lmHead().backward(hidden, targets, scale, ws);
            model.backward(hidden, dNormed, StateGradients.NONE, pass, head, ws);
            sink.gradients().forEach((name, tensor) -> gradients.put(name, RandomModel.host(model.ops(), tensor)));
        }
        return gradients;
    }

    private static List<Group> groups(ChannelGraph graph, boolean hidden) {
        return Groups.of(graph).all().stream()
                .filter(group -> (group.kind() == Group.Kind.HIDDEN) == hidden)
                .toList();
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }

    /// Checks 7 and 8: one absolute value for each channel is at most the sum of those of its elements, and A is not
    /// the squared gradient of the batch.
    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void inequalitiesBetweenTheVariants(Backends.Choice choice) {
        ModelShape shape = new ModelShape(19, 14, List.of(GROUPS, UNEQUAL), false, Biases.NONE, 1e-5, 10_000, 64);
        int[][] samples = RandomModel.ids(shape, SAMPLES, 6, 2);
        try (Ops ops = Backends.open(choice, 2); RandomModel random = new RandomModel(shape, 7);
                Model model = Model.load(random, shape, ops)) {
            EnumSet<Salience> all =
                    EnumSet.of(Salience.VECTOR, Salience.FIRST_ORDER, Salience.SECOND_ORDER, Salience.MIXED);
            Batch batch = Batch.of(samples);
            try (TaylorScores sink = new TaylorScores(ops, batch, all, shape.hidden(), Progress.NONE)) {
                UnitScorer.backward(model, batch, Keep.LAYER_INPUTS, sink);
                sink.finishNorms(random);
                Map<String, MatrixScores> vector = sink.scores(Salience.VECTOR);
                Map<String, MatrixScores> first = sink.scores(Salience.FIRST_ORDER);
                assertEquals(random.values().keySet(), first.keySet());
                boolean strictly = false;
                for (String name : first.keySet()) {
                    for (int row = 0; row < first.get(name).rows().length; row++) {
                        double sum = first.get(name).rows()[row];
                        assertTrue(vector.get(name).rows()[row] <= sum * (1 + 1e-6), name + " row " + row);
                        strictly |= vector.get(name).rows()[row] < 0.9 * sum;
                    }
                }
                assertTrue(strictly, "signs cancel somewhere");
                // One sample: A is g squared. Several: it is not.
                assertTrue(relativeError(second(sink), squaredGradient(model, random, batch)) > 0.1);
            }
            Batch single = Batch.of(samples[0]);
            try (TaylorScores sink = new TaylorScores(ops, single, all, shape.hidden(), Progress.NONE)) {
                UnitScorer.backward(model, single, Keep.ACTIVATIONS, sink);
                assertClose("one sample", squaredGradient(model, random, single), second(sink), 1e-4);
            }
        }
    }

    private static final String SOME = "model.layers.1.self_attn.k_proj.weight";

    private static float[] second(TaylorScores sink) {
        return floats(sink.scores(Salience.SECOND_ORDER).get(SOME).rows());
    }

    /// Row sums of `w g^2 w` with the gradient of the batch.
    private static float[] squaredGradient(Model model, RandomModel random, Batch batch) {
        float[] g = gradients(model, batch).get(SOME);
        float[] w = random.values().get(SOME);
        double[] rows = new double[w.length / 14];
        for (int i = 0; i < w.length; i++) {
            rows[i / 14] += Math.pow((double) w[i] * g[i], 2);
        }
        return floats(rows);
    }

    /// Check 9: query heads 0 to 3 matter, 1 and 3 most, and read key/value head 0, so it survives. The released fold
    /// adds 1 and 3 to key/value head 1. The gradient of a query head grows with its columns of o_proj.
    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void importantQueryHeadsSaveTheirKeyValueHead(Backends.Choice choice) {
        LayerShape layer = LayerShape.uniform(8, 2, 4, 6);
        ModelShape shape = new ModelShape(19, 14, List.of(layer), false, Biases.NONE, 1e-5, 10_000, 64);
        float[] importance = {0.3f, 4, 0.3f, 4, 0.03f, 0.03f, 0.03f, 0.03f};
        try (Ops ops = Backends.open(choice, 2); RandomModel random = new RandomModel(shape, 7)) {
            float[] o = random.values().get("model.layers.0.self_attn.o_proj.weight");
            for (int i = 0; i < o.length; i++) {
                o[i] *= importance[i % 32 / 4];
            }
            try (Model model = Model.load(random, shape, ops)) {
                for (String reduction : List.of("q_proj", "o_proj", "max", "sum")) {
                    assertArrayEquals(new int[] {0}, survivor(model, random, reduction, GqaFold.BY_GROUP), reduction);
                }
                for (String reduction : List.of("q_proj", "o_proj", "max")) {
                    assertArrayEquals(new int[] {1}, survivor(model, random, reduction, GqaFold.RELEASED), reduction);
                }
            }
        }
    }

    /// The key/value head that stays when one of two leaves.
    private static int[] survivor(Model model, RandomModel random, String reduction, GqaFold fold) {
        ChannelGraph graph = Architecture.LLAMA.graph(model.shape());
        UnitScorer.Settings settings =
                new UnitScorer.Settings(Importance.PARAM_FIRST, Reduction.parse(reduction), fold);
        List<UnitScores> scores = UnitScorer.score(settings, Groups.of(graph).of(Group.Kind.KV_GROUPS), model,
                        Keep.ACTIVATIONS, graph.tensors(), random, RandomModel.ids(model.shape(), SAMPLES, 6, 2), 0,
                        Progress.NONE)
                .units();
        LayerRange first = new LayerRange(0, 1);
        PruningPlan plan = new Selection.Local(first, LayerRange.NONE, 1).select(0.5, model.shape(), scores).plan();
        return plan.keptKvHeads(0);
    }

    @Test
    void magnitudesOfAllTensorsOfHiddenChannels() {
        ModelShape shape = new ModelShape(19, 14, List.of(GROUPS), true, Biases.NONE, 1e-5, 10_000, 64);
        ChannelGraph graph = Architecture.LLAMA.graph(shape);
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 2); RandomModel random = new RandomModel(shape, 7);
                Model model = Model.load(random, shape, ops)) {
            Group hidden = groups(graph, true).getFirst();
            double[] expected = new double[14];
            for (Member member : hidden.scored()) {
                float[] w = random.values().get(member.tensor());
                int cols = graph.tensor(member.tensor()).cols();
                for (int i = 0; i < w.length; i++) {
                    expected[member.axis() == Axis.ROWS ? i / cols : i % cols] +=
                            (double) w[i] * w[i] / hidden.scored().size();
                }
            }
            UnitScorer.Scored scored = UnitScorer.score(
                    new UnitScorer.Settings(Importance.L2, Importance.L2.defaultReduction(), GqaFold.BY_GROUP),
                    List.of(hidden), model, Keep.ACTIVATIONS, graph.tensors(), random, new int[0][], 0, Progress.NONE);
            assertClose("l2", floats(expected), floats(scored.units().getFirst().scores()), 1e-5);
            assertTrue(Double.isNaN(scored.loss()), "no loss was computed");
        }
    }

    @Test
    void randomScoresDependOnTheSeedAlone() {
        ModelShape shape = new ModelShape(19, 14, List.of(GROUPS, UNEQUAL), false, Biases.NONE, 1e-5, 10_000, 64);
        ChannelGraph graph = Architecture.LLAMA.graph(shape);
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1); RandomModel random = new RandomModel(shape, 7);
                Model model = Model.load(random, shape, ops)) {
            List<Group> groups = groups(graph, false);
            UnitScorer.Settings settings =
                    new UnitScorer.Settings(Importance.RANDOM, Reduction.Stacked.SUM, GqaFold.BY_GROUP);
            List<UnitScores> all = UnitScorer.score(
                    settings, groups, model, Keep.ACTIVATIONS, graph.tensors(), random, new int[0][], 5,
                    Progress.NONE).units();
            List<UnitScores> last = UnitScorer.score(settings, List.of(groups.getLast()), model, Keep.NOTHING,
                    graph.tensors(), random, new int[0][], 5, Progress.NONE).units();
            assertArrayEquals(all.getLast().scores(), last.getFirst().scores());
            List<UnitScores> other = UnitScorer.score(
                    settings, groups, model, Keep.ACTIVATIONS, graph.tensors(), random, new int[0][], 6,
                    Progress.NONE).units();
            assertTrue(relativeError(floats(all.getFirst().scores()), floats(other.getFirst().scores())) > 0.01);
            for (UnitScores units : all) {
                for (double score : units.scores()) {
                    assertTrue(score > 0 && score < units.group().unitWidth(), "a sum of uniform numbers: " + score);
                }
            }
        }
    }

    /// Samples of other lengths would make the sum over samples of their losses another number than the batch's.
    @Test
    void samplesThatCannotBeScored() {
        ModelShape shape = new ModelShape(19, 14, List.of(GROUPS), false, Biases.NONE, 1e-5, 10_000, 64);
        ChannelGraph graph = Architecture.LLAMA.graph(shape);
        UnitScorer.Settings settings =
                new UnitScorer.Settings(Importance.PARAM_FIRST, Reduction.Stacked.SUM, GqaFold.BY_GROUP);
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1); RandomModel random = new RandomModel(shape, 7);
                Model model = Model.load(random, shape, ops)) {
            Map<String, int[][]> wrong = Map.of(
                    "no calibration samples", new int[0][],
                    "calibration sample 1 has 3 tokens, expected 2 as the first has", new int[][] {{1, 2}, {1, 2, 3}},
                    "calibration samples of 1 token have nothing to predict", new int[][] {{1}, {2}});
            wrong.forEach((message, samples) -> assertEquals(message, assertThrows(
                    IllegalArgumentException.class,
                    () -> UnitScorer.score(settings, groups(graph, false), model, Keep.ACTIVATIONS, graph.tensors(),
                            random, samples, 0, Progress.NONE)).getMessage()));
            random.values().get("lm_head.weight")[3] = Float.NaN;
            try (Model broken = Model.load(random, shape, ops)) {
                assertEquals("the calibration loss is NaN", assertThrows(
                        ArithmeticException.class,
                        () -> UnitScorer.score(settings, groups(graph, false), broken, Keep.ACTIVATIONS,
                                graph.tensors(), random, RandomModel.ids(shape, 2, 4, 1), 0,
                                Progress.NONE)).getMessage());
            }
        }
    }
}
