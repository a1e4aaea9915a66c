package espalier.engine.masked;

import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.GateTraining;
import espalier.engine.gates.InitialGates;
import espalier.engine.gates.SparsitySchedule;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.StepPlan;
import espalier.engine.model.Workload;
import espalier.engine.testing.InterceptedOps;
import espalier.engine.testing.RandomModel;
import espalier.engine.train.AdamW;
import espalier.engine.train.Example;
import espalier.engine.train.Examples;
import espalier.engine.train.LearningRate;
import espalier.engine.train.TrainingSettings;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.StoredType;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What a whole run holds against its plan.
class MaskRunMemoryTest {
    private static final ModelShape SHAPE = new ModelShape(
            300, 128, Collections.nCopies(3, LayerShape.uniform(8, 4, 16, 600)), true, ModelShape.Biases.NONE, 1e-5,
            10_000, 64);
    private static final int TOKENS = 40;
    /// The smallest block of a workspace: the plan does not count those that hold next to nothing.
    private static final long SMALLEST_BLOCK = 1L << 20;

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void ofARun(boolean hasTeacher) throws IOException {
        MaskMethod method = hasTeacher
                ? new MaskMethod.NutePrune(
                        0.1, 0.9, 2.0 / 3, new TeacherSettings(TeacherSettings.Mode.NUMEROUS, 0.01, 1, false))
                : new MaskMethod.Compresso(3);
        MaskTraining.Request request = request(method);
        List<Long> held = new ArrayList<>();
        Remembered memory = new Remembered();
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 2); RandomModel random = new RandomModel(SHAPE, 5)) {
            Ops watched = InterceptedOps.of(ops, matrix -> matrix, workspace -> held.add(workspace.heldBytes()));
            Workload work;
            try (ModelFolder base = ModelFolder.open(random.write(folder.resolve("base"), StoredType.F32), watched)) {
                work = MaskTraining.workload(SHAPE, base.checkpoint().bytes(), request);
                MaskTraining.run(base, request, memory, SnapshotStore.inMemory(), memory);
            }
            Map<String, Long> parts = StepPlan.choose(work, Long.MAX_VALUE).memory().parts();
            long step = parts.get("activations") + parts.get("temporaries");
            assertTrue(held.contains(step), step + " bytes of a step's block among " + held);
            long all = held.stream().mapToLong(bytes -> Math.max(0, bytes - SMALLEST_BLOCK)).sum();
            long planned = step + parts.get("trained") + parts.getOrDefault("teacher", 0L) + parts.get("live_layer");
            assertTrue(all <= planned, "%,d of %,d: %s".formatted(all, planned, held));
            boolean snapshotTaught =
                    memory.lines.stream().anyMatch(line -> line.path("teacher").asInt(-1) >= 0);
            assertTrue(!hasTeacher || snapshotTaught, "a snapshot teaches");
        }
    }

    private static MaskTraining.Request request(MaskMethod method) {
        Examples examples = new Examples(IntStream.range(0, 12)
                .mapToObj(i -> new Example(RandomModel.ids(SHAPE, 1, TOKENS, i)[0], 1))
                .toList());
        return new MaskTraining.Request(
                method, GateSettings.standard(3), InitialGates.RELEASED,
                new SparsitySchedule(0.5, 60, SparsitySchedule.Shape.LINEAR), GateTraining.Rates.RELEASED,
                Optional.of(LoraState.initial(SHAPE, LoraSettings.of(8, 8, 0, LoraSettings.ALL_LINEAR), 3)),
                new TrainingSettings(260, 6, 2, 7, 1, 50, 50),
                new LearningRate(1e-3, LearningRate.Shape.LINEAR, 0, 260), AdamW.Settings.DEFAULT, examples, examples,
                Long.MAX_VALUE);
    }
}
