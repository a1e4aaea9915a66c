package espalier.engine.train;

import static org.junit.jupiter.api.Assertions.assertEquals;

import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.adapt.LoraWeights;
import espalier.engine.model.AdapterDropout;
import espalier.engine.model.Gates;
import espalier.engine.model.Keep;
import espalier.engine.model.Model;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Parameter;
import espalier.engine.model.Pass;
import espalier.engine.model.WeightGradients;
import espalier.engine.testing.AllocationMeter;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.testing.ChildJvm;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A training step that is warm allocates nothing that grows with the width of the model, the vocabulary or the weights,
/// on the heap or off it: only records of its calls, and small arrays for each token.
class StepAllocationTest {
    private static final int LAYERS = 2;
    private static final int HIDDEN = 128;
    private static final ModelShape SHAPE = new ModelShape(
            1000, HIDDEN, Collections.nCopies(LAYERS, LayerShape.uniform(4, 2, 32, 256)), true,
            ModelShape.Biases.NONE, 1e-5, 10_000, 256);
    private static final LoraSettings LORA = LoraSettings.of(4, 8, 0.25, LoraSettings.ALL_LINEAR);
    private static final int SEQUENCES = 4;

    /// What a step may allocate whatever its size: arguments and bodies of about 600 calls of kernels, and the line of
    /// metrics; measured 142,000.
    private static final long OF_A_STEP = 200_000;
    /// And for each token: ids, positions, targets, rows of dropout, losses, and attention's blocks of query vectors.
    /// Measured 2,400. One boxed vector in each pass over a row of any kernel would add at least 80 for each of the
    /// row's 8 registers.
    private static final long OF_A_TOKEN = 2_900;

    /// Prints what is wrong. In a process of its own: where scalar kernels, other widths and odd shapes ran before, the
    /// compiler may box vectors of a kernel that it compiles after them.
    static final class Once {
        private Once() {}

        /// @param arguments tokens of a sequence
        public static void main(String[] arguments) throws IOException {
            int tokens = Integer.parseInt(arguments[0]);
            try (Ops ops = Backends.open(Backends.Choice.VECTOR, 2);
                    RandomModel random = new RandomModel(SHAPE, 5);
                    Model model = Model.load(random, SHAPE, ops);
                    LoraWeights adapters = LoraWeights.trained(LoraState.initial(SHAPE, LORA, 3), ops)) {
                train(model, adapters, tokens).printExcess(OF_A_STEP + OF_A_TOKEN * SEQUENCES * tokens);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"64", "256"})
    void aWarmStepAllocatesOnlySmallRecords(String tokens) throws IOException, InterruptedException {
        assertEquals("", ChildJvm.run(List.of(), List.of("-Xmx1g"), Once.class, tokens));
    }

    private static AllocationMeter train(Model model, LoraWeights adapters, int tokens) throws IOException {
        List<Example> examples = new ArrayList<>();
        for (int[] ids : RandomModel.ids(SHAPE, SEQUENCES, tokens, 9)) {
            examples.add(new Example(ids, tokens / 4));
        }
        long steps = AllocationMeter.STEPS;
        TrainingSettings settings = new TrainingSettings(steps, SEQUENCES, SEQUENCES / 2, 7, 1, steps + 1, steps + 1);
        LearningRate rate = new LearningRate(1e-3, LearningRate.Shape.CONSTANT, 0, steps);
        Ops ops = model.ops();
        try (NextTokenLoss loss = new NextTokenLoss(model, role(adapters), Keep.lastLayers(1), ops.newWorkspace());
                AdamW optimiser = new AdamW(
                        List.of(new AdamW.Group(adapters.parameters(), AdamW.Settings.DEFAULT, rate)), ops)) {
            AllocationMeter meter = new AllocationMeter(() -> loss.heldBytes() + optimiser.heldBytes());
            try (Trainer trainer = new Trainer(loss, optimiser, settings, new Examples(examples),
                    new Examples(List.of()), "", RunRecord.NONE, meter, ops)) {
                trainer.run();
            }
            return meter;
        }
    }

    private static NextTokenLoss.Role role(LoraWeights adapters) {
        return new NextTokenLoss.Role() {
            @Override
            public List<Parameter> parameters() {
                return adapters.parameters();
            }

            @Override
            public Pass training(long step, int firstRow) {
                Gates open = Gates.open(LAYERS);
                return new Pass(open, open, adapters.adapters(), WeightGradients.NONE)
                        .withDropout(new AdapterDropout(LORA.dropout(), 7, step, firstRow));
            }

            @Override
            public Pass evaluation() {
                return Pass.frozen(Gates.open(LAYERS), adapters.frozenAdapters());
            }
        };
    }
}
