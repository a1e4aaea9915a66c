package espalier.engine.prune;

import static espalier.engine.testing.Compare.assertClose;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.Progress;
import espalier.engine.model.Architecture;
import espalier.engine.model.Axis;
import espalier.engine.model.Batch;
import espalier.engine.model.ChannelGraph;
import espalier.engine.model.Keep;
import espalier.engine.model.Model;
import espalier.engine.model.TensorShape;
import espalier.engine.testing.Compare;
import espalier.engine.testing.GoldenCase;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Salience;
import espalier.testing.SharedData;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// LLM-Pruner importance against the `taylor-*` cases, and, where no golden value exists, against sums worked out here
/// from the golden weight gradients.
class GoldenTaylorTest {
    private static final List<Importance> TAYLOR = List.of(
            Importance.VECTORIZE, Importance.PARAM_FIRST, Importance.PARAM_SECOND, Importance.PARAM_MIX);

    static Stream<Arguments> cases() {
        return SharedData.goldenCases("taylor-").stream()
                .flatMap(path -> Stream.of(Backends.Choice.values()).map(choice -> Arguments.of(path, choice)));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void unitScoresOfEveryVariantAndReduction(Path path, Backends.Choice choice) throws Exception {
        try (Ops ops = Backends.open(choice, 2); GoldenCase golden = new GoldenCase(path, ops)) {
            Groups groups = Groups.of(graph(golden));
            int compared = 0;
            for (Importance importance : TAYLOR) {
                for (String reduction : List.of("sum", "max", "prod", "last")) {
                    List<UnitScores> scores = score(golden, importance, reduction, inLayers(groups));
                    for (UnitScores unit : scores) {
                        String kind = unit.group().kind().isAttention() ? "kv_group" : "mlp";
                        String name = "layer%d.%s.%s.%s"
                                .formatted(unit.group().layer(), kind, importance.label(), reduction);
                        if (golden.names(name).contains(name)) {
                            assertClose(name, golden.floats(name), floats(unit.scores()), Compare.GRADIENTS);
                            assertEquals(GoldenCase.argmax(golden.floats(name)),
                                    GoldenCase.argmax(floats(unit.scores())), name);
                            compared++;
                        }
                    }
                }
            }
            int goldenScores = golden.names("layer").stream()
                    .filter(name -> name.contains(".kv_group.") || name.contains(".mlp."))
                    .toList()
                    .size();
            assertEquals(goldenScores, compared, "every golden score is compared");
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void scoresOfEachMatrixFromOneBackward(Path path, Backends.Choice choice) throws Exception {
        try (Ops ops = Backends.open(choice, 2); GoldenCase golden = new GoldenCase(path, ops)) {
            Model model = golden.folder().model();
            Batch batch = golden.batch();
            int headDim = model.shape().layers().getFirst().headDim();
            EnumSet<Salience> all = EnumSet.of(
                    Salience.VECTOR, Salience.FIRST_ORDER, Salience.SECOND_ORDER, Salience.MIXED);
            try (TaylorScores sink = new TaylorScores(ops, batch, all, 0, Progress.NONE)) {
                UnitScorer.backward(model, batch, Keep.LAYER_INPUTS, sink);
                for (Importance importance : TAYLOR) {
                    Map<String, MatrixScores> scores = sink.scores(importance.salience().orElseThrow());
                    for (int layer = 0; layer < model.shape().layers().size(); layer++) {
                        for (String m : List.of("q", "k", "v", "o")) {
                            MatrixScores sums =
                                    scores.get("model.layers.%d.self_attn.%s_proj.weight".formatted(layer, m));
                            double[] channels = m.equals("o") ? sums.cols() : sums.rows();
                            String name = "layer%d.attn.%s.%s".formatted(layer, importance.label(), m);
                            assertClose(name, golden.floats(name), floats(perHead(channels, headDim)), 1e-3);
                        }
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void meanMagnitudesAndNamedMatricesFromTheGoldenGradients(Path path, Backends.Choice choice) throws Exception {
        try (Ops ops = Backends.open(choice, 2); GoldenCase golden = new GoldenCase(path, ops)) {
            List<Group> groups = inLayers(Groups.of(graph(golden)));
            for (Importance importance : List.of(
                    Importance.L1, Importance.L2, Importance.PARAM_FIRST, Importance.VECTORIZE)) {
                for (String reduction : List.of("mean", "max", "prod", "first", "sum")) {
                    for (UnitScores unit : score(golden, importance, reduction, groups)) {
                        double[] expected = bruteForce(golden, unit.group(), importance, reduction);
                        assertClose(importance + " " + reduction + " " + unit.group().name(),
                                floats(expected), floats(unit.scores()), Compare.GRADIENTS);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void hiddenChannelsFromTheGoldenGradients(Path path, Backends.Choice choice) throws Exception {
        try (Ops ops = Backends.open(choice, 2); GoldenCase golden = new GoldenCase(path, ops)) {
            List<Group> hidden = Groups.of(graph(golden)).of(Group.Kind.HIDDEN);
            assertEquals(1, hidden.size());
            for (Importance importance : List.of(Importance.PARAM_FIRST, Importance.VECTORIZE, Importance.L1)) {
                double[] actual = score(golden, importance, "sum", hidden).getFirst().scores();
                double[] expected = bruteForce(golden, hidden.getFirst(), importance, "sum");
                assertClose("hidden " + importance, floats(expected), floats(actual), Compare.GRADIENTS);
            }
            // Second order has no golden value here: it must at least be what the mix differs from the first order by.
            double[] second = score(golden, Importance.PARAM_SECOND, "sum", hidden).getFirst().scores();
            double[] first = score(golden, Importance.PARAM_FIRST, "sum", hidden).getFirst().scores();
            double[] mix = score(golden, Importance.PARAM_MIX, "sum", hidden).getFirst().scores();
            for (int c = 0; c < second.length; c++) {
                double most = 0.5 * second[c] * (1 + 1e-3);
                assertTrue(second[c] > 0 && Math.abs(mix[c] - first[c]) <= most, "channel " + c);
            }
        }
    }

    private static ChannelGraph graph(GoldenCase golden) {
        return Architecture.forModelType(golden.folder().config().modelType())
                .graph(golden.folder().model().shape());
    }

    private static List<Group> inLayers(Groups groups) {
        return groups.all().stream().filter(group -> group.kind() != Group.Kind.HIDDEN).toList();
    }

    private static List<UnitScores> score(
            GoldenCase golden, Importance importance, String reduction, List<Group> groups) {
        UnitScorer.Settings settings =
                new UnitScorer.Settings(importance, Reduction.parse(reduction), GqaFold.BY_GROUP);
        List<TensorShape> tensors = graph(golden).tensors();
        return UnitScorer.score(settings, groups, golden.folder().model(), Keep.ACTIVATIONS, tensors,
                        golden.folder().weights(), golden.ids("input_ids"), 42, Progress.NONE)
                .units();
    }

    /// The plain sums of llm-pruner.md §5 over whole gradients.
    private static double[] bruteForce(GoldenCase golden, Group group, Importance importance, String reduction) {
        List<double[]> folded = new ArrayList<>();
        Map<String, float[]> weights = new HashMap<>();
        for (Member member : group.scored()) {
            TensorShape tensor = graph(golden).tensor(member.tensor());
            float[] w = weights.computeIfAbsent(member.tensor(),
                    name -> golden.folder().checkpoint().get(name).toFloats());
            float[] g = golden.floats("grad." + member.tensor());
            double[] channels = new double[member.length()];
            for (int r = 0; r < tensor.rows(); r++) {
                for (int c = 0; c < tensor.cols(); c++) {
                    int i = r * tensor.cols() + c;
                    channels[member.axis() == Axis.ROWS ? r : c] += switch (importance) {
                        case L1 -> Math.abs(w[i]);
                        case L2 -> (double) w[i] * w[i];
                        case PARAM_FIRST -> Math.abs((double) w[i] * g[i]);
                        case VECTORIZE -> (double) w[i] * g[i];
                        default -> throw new AssertionError(importance);
                    };
                }
            }
            double[] roots = new double[group.root().length()];
            for (int i = 0; i < channels.length; i++) {
                roots[member.rootChannelOf()[i]] += Math.abs(channels[i]);
            }
            folded.add(roots);
        }
        double[] units = new double[group.units()];
        for (int channel = 0; channel < group.root().length(); channel++) {
            int at = channel;
            double[] values = folded.stream().mapToDouble(vector -> vector[at]).toArray();
            units[channel / group.unitWidth()] += switch (reduction) {
                case "sum" -> Arrays.stream(values).sum();
                case "mean" -> Arrays.stream(values).sum() / values.length;
                case "max" -> Arrays.stream(values).max().orElseThrow();
                case "prod" -> Arrays.stream(values).reduce(1, (a, b) -> a * b);
                case "first" -> values[0];
                default -> throw new AssertionError(reduction);
            };
        }
        return units;
    }

    private static double[] perHead(double[] channels, int headDim) {
        double[] heads = new double[channels.length / headDim];
        for (int i = 0; i < channels.length; i++) {
            heads[i / headDim] += channels[i];
        }
        return heads;
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }
}
