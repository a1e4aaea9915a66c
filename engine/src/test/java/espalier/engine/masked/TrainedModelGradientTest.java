package espalier.engine.masked;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.gates.GateFamily;
import espalier.engine.gates.GateLayout;
import espalier.engine.gates.GateSettings;
import espalier.engine.model.HostCopy;
import espalier.engine.model.Keep;
import espalier.engine.model.Model;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Parameter;
import espalier.engine.model.Site;
import espalier.engine.testing.RandomModel;
import espalier.engine.train.Example;
import espalier.engine.train.Examples;
import espalier.engine.train.Objective;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.testing.SharedData;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Along its own direction, the gradient of each family of gates and of the adapters is the slope of the loss, on models
/// that were trained, under gates of which many are between 0 and 1.
class TrainedModelGradientTest {
    private static final int SEQUENCES = 4;
    private static final int LENGTH = 48;

    static Stream<Arguments> cases() {
        return Stream.of("tinystories-656k", "aidreams-231k", "stories260k")
                .flatMap(model -> Stream.of(new MaskMethod.Compresso(0), MaskMethod.NutePrune.RELEASED)
                        .map(method -> Arguments.of(model, method)));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void gradientsAreSlopes(String name, MaskMethod method) throws IOException {
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 2);
                ModelFolder folder = ModelFolder.open(SharedData.models().resolve(name), ops)) {
            Model model = folder.model();
            MaskTraining.Request request = request(method, model.shape());
            Examples examples = examples(model.shape());
            Objective.MicroBatch part = new Objective.MicroBatch(
                    examples, 7, 0, SEQUENCES, 1.0 / examples.labels());
            try (Student student = Student.of(model, request, SnapshotStore.inMemory());
                    MaskedLoss loss = new MaskedLoss(student, request, Keep.ACTIVATIONS, ops.newWorkspace())) {
                float[] start = new float[student.gates().logAlpha().length];
                Philox random = new Philox(11, 0);
                for (int i = 0; i < start.length; i++) {
                    start[i] = (float) random.gaussian(i);
                }
                Runs.setLogAlpha(student.gates(), start);
                double value = loss.train(part).mean();
                gates(loss, student, part, start, new GateLayout(model.shape(), request.gates()), value, ops);
                // Micro-batches add theirs.
                for (Parameter parameter : student.adapterParameters()) {
                    ops.fill(parameter.gradient(), 0);
                }
                loss.train(part);
                adapters(loss, student.adapterParameters(), part, ops, value);
            }
        }
    }

    private static MaskTraining.Request request(MaskMethod method, ModelShape shape) {
        LoraState adapters = LoraState.initial(shape, LoraSettings.of(4, 4, 0, Set.of(Site.Q_PROJ, Site.V_PROJ)), 3);
        Philox random = new Philox(5, 0);
        adapters.factors().forEach(factors -> {
            for (int i = 0; i < factors.b().length; i++) {
                factors.b()[i] = (float) (0.02 * random.gaussian(i));
            }
        });
        MaskTraining.Request request = Runs.with(
                Runs.request(method, 0.3, 100, 50),
                GateSettings.standard(shape.layers().size()));
        return Runs.with(request, Optional.of(adapters), request.initialGates());
    }

    private static Examples examples(ModelShape shape) {
        List<Example> list = new ArrayList<>();
        for (int[] ids : RandomModel.ids(shape, SEQUENCES, LENGTH, 9)) {
            list.add(new Example(ids, 0));
        }
        return new Examples(list);
    }

    private static void gates(
            MaskedLoss loss,
            Student student,
            Objective.MicroBatch part,
            float[] start,
            GateLayout layout,
            double value,
            Ops ops)
            throws IOException {
        float[] gradient = HostCopy.of(ops, loss.parameters().getLast().gradient());
        for (GateFamily family : List.of(GateFamily.HEADS, GateFamily.FFN, GateFamily.HIDDEN)) {
            float[] direction = new float[gradient.length];
            layout.blocks().stream()
                    .filter(block -> block.family() == family)
                    .forEach(block -> System.arraycopy(
                            gradient, block.offset(), direction, block.offset(), block.size()));
            double length = length(direction);
            assertTrue(length > 0, family + " has no gradient");
            double step = step(value, length);
            double above = at(loss, student.gates(), part, start, direction, step / length);
            double below = at(loss, student.gates(), part, start, direction, -step / length);
            assertEquals(1, (above - below) / (2 * step * length), 0.02, family.toString());
        }
        Runs.setLogAlpha(student.gates(), start);
    }

    /// Far enough that rounding of the loss (some 1e-7 of it) is lost in the difference, near enough to be straight.
    private static double step(double value, double slope) {
        return Math.min(0.05, 2e-4 * value / slope);
    }

    private static double at(
            MaskedLoss loss,
            TrainedGates gates,
            Objective.MicroBatch part,
            float[] start,
            float[] direction,
            double factor)
            throws IOException {
        float[] moved = start.clone();
        for (int i = 0; i < moved.length; i++) {
            moved[i] += (float) (factor * direction[i]);
        }
        Runs.setLogAlpha(gates, moved);
        return loss.train(part).mean();
    }

    private static void adapters(
            MaskedLoss loss, List<Parameter> parameters, Objective.MicroBatch part, Ops ops, double value)
            throws IOException {
        List<float[]> values = new ArrayList<>();
        List<float[]> directions = new ArrayList<>();
        double squares = 0;
        for (Parameter parameter : parameters) {
            values.add(HostCopy.of(ops, parameter.value()));
            directions.add(HostCopy.of(ops, parameter.gradient()));
            squares += Math.pow(length(directions.getLast()), 2);
        }
        double slope = Math.sqrt(squares);
        double step = step(value, slope);
        double[] losses = new double[2];
        for (int side = 0; side < 2; side++) {
            double factor = (side == 0 ? 1 : -1) * step / slope;
            for (int i = 0; i < values.size(); i++) {
                float[] moved = values.get(i).clone();
                for (int j = 0; j < moved.length; j++) {
                    moved[j] += (float) (factor * directions.get(i)[j]);
                }
                ops.fromHost(moved, parameters.get(i).value());
            }
            losses[side] = loss.train(part).mean();
        }
        assertEquals(1, (losses[0] - losses[1]) / (2 * step * slope), 0.02, "adapters");
    }

    private static double length(float[] values) {
        double squares = 0;
        for (float value : values) {
            squares += (double) value * value;
        }
        return Math.sqrt(squares);
    }
}
