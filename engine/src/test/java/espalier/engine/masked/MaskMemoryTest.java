package espalier.engine.masked;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.adapt.LoraWeights;
import espalier.engine.gates.GateLayout;
import espalier.engine.gates.GateSample;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.GateTraining;
import espalier.engine.gates.InitialGates;
import espalier.engine.gates.MaskValues;
import espalier.engine.gates.SparsitySchedule;
import espalier.engine.gates.WidthRule;
import espalier.engine.model.Adapters;
import espalier.engine.model.Batch;
import espalier.engine.model.Gates;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.LiveModel;
import espalier.engine.model.LivePass;
import espalier.engine.model.MemoryPlan;
import espalier.engine.model.Model;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Pass;
import espalier.engine.model.StateGradients;
import espalier.engine.model.StepPlan;
import espalier.engine.model.WeightGradients;
import espalier.engine.model.Workload;
import espalier.engine.testing.HighestMark;
import espalier.engine.testing.InterceptedOps;
import espalier.engine.testing.RandomModel;
import espalier.engine.train.AdamW;
import espalier.engine.train.Example;
import espalier.engine.train.Examples;
import espalier.engine.train.LearningRate;
import espalier.engine.train.TrainingSettings;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What is planned for a run against what its parts hold.
class MaskMemoryTest {
    private static final int SEQUENCES = 2;
    private static final int TOKENS = 17;
    private static final ModelShape SHAPE = new ModelShape(
            70, 48,
            List.of(LayerShape.uniform(8, 4, 8, 300), LayerShape.uniform(16, 16, 8, 500),
                    LayerShape.uniform(8, 4, 8, 120)),
            false, new ModelShape.Biases(true, true, true), 1e-5, 10_000, 64);
    private static final LoraSettings LORA = LoraSettings.of(40, 8, 0, LoraSettings.ALL_LINEAR);
    private static final GateSettings GATES = GateSettings.standard(3);

    private final Ops ops = Backends.open(Backends.Choice.VECTOR, 2);

    @AfterEach
    void close() {
        ops.close();
    }

    private static MaskMemory memory(Optional<LoraSettings> lora, boolean hasTeacher) {
        return new MaskMemory(SHAPE, weightBytes(), GATES, lora, hasTeacher);
    }

    private static long weightBytes() {
        try (RandomModel random = new RandomModel(SHAPE, 3)) {
            return random.values().values().stream().mapToLong(values -> 4L * values.length).sum();
        }
    }

    /// A mask with a share of zeros in every family.
    private static MaskValues mask(double zeros, long seed) {
        Philox random = new Philox(seed, 0);
        List<float[]> heads = new ArrayList<>();
        List<float[]> ffn = new ArrayList<>();
        for (LayerShape layer : SHAPE.layers()) {
            heads.add(values(layer.heads(), zeros, random, 1000L * heads.size()));
            ffn.add(values(layer.ffn(), zeros, random, 1000L * heads.size() + 100_000));
        }
        return new MaskValues(heads, ffn, values(SHAPE.hidden(), zeros, random, 200_000));
    }

