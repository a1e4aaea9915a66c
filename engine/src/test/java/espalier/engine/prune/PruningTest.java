package espalier.engine.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.Progress;
import espalier.engine.model.Architecture;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.ModelSize;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.SafetensorsFile;
import espalier.engine.weights.StoredType;
import espalier.kernels.Backends;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The one entry: what it does in which order, what it tells, and what it refuses.
class PruningTest {
    private static final LayerShape LAYER = LayerShape.uniform(8, 4, 4, 24);
    private static final ModelShape SHAPE = new ModelShape(
            19, 16, List.of(LAYER, LAYER, LAYER), false, ModelShape.Biases.NONE, 1e-5, 10_000, 64);
    private static final LayerRange LAYERS = new LayerRange(0, 3);
    private static final Selection LOCAL = new Selection.Local(LAYERS, LAYERS, 1);
    private static final long PLENTY = 1L << 40;

    @TempDir
    Path temporary;

    private Path source;
    private Path out;
    private final Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
    private final List<String> told = new ArrayList<>();
    private final Map<String, Double> last = new HashMap<>();

    @BeforeEach
    void write() throws IOException {
        source = temporary.resolve("source");
        out = temporary.resolve("out");
        try (RandomModel random = new RandomModel(SHAPE, 7)) {
            random.write(source, StoredType.F32);
        }
    }

    @AfterEach
    void close() {
        ops.close();
    }

    /// Notes each stage, and the last that was said of it.
    private final class Watch implements PruningWatch {
        @Override
        public Progress checking() {
            return stage("checking");
        }

        @Override
        public Progress scoring() {
            return stage("scoring");
        }

        private Progress stage(String name) {
            told.add(name);
            return (done, total) -> last.put(name, (double) done / total);
        }

        @Override
        public void chosen(List<Notice> notices) {
            told.add("chosen " + notices.size());
            assertFalse(Files.exists(out));
        }
    }

    private Pruned run(PruningMethod method) throws IOException {
        return run(method, PLENTY);
    }

    private Pruned run(PruningMethod method, long memory) throws IOException {
        try (ModelFolder base = ModelFolder.open(source, ops)) {
            Pruning.Request request = new Pruning.Request(
                    out, Optional.of(DType.BF16), CheckpointWriter.Options.DEFAULT, memory);
            return Pruning.run(base, method, request, new Watch());
        }
    }

    private static LlmPruner.Settings settings(Importance importance, Selection selection, int steps) {
        return new LlmPruner.Settings(
                new UnitScorer.Settings(importance, importance.defaultReduction(), GqaFold.BY_GROUP),
                selection,
                new SizeTarget.GroupRatio(0.5),
                steps,
                42);
    }

    private static PruningMethod taylor(Optional<Path> scores, int steps) {
        return new PruningMethod.ByGroups(
                settings(Importance.PARAM_FIRST, LOCAL, steps),
                Optional.of(new PruningMethod.Samples(
                        2, 7, step -> RandomModel.ids(SHAPE, 2, 7, step), Map.of("from", "a test"))),
                scores);
    }

    private static PruningMethod without(Importance importance, Selection selection) {
        return new PruningMethod.ByGroups(settings(importance, selection, 1), Optional.empty(), Optional.empty());
    }

    private Map<String, String> planSettings() throws IOException {
        return metadata(out.resolve(PlanFile.NAME));
    }

