package espalier.engine.train;

import static espalier.engine.testing.Compare.assertClose;
import static org.junit.jupiter.api.Assertions.assertEquals;

import espalier.engine.model.Architecture;
import espalier.engine.model.Keep;
import espalier.engine.model.Model;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Parameter;
import espalier.engine.model.Pass;
import espalier.engine.model.TensorShape;
import espalier.engine.model.TrainedWeights;
import espalier.engine.testing.Compare;
import espalier.engine.testing.GoldenCase;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.testing.SharedData;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Loss and the gradients of all trained weights against the `core-*` cases: float64 PyTorch, tied and untied, with
/// biases.
class GoldenWeightTrainingTest {
    static Stream<Arguments> cases() {
        return SharedData.goldenCases("core-").stream()
                .flatMap(path -> Stream.of(Backends.Choice.values()).map(choice -> Arguments.of(path, choice)));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void gradientsOfEveryWeight(Path path, Backends.Choice choice) throws Exception {
        try (Ops ops = Backends.open(choice, 2);
                GoldenCase golden = new GoldenCase(path, ops);
                TrainedWeights weights = trained(golden, ops);
                Model model = Model.of(weights, golden.folder().model().shape(), ops);
                NextTokenLoss loss = new NextTokenLoss(
                        model, role(model, weights), Keep.ACTIVATIONS, ops.newWorkspace())) {
            List<Example> rows =
                    Arrays.stream(golden.ids("input_ids")).map(ids -> new Example(ids, 0)).toList();
            long labels = rows.stream().mapToLong(Example::labels).sum();
            // Two micro-batches, whose gradients add up.
            int half = rows.size() / 2;
            Objective.LossSum sum = Objective.LossSum.ZERO;
            for (List<Example> part : List.of(rows.subList(0, half), rows.subList(half, rows.size()))) {
                sum = sum.plus(loss.train(
                        new Objective.MicroBatch(new Examples(part), 0, 0, part.size(), 1.0 / labels)));
            }
            assertClose("loss", golden.number("loss.f64"), sum.mean(), Compare.VALUES);
            Set<String> expected = new HashSet<>(golden.names("grad."));
            for (Parameter parameter : loss.parameters()) {
                String name = "grad." + parameter.name();
                expected.remove(name);
                assertClose(name, golden.floats(name), golden.host(parameter.gradient()), Compare.GRADIENTS);
            }
            assertEquals(Set.of(), expected, "golden gradients of no parameter");
        }
    }

    private static TrainedWeights trained(GoldenCase golden, Ops ops) {
        ModelShape shape = golden.folder().model().shape();
        List<TensorShape> tensors =
                Architecture.forModelType(golden.folder().config().modelType()).tensors(shape);
        return new TrainedWeights(tensors, tensor -> golden.folder().checkpoint().get(tensor.name()).toFloats(), ops);
    }

    private static NextTokenLoss.Role role(Model model, TrainedWeights weights) {
        return new NextTokenLoss.Role() {
            @Override
            public List<Parameter> parameters() {
                List<Parameter> all = new ArrayList<>(weights.matrices());
                all.addAll(weights.vectors());
                return all;
            }

            @Override
            public Pass training(long step, int firstRow) {
                return evaluation().withWeightGradients(weights.gradients());
            }

            @Override
            public Pass evaluation() {
                return Pass.plain(model.shape().layers().size());
            }
        };
    }
}
