package espalier.engine.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import espalier.engine.model.Architecture;
import espalier.engine.model.Axis;
import espalier.engine.model.ChannelGraph;
import espalier.engine.model.Shapes;
import espalier.engine.model.TensorShape;
import espalier.testing.SharedData;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Golden importance values (cases `taylor-*`), from the golden gradients: first-order element salience `|W * g|`.
/// Tolerance 1e-5 of the largest value: the gradients were rounded to float32 once.
class ReductionGoldenTest {
    @ParameterizedTest
    @ValueSource(strings = {"sum", "max", "prod", "last"})
    void ffnChannels(String reduction) {
        for (Path folder : SharedData.goldenCases("taylor-")) {
            Case golden = new Case(folder);
            List<Group> groups = golden.groups.of(Group.Kind.FFN);
            assertEquals(2, groups.size());
            for (Group group : groups) {
                golden.check(group, reduction, "layer" + group.layer() + ".mlp.param_first." + reduction);
            }
        }
    }

    @Test
    void attention() {
        for (Path folder : SharedData.goldenCases("taylor-")) {
            Case golden = new Case(folder);
            List<Group> groups =
                    golden.groups.all().stream().filter(group -> group.kind().isAttention()).toList();
            assertEquals(2, groups.size());
            for (Group group : groups) {
                golden.check(group, "sum", "layer" + group.layer() + ".kv_group.param_first.sum");
            }
        }
    }

    private static final class Case {
        final ChannelGraph graph;
        final Groups groups;
        final GoldenTensors weights;
        final GoldenTensors expected;

        Case(Path folder) {
            graph = Architecture.LLAMA.graph(Shapes.read(folder));
            groups = Groups.of(graph);
            weights = new GoldenTensors(folder.resolve("model.safetensors"));
            expected = new GoldenTensors(folder.resolve("expected.safetensors"));
        }

        void check(Group group, String reduction, String name) {
            List<double[]> scores = group.scored().stream().map(this::salience).toList();
            double[] actual = Reduction.parse(reduction).unitScores(group, scores, GqaFold.BY_GROUP);
            double[] golden = expected.floats(name);
            assertEquals(golden.length, actual.length, name);
            double largest = 0;
            for (double value : golden) {
                largest = Math.max(largest, Math.abs(value));
            }
            for (int unit = 0; unit < golden.length; unit++) {
                if (!(Math.abs(actual[unit] - golden[unit]) <= 1e-5 * largest)) {
                    fail("%s[%d] is %s, expected %s".formatted(name, unit, actual[unit], golden[unit]));
                }
            }
        }

        private double[] salience(Member member) {
            TensorShape tensor = graph.tensor(member.tensor());
            double[] weight = weights.floats(member.tensor());
            double[] gradient = expected.floats("grad." + member.tensor());
            assertEquals(tensor.elements(), weight.length, member.tensor());
            double[] salience = new double[member.length()];
            for (int i = 0; i < weight.length; i++) {
                int channel = member.axis() == Axis.ROWS ? i / tensor.cols() : i % tensor.cols();
                salience[channel] += Math.abs(weight[i] * gradient[i]);
            }
            return salience;
        }
    }
}