    private static float[] values(int n, double zeros, Philox random, long first) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = random.uniform(first + i) < zeros ? 0 : 0.75f;
        }
        return values;
    }

    /// Teacher and student of a step, each narrowed, in the block of memory that is planned for them.
    @ParameterizedTest
    @CsvSource({"true, true", "true, false", "false, true", "false, false"})
    void aStepStaysInItsBlock(boolean hasAdapters, boolean hasTeacher) {
        Optional<LoraSettings> lora = hasAdapters ? Optional.of(LORA) : Optional.empty();
        Workload work = memory(lora, hasTeacher).workload(SEQUENCES, SEQUENCES, TOKENS);
        for (Keep keep : List.of(Keep.LAYER_INPUTS, Keep.lastLayers(1), Keep.ACTIVATIONS)) {
            // Narrow passes leave the most unused; those that are nearly whole come close.
            for (double zeros : new double[] {0, 0.06, 0.5}) {
                try (RandomModel random = new RandomModel(SHAPE, 3);
                        Model model = Model.load(random, SHAPE, ops);
                        LiveModel live = new LiveModel(model);
                        HighestMark ws = new HighestMark(work.workspace(keep, ops))) {
                    long held = ws.heldBytes();
                    step(live, work, lora, keep, mask(zeros, 5), ws);
                    assertEquals(held, ws.heldBytes(), "nothing is taken beyond the block");
                    Map<String, Long> parts = MemoryPlan.training(work, keep, false).parts();
                    long planned = parts.get("activations") + parts.get("temporaries");
                    assertTrue(ws.bytes() <= planned, "%,d of %,d".formatted(ws.bytes(), planned));
                    assertTrue(zeros != 0.06 || ws.bytes() > 0.8 * planned,
                            "%,d of %,d".formatted(ws.bytes(), planned));
                }
            }
        }
    }

    private void step(
            LiveModel live, Workload work, Optional<LoraSettings> lora, Keep keep, MaskValues mask, Workspace ws) {
        Batch batch = Batch.of(RandomModel.ids(SHAPE, SEQUENCES, TOKENS, 1));
        Optional<LoraState> state = lora.map(settings -> LoraState.initial(SHAPE, settings, 1));
        Optional<LoraWeights> frozen = state.map(values -> LoraWeights.frozen(values, ops));
        Optional<LoraWeights> trained = state.map(values -> LoraWeights.trained(values, ops));
        try (Workspace memory = ops.newWorkspace()) {
            Hidden taught = null;
            if (work.hasTeacher()) {
                Gates gates = UploadedMasks.upload(mask, SHAPE, ops, memory);
                Adapters adapters = frozen.map(LoraWeights::adapters).orElse(Adapters.NONE);
                LivePass role = live.begin(Pass.frozen(gates, adapters), ws);
                taught = live.model().forward(batch, role.pass(), Keep.LAYER_INPUTS, ws);
            }
            Gates gates = UploadedMasks.upload(mask, SHAPE, ops, ws);
            Adapters adapters = trained.map(LoraWeights::adapters).orElse(Adapters.NONE);
            LivePass role = live.begin(
                    new Pass(gates, UploadedMasks.zerosLike(gates, ws), adapters, WeightGradients.NONE), ws);
            Hidden student = live.model().forward(batch, role.pass(), keep, ws);
            Tensor dNormed = ws.take(batch.tokens(), SHAPE.hidden());
            if (work.hasTeacher()) {
                live.model().lmHead().distill(dNormed, student, taught, 1, 1, ws);
            } else {
                live.model().lmHead().lossBackward(dNormed, student, batch.nextTokens(), 1, ws);
            }
            live.model().backward(student, dNormed, StateGradients.NONE, role.pass(), ws);
            role.scatterGradients();
        } finally {
            frozen.ifPresent(LoraWeights::close);
            trained.ifPresent(LoraWeights::close);
        }
    }

    /// Widths that change with every pass do not make the copies grow.
    @Test
    void theCopiesOfALayerStayInTheirBlock() {
        List<Long> held = new ArrayList<>();
        Ops watched = InterceptedOps.of(ops, matrix -> matrix, workspace -> held.add(workspace.heldBytes()));
        try (RandomModel random = new RandomModel(wide(), 3);
                Model model = Model.load(random, wide(), watched);
                Workspace ws = ops.newWorkspace()) {
            LiveModel live = new LiveModel(model);
            for (int pass = 0; pass < 30; pass++) {
                long mark = ws.mark();
                float[] ffn = new float[6000];
                Arrays.fill(ffn, 0, 3000 + 90 * pass, 1);
                MaskValues mask = new MaskValues(List.of(), List.of(ffn), new float[0]);
                Gates gates = UploadedMasks.upload(mask, wide(), ops, ws);
                LivePass role = live.begin(Pass.frozen(gates, Adapters.NONE), ws);
                live.model().forward(Batch.of(new int[] {1, 2}), role.pass(), Keep.NOTHING, ws);
                ws.release(mark);
            }
            held.clear();
            live.close();
            long bytes = random.values().values().stream().mapToLong(values -> 4L * values.length).sum();
            long planned = new MaskMemory(wide(), bytes, GateSettings.standard(1), Optional.empty(), false)
                    .workload(1, 1, 2)
                    .others()
                    .get("live_layer");
            long copies = held.getLast();
            assertTrue(copies <= planned, "%,d of %,d".formatted(copies, planned));
            assertTrue(copies > 0.95 * planned, "%,d of %,d".formatted(copies, planned));
        }
    }

    private static ModelShape wide() {
        return new ModelShape(
                9, 64, List.of(LayerShape.uniform(4, 4, 16, 6000)), true, ModelShape.Biases.NONE, 1e-5, 10_000, 64);
    }

    @Test
    void aTeacherIsHeldOnceAndIsOnTheHostMeanwhile() {
        long planned = memory(Optional.of(LORA), true).workload(8, 2, TOKENS).others().get("teacher");
        LoraState state = LoraState.initial(SHAPE, LORA, 1);
        MaskValues mask = mask(0.3, 1);
        long host = 4 * (state.parameters() + new GateLayout(SHAPE, GATES).size());
        try (Workspace memory = ops.newWorkspace(); LoraWeights adapters = LoraWeights.frozen(state, ops)) {
            UploadedMasks.upload(mask, SHAPE, ops, memory);
            long held = memory.heldBytes() + adapters.heldBytes() + 2 * host;
            assertTrue(held <= planned, "%,d of %,d".formatted(held, planned));
            assertTrue(planned <= 2 * held, "%,d of %,d".formatted(held, planned));
        }
        assertFalse(memory(Optional.of(LORA), false).workload(8, 2, TOKENS).others().containsKey("teacher"));
    }

    /// What the gates of a step allocate on the heap, garbage included.
    @Test
    void theHostsPartOfAGate() {
        ModelShape shape = new ModelShape(
                70, 4096, List.of(LayerShape.uniform(32, 32, 4, 60_000)), false, ModelShape.Biases.NONE, 1e-5,
                10_000, 64);
        GateSettings settings = GateSettings.standard(1);
        GateLayout layout = new GateLayout(shape, settings);
        long planned = new MaskMemory(shape, 1000, settings, Optional.empty(), false)
                .workload(1, 1, 8)
                .others()
                .get("gates");
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long least = Long.MAX_VALUE;
        for (int i = 0; i < 3; i++) {
            long before = threads.getCurrentThreadAllocatedBytes();
            GateTraining training = new GateTraining(layout, InitialGates.RELEASED, new GateTraining.Settings(
                    1, new SparsitySchedule(0.5, 10, SparsitySchedule.Shape.LINEAR), GateTraining.Rates.RELEASED));
            GateSample sample = training.sample(0, 0);
            double[] gradient = sample.gradient(sample.mask().values());
            training.sparsity().realised(training.deterministic(WidthRule.FREE));
            training.step(gradient, training.penalty(0));
            least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
        }
        double ofGate = (double) least / layout.size();
        assertTrue(least <= planned, "%.0f bytes a gate, planned are %,d for all".formatted(ofGate, planned));
        assertTrue(planned <= 2 * least, "%.0f bytes a gate, planned are %,d for all".formatted(ofGate, planned));
    }

    /// Gates are gradients in the tree of micro-batches, as adapters are.
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 5, 16})
    void theTreeOfGradientsHasTheGatesToo(int parts) {
        long trained = memory(Optional.of(LORA), false).workload(parts, 1, TOKENS).others().get("trained");
        long elements = LoraState.initial(SHAPE, LORA, 1).parameters() + new GateLayout(SHAPE, GATES).size();
        int levels = 32 - Integer.numberOfLeadingZeros(parts);
        assertEquals(4 * elements * (9 + levels), trained);
    }

    /// A request says the same as its numbers, but for its data.
    @Test
    void ofARequest() {
        Examples examples = new Examples(List.of(new Example(new int[TOKENS], 1)));
        MaskTraining.Request request = new MaskTraining.Request(
                MaskMethod.NutePrune.RELEASED, GATES, InitialGates.RELEASED,
                new SparsitySchedule(0.5, 10, SparsitySchedule.Shape.LINEAR), GateTraining.Rates.RELEASED,
                Optional.of(LoraState.initial(SHAPE, LORA, 1)), new TrainingSettings(20, 4, 2, 1, 1, 10, 10),
                new LearningRate(1e-3, LearningRate.Shape.CONSTANT, 0, 20), AdamW.Settings.DEFAULT, examples, examples,
                1L << 40);
        Workload numbers = memory(Optional.of(LORA), true).workload(4, 2, TOKENS);
        Workload work = MaskMemory.workload(SHAPE, weightBytes(), request);
        assertEquals(2L * (48 + 4 * TOKENS), work.others().get("data"));
        assertEquals(StepPlan.smallest(numbers).total() + work.others().get("data"), StepPlan.smallest(work).total());
        assertEquals(numbers.adapters(), work.adapters());
        assertTrue(work.hasGates() && work.hasTeacher());
    }
}