    private static Map<String, String> metadata(Path file) throws IOException {
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            return Map.copyOf(open.metadata());
        }
    }

    private static void assertResultIsAsTold(Pruned pruned, Ops ops) throws IOException {
        assertEquals(ModelSize.of(Architecture.LLAMA, SHAPE), pruned.before());
        try (ModelFolder result = ModelFolder.open(pruned.folder(), ops)) {
            assertEquals(pruned.plan().resultShape(), result.model().shape());
            assertEquals(ModelSize.of(Architecture.LLAMA, result.model().shape()), pruned.after());
            assertEquals(result.checkpoint().bytes(), pruned.written().bytes());
            assertEquals(2 * pruned.after().parameters(), pruned.written().bytes());
        }
        assertTrue(pruned.written().maskedDifference() <= Compaction.TOLERANCE);
    }

    @Test
    void unitsLeaveByTheirScores() throws IOException {
        Pruned pruned = run(taylor(Optional.empty(), 2));
        assertResultIsAsTold(pruned, ops);
        assertEquals(List.of("checking", "scoring", "chosen 0"), told);
        // Said when a layer begins: of 2 steps with 3 layers, 5 are done when the last one does.
        assertEquals(Map.of("checking", 1.0, "scoring", 5 / 6.0), last);
        assertEquals(LayerShape.uniform(4, 2, 4, 12), pruned.plan().resultShape().layers().get(1));
        assertEquals(0.5, pruned.reached().orElseThrow().ratio());
        assertEquals(0.5, pruned.prunableRemoved(), 1e-12);
        assertTrue(pruned.totalRemoved() > 0.3 && pruned.totalRemoved() < 0.5, "removed " + pruned.totalRemoved());
        assertTrue(pruned.loss() > 1, "loss " + pruned.loss());
        assertEquals(
                Map.ofEntries(
                        Map.entry("method", "llm-pruner"), Map.entry("mode", "block"), Map.entry("ranking", "local"),
                        Map.entry("importance", "param_first"), Map.entry("reduction", "sum"),
                        Map.entry("gqa_fold", "by_group"), Map.entry("samples", "2"), Map.entry("tokens", "7"),
                        Map.entry("from", "a test"), Map.entry("iterative_steps", "2"),
                        Map.entry("group_ratio", "0.5"), Map.entry("selection", LOCAL.toString())),
                planSettings());
    }

    @Test
    void theChoiceIsThatOfTheMethodAlone() throws IOException {
        Pruned pruned = run(taylor(Optional.empty(), 1));
        try (ModelFolder base = ModelFolder.open(source, ops)) {
            LlmPruner.Chosen chosen = LlmPruner.choose(
                    base, settings(Importance.PARAM_FIRST, LOCAL, 1),
                    step -> RandomModel.ids(SHAPE, 2, 7, step), Optional.empty(), Long.MAX_VALUE, Progress.NONE);
            assertEquals(chosen.plan(), pruned.plan());
            assertEquals(chosen.loss(), pruned.loss());
        }
    }

    @Test
    void magnitudesAndRandomNumbersNeedNoSamples() throws IOException {
        Pruned pruned = run(without(Importance.RANDOM, new Selection.Channels(NormRule.EXACT)));
        assertResultIsAsTold(pruned, ops);
        assertEquals(Double.NaN, pruned.loss());
        Map<String, String> settings = planSettings();
        assertEquals("channel", settings.get("mode"));
        assertEquals("42", settings.get("seed"));
        assertFalse(settings.containsKey("samples"), settings.toString());

        out = temporary.resolve("second");
        assertResultIsAsTold(run(without(Importance.L1, new Selection.Global(LAYERS, LAYERS, 1))), ops);
        settings = planSettings();
        assertEquals("global", settings.get("ranking"));
        assertEquals("block", settings.get("mode"));
        assertFalse(settings.containsKey("seed"), settings.toString());
    }

    @Test
    void theFirstLayersStay() throws IOException {
        Pruned pruned = run(new PruningMethod.FirstLayers(2));
        assertResultIsAsTold(pruned, ops);
        assertEquals(List.of("checking", "chosen 0"), told);
        assertEquals(Map.of("checking", 1.0), last);
        assertArrayEquals(new int[] {0, 1}, pruned.plan().keptLayers());
        assertEquals(Optional.empty(), pruned.reached());
        assertEquals(Double.NaN, pruned.loss());
        assertEquals(Map.of("method", "llm-pruner", "mode", "layer", "keep_layers", "2"), planSettings());
    }

    @Test
    void scoresAreKeptWithWhatTheyDependOn() throws IOException {
        Path scores = temporary.resolve("scores.safetensors");
        Pruned computed = run(taylor(Optional.of(scores), 1));
        Map<String, String> settings = metadata(scores);
        assertEquals("in layers", settings.get("units"));
        assertTrue(settings.get("model").matches("[0-9a-f]{16,}"), settings.toString());
        assertTrue(settings.get("calibration_ids").matches("[0-9a-f]{64}"), settings.toString());
        assertEquals("a test", settings.get("from"));
        assertFalse(settings.containsKey("iterative_steps"), settings.toString());
        out = temporary.resolve("again");
        Pruned read = run(taylor(Optional.of(scores), 1));
        assertEquals(computed.plan(), read.plan());
        assertEquals(Double.NaN, read.loss());
    }

    @Test
    void tooLittleMemoryIsRefusedBeforeAnythingIsRead() throws IOException {
        for (PruningMethod method : List.of(taylor(Optional.empty(), 1), new PruningMethod.FirstLayers(2))) {
            var e = assertThrows(IllegalArgumentException.class, () -> run(method, 1000));
            assertTrue(e.getMessage().matches("not enough memory: the run needs .*, available are 1,000"),
                    e.getMessage());
        }
        assertEquals(List.of(), told);
        assertFalse(Files.exists(out));
    }

    @Test
    void anExistingTargetIsRefusedBeforeAnythingIsRead() throws IOException {
        Files.createDirectory(out);
        assertThrows(FileAlreadyExistsException.class, () -> run(new PruningMethod.FirstLayers(2)));
        assertEquals(List.of(), told);
    }

    @Test
    void moreLayersThanThereAre() throws IOException {
        assertThrows(IllegalArgumentException.class, () -> run(new PruningMethod.FirstLayers(4)));
        assertEquals(List.of(), told);
        var e = assertThrows(IllegalArgumentException.class, () -> new PruningMethod.FirstLayers(0));
        assertEquals("kept layers must be positive, got 0", e.getMessage());
    }

    @Test
    void aMethodThatDoesNotFitTheModelIsRefusedBeforeAnythingIsRead() throws IOException {
        var named = new UnitScorer.Settings(Importance.L1, Reduction.parse("o_proj"), GqaFold.BY_GROUP);
        LlmPruner.Settings settings =
                new LlmPruner.Settings(named, LOCAL, new SizeTarget.GroupRatio(0.5), 1, 42);
        assertRefused(
                settings,
                "reduction o_proj names 0 of the matrices of the FFN channels of layer 0 (gate_proj, up_proj,"
                        + " down_proj), not one");
        ModelShape unequal = new ModelShape(
                19, 16, List.of(LAYER, new LayerShape(new int[] {1, 2}, 4, 24)), false, ModelShape.Biases.NONE, 1e-5,
                10_000, 64);
        try (RandomModel random = new RandomModel(unequal, 7)) {
            source = random.write(temporary.resolve("unequal"), StoredType.F32);
        }
        LayerRange both = new LayerRange(0, 2);
        var released = new UnitScorer.Settings(Importance.L1, Reduction.Stacked.SUM, GqaFold.RELEASED);
        assertRefused(
                new LlmPruner.Settings(
                        released, new Selection.Local(both, both, 1), new SizeTarget.GroupRatio(0.5), 1, 42),
                "the released fold needs equal query groups, which the key/value groups of layer 1 are not");
        assertRefused(
                settings(Importance.L1, new Selection.Uniform(1), 1),
                "uniform pruning needs equal layers with equal query groups; layer 1 is " + unequal.layers().get(1)
                        + ", layer 0 is " + LAYER);
        assertEquals(List.of(), told);
        assertFalse(Files.exists(out));
    }

    private void assertRefused(LlmPruner.Settings settings, String message) {
        var method = new PruningMethod.ByGroups(settings, Optional.empty(), Optional.empty());
        assertEquals(message, assertThrows(IllegalArgumentException.class, () -> run(method)).getMessage());
    }

    @Test
    void aScoreBeyondTheRangeOfItsTypeIsNamed() throws IOException {
        try (RandomModel random = new RandomModel(SHAPE, 7)) {
            random.values().get("model.layers.1.mlp.up_proj.weight")[0] = 1e30f;
            source = random.write(temporary.resolve("huge"), StoredType.F32);
        }
        var e = assertThrows(ArithmeticException.class, () -> run(without(Importance.L2, LOCAL)));
        assertTrue(e.getMessage().matches("(the )?score of (unit|channel) 0.* of the FFN channels of layer 1.* is .*"),
                e.getMessage());
    }

    @Test
    void weightsAreCheckedBeforeUnitsAreScored() throws IOException {
        try (RandomModel random = new RandomModel(SHAPE, 7)) {
            random.values().get("model.layers.1.mlp.up_proj.weight")[5] = Float.NaN;
            source = random.write(temporary.resolve("nan"), StoredType.F32);
        }
        var e = assertThrows(CheckpointException.class, () -> run(taylor(Optional.empty(), 1)));
        assertEquals(source.resolve("model.safetensors") + ": tensor model.layers.1.mlp.up_proj.weight [24, 16] has NaN"
                + " at flat index 5, expected finite weights", e.getMessage());
        assertEquals(List.of("checking"), told);
        assertFalse(Files.exists(out));
    }

    @Test
    void samplesAreThereIfTheyAreNeeded() {
        var e = assertThrows(IllegalArgumentException.class, () -> without(Importance.PARAM_FIRST, LOCAL));
        assertEquals("importance param_first needs calibration samples, got none", e.getMessage());
        PruningMethod.Samples samples = new PruningMethod.Samples(1, 2, step -> new int[1][2], Map.of());
        e = assertThrows(IllegalArgumentException.class, () -> new PruningMethod.ByGroups(
                settings(Importance.L2, LOCAL, 1), Optional.of(samples), Optional.empty()));
        assertEquals("importance l2 takes no calibration samples, got some", e.getMessage());
        e = assertThrows(IllegalArgumentException.class,
                () -> new PruningMethod.Samples(0, 2, step -> new int[0][], Map.of()));
        assertEquals("samples must be positive, got 0", e.getMessage());
    }
}
