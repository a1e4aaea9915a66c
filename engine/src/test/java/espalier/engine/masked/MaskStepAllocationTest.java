package espalier.engine.masked;

import static org.junit.jupiter.api.Assertions.assertEquals;

import espalier.engine.adapt.LoraState;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.GateTraining;
import espalier.engine.gates.InitialGates;
import espalier.engine.gates.SparsitySchedule;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.testing.AllocationMeter;
import espalier.engine.testing.RandomModel;
import espalier.engine.train.AdamW;
import espalier.engine.train.Example;
import espalier.engine.train.Examples;
import espalier.engine.train.LearningRate;
import espalier.engine.train.RunRecord;
import espalier.engine.train.TrainingSettings;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.StoredType;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.testing.ChildJvm;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A warm step of NutePrune, with a teacher and a student that leaves out what is masked, allocates records of its
/// calls, and small arrays for each token and gate; `MaskMemoryTest` bounds those of a gate.
class MaskStepAllocationTest {
    private static final int LAYERS = 2;
    private static final int SEQUENCES = 4;
    private static final int TOKENS = 256;
    private static final ModelShape SHAPE = new ModelShape(
            1000, 128, Collections.nCopies(LAYERS, LayerShape.uniform(4, 2, 32, 256)), true, ModelShape.Biases.NONE,
            1e-5, 10_000, TOKENS);

    /// What a step may allocate whatever its tokens: arguments and bodies of calls, widths of narrowed layers, arrays
    /// over 644 gates, and the line of metrics. Measured 380,000.
    private static final long OF_A_STEP = 450_000;
    /// And for each token, in two forwards and a backward. Measured 1,330; one array as wide as the residual stream
    /// would add 512.
    private static final long OF_A_TOKEN = 1_650;

    @TempDir
    Path folder;

    /// Prints what is wrong. In a process of its own, as compilers decide.
    static final class Once {
        private Once() {}

        /// @param arguments a model folder
        public static void main(String[] arguments) throws IOException {
            AllocationMeter meter = new AllocationMeter(() -> 0);
            try (Ops ops = Backends.open(Backends.Choice.VECTOR, 2);
                    ModelFolder base = ModelFolder.open(Path.of(arguments[0]), ops)) {
                MaskTraining.run(base, request(), RunRecord.NONE, SnapshotStore.inMemory(), meter);
                meter.printExcess(OF_A_STEP + OF_A_TOKEN * SEQUENCES * TOKENS);
            }
        }

        private static MaskTraining.Request request() {
            List<Example> examples = new ArrayList<>();
            for (int[] ids : RandomModel.ids(SHAPE, SEQUENCES, TOKENS, 9)) {
                examples.add(new Example(ids, 0));
            }
            long steps = AllocationMeter.STEPS / 2;
            return new MaskTraining.Request(
                    MaskMethod.NutePrune.RELEASED, GateSettings.standard(LAYERS), InitialGates.RELEASED,
                    new SparsitySchedule(0.3, 0, SparsitySchedule.Shape.LINEAR), GateTraining.Rates.RELEASED,
                    Optional.of(LoraState.initial(SHAPE, Runs.LORA, 3)),
                    new TrainingSettings(steps, SEQUENCES, SEQUENCES / 2, 7, 1, steps, steps),
                    new LearningRate(1e-3, LearningRate.Shape.CONSTANT, 0, steps), AdamW.Settings.DEFAULT,
                    new Examples(examples), new Examples(List.of()), Long.MAX_VALUE);
        }
    }

    @Tag("slow")
    @Test
    void aWarmStepAllocatesOnlySmallRecords() throws IOException, InterruptedException {
        Path base = folder.resolve("base");
        try (RandomModel random = new RandomModel(SHAPE, 5)) {
            random.write(base, StoredType.F32);
        }
        assertEquals("", ChildJvm.run(List.of(), List.of("-Xmx1g"), Once.class, base.toString()));
    }
}
