package espalier.engine.masked;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.adapt.LoraFactors;
import espalier.engine.adapt.LoraModule;
import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.gates.DeterministicMask;
import espalier.engine.gates.GateLayout;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.GateSettings.Enabling;
import espalier.engine.gates.GateSettings.HeadUnit;
import espalier.engine.gates.GateSparsity;
import espalier.engine.gates.GateTraining;
import espalier.engine.gates.HardConcrete;
import espalier.engine.gates.InitialGates;
import espalier.engine.gates.WidthRule;
import espalier.engine.model.Batch;
import espalier.engine.model.HostCopy;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Pass;
import espalier.engine.model.Site;
import espalier.engine.testing.RandomModel;
import espalier.engine.train.RunState;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.StoredType;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Whole runs of a small random model: what changes, what stays, and what a stop leaves (compresso.md §9, nuteprune.md
/// §10).
class MaskTrainingTest {
    @TempDir
    Path folder;

    private Ops ops;
    private ModelFolder base;

    @BeforeEach
    void open() throws IOException {
        ops = Backends.open(Backends.Choice.VECTOR, 2);
        try (RandomModel random = new RandomModel(Runs.SHAPE, 5)) {
            base = ModelFolder.open(random.write(folder.resolve("base"), StoredType.F32), ops);
        }
    }

    @AfterEach
    void close() {
        base.close();
        ops.close();
    }

    private MaskTraining.Trained run(MaskTraining.Request request, Remembered memory, SnapshotStore store)
            throws IOException {
        return MaskTraining.run(base, request, memory, store, memory);
    }

    private static double realised(MaskTraining.Trained trained) {
        return new GateSparsity(trained.layout())
                .realised(DeterministicMask.of(trained.layout(), trained.logAlpha(), WidthRule.FREE));
    }

    /// compresso.md check 6, l0-masks.md check 7.
    @Test
    void reachesItsTarget() throws IOException {
        for (MaskMethod method : List.of(new MaskMethod.Compresso(20), MaskMethod.NutePrune.RELEASED)) {
            Remembered memory = new Remembered();
            MaskTraining.Trained trained =
                    run(Runs.request(method, 0.4, 500, 200), memory, SnapshotStore.inMemory());
            assertEquals(0.4, new GateSparsity(trained.layout()).expected(trained.logAlpha()), 0.02);
            assertEquals(0.4, realised(trained), 0.03);
            for (double logAlpha : trained.logAlpha()) {
                assertTrue(logAlpha >= HardConcrete.MIN_LOG_ALPHA && logAlpha <= HardConcrete.MAX_LOG_ALPHA);
            }
        }
    }

    /// compresso.md check 5.
    @Test
    void stagesFollowEachOther() throws IOException {
        Remembered memory = new Remembered();
        run(Runs.request(new MaskMethod.Compresso(3), 0.3, 12, 5), memory, SnapshotStore.inMemory());
        List<String> stages = memory.lines.stream().map(line -> line.get("stage").textValue()).toList();
        assertEquals(
                List.of(
                        "adapters", "adapters", "adapters", "pruning", "pruning", "pruning", "pruning", "pruning",
                        "target", "target", "target", "target"),
                stages);
        assertFalse(memory.lines.get(2).has("expected_sparsity"), "no gates before they are on");
        assertEquals(0, memory.lines.get(3).get("wanted_sparsity").doubleValue());
        assertEquals(0.3, memory.lines.get(8).get("wanted_sparsity").doubleValue());
        assertEquals("adapters alone", memory.words.getFirst());
    }

    /// While adapters are trained alone gates stay as they began: the first step with masks finds the sparsity of a run
    /// that begins with it.
    @Test
    void adaptersAloneLeaveGates() throws IOException {
        Remembered after = new Remembered();
        run(Runs.request(new MaskMethod.Compresso(3), 0.3, 6, 1), after, SnapshotStore.inMemory());
        Remembered atOnce = new Remembered();
        run(Runs.request(new MaskMethod.Compresso(0), 0.3, 6, 1), atOnce, SnapshotStore.inMemory());
        assertEquals(
                atOnce.lines.getFirst().get("expected_sparsity").doubleValue(),
                after.lines.get(3).get("expected_sparsity").doubleValue());
    }

    /// nuteprune.md check 2 and 13; compresso.md check 3: the base is the base after any number of steps.
    @Test
    void theSharedModelStaysAsItIs() throws IOException {
        Batch batch = Batch.of(RandomModel.ids(Runs.SHAPE, 2, 9, 1));
        Pass plain = Pass.plain(Runs.SHAPE.layers().size());
        float[] before = HostCopy.logits(base.model(), batch, plain);
        String fingerprint = base.fingerprint();
        MaskTraining.Request request = Runs.nutePrune(0.3, 30, 10);
        MaskTraining.Trained trained = run(request, new Remembered(), SnapshotStore.inMemory());
        assertArrayEquals(before, HostCopy.logits(base.model(), batch, plain));
        assertEquals(fingerprint, base.fingerprint());
        LoraState initial = request.adapters().orElseThrow();
        LoraState adapters = trained.adapters().orElseThrow();
        for (int i = 0; i < initial.factors().size(); i++) {
            LoraFactors was = initial.factors().get(i);
            LoraFactors is = adapters.factors().get(i);
            assertEquals(was.module(), is.module());
            assertFalse(Arrays.equals(was.b(), is.b()), was.module().name() + " was not trained");
        }
    }

    @Test
    void masksAloneHaveNoAdapters() throws IOException {
        MaskTraining.Request request = Runs.masksOnly(Runs.nutePrune(0.4, 600, 150));
        MaskTraining.Trained trained = run(request, new Remembered(), SnapshotStore.inMemory());
        assertTrue(trained.adapters().isEmpty());
        assertEquals(0.4, new GateSparsity(trained.layout()).expected(trained.logAlpha()), 0.02);
        // Two groups of heads a layer: half of one is a tenth of its attention.
        assertEquals(0.4, realised(trained), 0.08);
    }

    /// Snapshots are taken as the sparsity rises, and teach when the student is ten of them further.
    @Test
    void snapshotsTeach() throws IOException {
        Remembered memory = new Remembered();
        SnapshotStore store = SnapshotStore.inMemory();
        MaskTraining.Trained trained = run(Runs.nutePrune(0.3, 400, 200), memory, store);
        assertTrue(trained.snapshots() >= 25, "snapshots: " + trained.snapshots());
        int highest = -1;
        for (ObjectNode line : memory.lines) {
            int teacher = line.get("teacher").intValue();
            highest = Math.max(highest, teacher);
            double student = line.get("expected_sparsity").doubleValue();
            if (student < 0.09) {
                assertEquals(-1, teacher, "intact at " + student);
            }
            if (teacher >= 0) {
                assertEquals(store.get(teacher).expected(), line.get("teacher_sparsity").doubleValue());
            }
        }
        assertTrue(highest >= 9, "the sparsest teacher was snapshot " + highest);
        assertEquals(-1, memory.lines.getLast().get("teacher").intValue(), "the whole model is the last teacher");
        Snapshot snapshot = store.get(4);
        assertEquals(0.05, snapshot.expected(), 0.01);
        assertEquals(snapshot.expected(), snapshot.realised(), 0.03);
        assertTrue(snapshot.adapters().isPresent());
    }

    /// nuteprune.md §5: a step whose loss is not finite changes neither gates, nor multipliers, nor snapshots.
    @Test
    void whatIsNotFiniteChangesNothing() throws IOException {
        SnapshotStore store = SnapshotStore.inMemory();
        SnapshotStore broken = new SnapshotStore() {
            @Override
            public void add(Snapshot snapshot) throws IOException {
                store.add(snapshot);
            }

            @Override
            public Snapshot get(int index) throws IOException {
                Snapshot snapshot = store.get(index);
                LoraState adapters = snapshot.adapters().orElseThrow();
                adapters.factors().forEach(factors -> Arrays.fill(factors.b(), Float.NaN));
                return snapshot;
            }
        };
        Remembered memory = new Remembered();
        assertThrows(ArithmeticException.class, () -> run(Runs.nutePrune(0.3, 400, 200), memory, broken));
        int done = memory.lines.size() - 10;
        assertTrue(memory.lines.get(done).has("skipped") && !memory.lines.get(done - 1).has("skipped"));
        assertEquals(done, Integer.parseInt(memory.state.value("gates.updates")));
        assertEquals(done + 10, memory.state.step());
        ObjectNode first = memory.lines.get(done);
        assertTrue(first.get("kl").isNull(), first.toString());
        for (String key : List.of("lambda1", "lambda2", "snapshots")) {
            assertEquals(memory.lines.get(done - 1).get(key), memory.lines.getLast().get(key), key);
        }
        assertEquals(first.get("expected_sparsity"), memory.lines.getLast().get("expected_sparsity"));
    }

    @Test
    void dropsOutBeforeWhatIsNotMasked() throws IOException {
        MaskTraining.Request request = Runs.nutePrune(0.3, 4, 1);
        LoraSettings lora = LoraSettings.of(4, 4, 0.1, Set.of(Site.Q_PROJ, Site.UP_PROJ));
        LoraState adapters = LoraState.initial(Runs.SHAPE, lora, 3);
        MaskTraining.Request dropping = Runs.with(request, Optional.of(adapters), request.initialGates());
        assertTrue(run(dropping, new Remembered(), SnapshotStore.inMemory()).outcome().isComplete());
    }

    /// A stop at any step, and going on, end at the same bits.
    @Test
    void goesOnAsIfItHadNeverStopped() throws IOException {
        for (MaskMethod method : List.of(new MaskMethod.Compresso(5), MaskMethod.NutePrune.RELEASED)) {
            MaskTraining.Request request = Runs.request(method, 0.25, 130, 100);
            MaskTraining.Trained expected = run(request, new Remembered(), SnapshotStore.inMemory());
            Remembered memory = new Remembered();
            SnapshotStore store = SnapshotStore.inMemory();
            for (long stop : new long[] {1, 3, 7, 64, 65, 101, 129}) {
                memory.stopAfter = stop;
                assertFalse(run(request, memory, store).outcome().isComplete());
                assertEquals(stop, memory.state.step());
            }
            memory.stopAfter = Long.MAX_VALUE;
            MaskTraining.Trained actual = run(request, memory, store);
            assertArrayEquals(expected.logAlpha(), actual.logAlpha());
            assertEquals(expected.snapshots(), actual.snapshots());
            for (int i = 0; i < expected.adapters().orElseThrow().factors().size(); i++) {
                assertArrayEquals(
                        expected.adapters().get().factors().get(i).b(), actual.adapters().get().factors().get(i).b());
            }
        }
    }

    /// Gates over layers that begin closed let a model stay dense until they open; then layers are told apart. Their
    /// log-alphas are in the state, so that a stop changes nothing.
    @ParameterizedTest
    @CsvSource({"LAYER, false", "LAYER, true", "ATTENTION_AND_MLP, false", "ATTENTION_AND_MLP, true"})
    void gatesOverLayersAreTrainedToo(Enabling enabling, boolean isOpen) throws IOException {
        GateSettings gates = new GateSettings(true, true, false, HeadUnit.GROUP, enabling, new LayerRange(0, 3));
        for (MaskMethod method : List.of(new MaskMethod.Compresso(5), MaskMethod.NutePrune.RELEASED)) {
            MaskTraining.Request plain = Runs.with(Runs.request(method, 0.3, 180, 90), gates);
            MaskTraining.Request request =
                    Runs.with(plain, plain.adapters(), new InitialGates(0.01, 0.01, isOpen));
            Remembered whole = new Remembered();
            MaskTraining.Trained expected = run(request, whole, SnapshotStore.inMemory());
            Remembered memory = new Remembered();
            SnapshotStore store = SnapshotStore.inMemory();
            for (long stop : new long[] {7, 100}) {
                memory.stopAfter = stop;
                assertFalse(run(request, memory, store).outcome().isComplete());
            }
            int units = 3 * (2 + 48);
            assertEquals(
                    units + 3 * (enabling == Enabling.LAYER ? 1 : 2),
                    RunState.Values.byName(memory.state.tensors()).get("gates.log_alpha").length);
            memory.stopAfter = Long.MAX_VALUE;
            assertArrayEquals(expected.logAlpha(), run(request, memory, store).logAlpha());
            int first = (int) method.stepsWithoutMasks();
            double early = whole.lines.get(first + 20).get("expected_sparsity").doubleValue();
            assertEquals(isOpen, early > 0, "sparsity after 20 steps: " + early);
            double reached = new GateSparsity(expected.layout()).expected(expected.logAlpha());
            assertTrue(reached > 0.1, "gates have opened, and units left: " + reached);
            // Two groups of heads a layer: half of one is a tenth of its attention.
            assertEquals(reached, realised(expected), 0.08);
        }
    }

    /// What a run cannot go on from is refused before its directory says that it does.
    @Test
    void refusesStatesOfOtherRuns() throws IOException {
        Remembered memory = new Remembered();
        memory.stopAfter = 200;
        MaskTraining.Request request = Runs.nutePrune(0.3, 300, 150);
        run(request, memory, SnapshotStore.inMemory());
        MaskTraining.check(Runs.SHAPE, request, memory.state);
        String snapshots = memory.state.value("teachers.snapshots");
        assertTrue(Integer.parseInt(snapshots) > 9, "snapshots: " + snapshots);
        assertRefused(Runs.nutePrune(0.1, 300, 150), memory.state, "the state has " + snapshots + " snapshots");
        assertRefused(request, without(memory.state, "v.gates.multipliers"),
                "the saved state has no tensor v.gates.multipliers");
        Remembered other = new Remembered();
        other.stopAfter = 3;
        run(Runs.request(new MaskMethod.Compresso(1), 0.3, 10, 5), other, SnapshotStore.inMemory());
        assertRefused(request, other.state, "the saved state has no value teachers.snapshots");
    }

    private static RunState without(RunState state, String tensor) {
        return new RunState(state.step(), state.values(), state.tensors().stream()
                .filter(values -> !values.name().equals(tensor))
                .toList());
    }

    private static void assertRefused(MaskTraining.Request request, RunState state, String begins) {
        String message = assertThrows(
                        IllegalArgumentException.class, () -> MaskTraining.check(Runs.SHAPE, request, state))
                .getMessage();
        assertTrue(message.startsWith(begins), message);
    }

    /// compresso.md check 12: adapters, gates and two multipliers of LLaMA-7B.
    @Test
    void trainsAsManyValuesAsTheRelease() {
        ModelShape llama = new ModelShape(
                32_000, 4096, Collections.nCopies(32, LayerShape.uniform(32, 32, 128, 11_008)), false,
                ModelShape.Biases.NONE, 1e-6, 10_000, 2048);
        LoraSettings settings = LoraSettings.of(8, 8, 0, Runs.LORA.targets());
        long adapters = settings.modules(llama).stream().mapToLong(LoraModule::parameters).sum();
        GateLayout layout = new GateLayout(llama, GateSettings.standard(32));
        GateTraining gates = new GateTraining(
                layout, InitialGates.RELEASED, Runs.nutePrune(0.5, 100, 50).gateTraining());
        assertEquals(4_194_304, adapters);
        assertEquals(357_376, gates.size());
        assertEquals(2, gates.state().multipliers().values().length);
    }

    @Test
    void seedsDecide() throws IOException {
        MaskTraining.Request request = Runs.nutePrune(0.3, 60, 30);
        double[] first = run(request, new Remembered(), SnapshotStore.inMemory()).logAlpha();
        assertArrayEquals(first, run(request, new Remembered(), SnapshotStore.inMemory()).logAlpha());
        MaskTraining.Request other = Runs.withSeed(request, 8);
        assertNotEquals(first[0], run(other, new Remembered(), SnapshotStore.inMemory()).logAlpha()[0]);
    }

    @Test
    void refusesWhatCannotBe() {
        assertMessage(
                "target sparsity is 0.9999, but these gates reach 0 to 0.99",
                Runs.nutePrune(0.9999, 100, 50));
        assertMessage(
                "the run has 100 steps, of which 0 train no masks and in 100 the wanted sparsity rises: none is left",
                Runs.nutePrune(0.3, 100, 100));
        assertMessage(
                "the first 5 steps train adapters alone, but there are none",
                Runs.masksOnly(Runs.request(new MaskMethod.Compresso(5), 0.3, 100, 50)));
    }

    @Test
    void dropoutBeforeColumnsThatMoveIsRefused() {
        MaskTraining.Request request = Runs.nutePrune(0.3, 100, 50);
        LoraSettings all = LoraSettings.of(4, 4, 0.1, LoraSettings.ALL_LINEAR);
        LoraState adapters = LoraState.initial(Runs.SHAPE, all, 3);
        assertMessage(
                "adapters of o_proj are trained beside masks without dropout only, got lora dropout 0.1",
                Runs.with(request, Optional.of(adapters), request.initialGates()));
    }

    /// A state of other gates is refused before anything is changed.
    @Test
    void aStateOfOtherGatesIsRefused() throws IOException {
        MaskTraining.Request request = Runs.nutePrune(0.3, 6, 2);
        Remembered memory = new Remembered();
        run(request, memory, SnapshotStore.inMemory());
        MaskTraining.check(Runs.SHAPE, request, memory.state);
        GateSettings fewer = new GateSettings(
                true, true, false, GateSettings.HeadUnit.GROUP, GateSettings.Enabling.NONE, new LayerRange(0, 3));
        String message = assertThrows(
                        IllegalArgumentException.class,
                        () -> MaskTraining.check(Runs.SHAPE, Runs.with(request, fewer), memory.state))
                .getMessage();
        assertEquals("tensor gates.log_alpha of the saved state has 182 values, expected 150", message);
    }

    private void assertMessage(String begins, MaskTraining.Request request) {
        String message = assertThrows(
                        IllegalArgumentException.class,
                        () -> run(request, new Remembered(), SnapshotStore.inMemory()))
                .getMessage();
        assertTrue(message.startsWith(begins), message);
    }
}
