package espalier.engine.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.Progress;
import espalier.engine.model.Architecture;
import espalier.engine.model.ChannelGraph;
import espalier.engine.model.Keep;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.StreamedModel;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.StoredType;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.StoredMatrix;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The method from a folder to a plan: iterative steps, and scores that are kept (llm-pruner.md §6, §12).
class LlmPrunerTest {
    private static final LayerShape LAYER = LayerShape.uniform(8, 4, 4, 24);
    private static final ModelShape SHAPE = new ModelShape(
            19, 16, List.of(LAYER, LAYER, LAYER), false, new ModelShape.Biases(true, true, true), 1e-5, 10_000, 64);
    private static final LayerRange LAYERS = new LayerRange(1, 3);
    private static final Selection LOCAL = new Selection.Local(LAYERS, LAYERS, 1);

    @TempDir
    Path temporary;

    private Path source;
    private Ops ops;
    private final List<Integer> stepsAsked = new ArrayList<>();

    @BeforeEach
    void write() throws IOException {
        source = temporary.resolve("source");
        ops = Backends.open(Backends.Choice.VECTOR, 2);
        try (RandomModel random = new RandomModel(SHAPE, 7)) {
            random.write(source, StoredType.BF16);
        }
    }

    @AfterEach
    void close() {
        ops.close();
    }

    private int[][] samples(int step) {
        stepsAsked.add(step);
        return RandomModel.ids(SHAPE, 2, 7, step);
    }

    private static UnitScorer.Settings scoring(Importance importance) {
        return new UnitScorer.Settings(importance, importance.defaultReduction(), GqaFold.BY_GROUP);
    }

    private LlmPruner.Chosen choose(
            Importance importance, Selection selection, double ratio, int steps, Optional<LlmPruner.ScoresAt> scoresAt)
            throws IOException {
        LlmPruner.Settings settings = new LlmPruner.Settings(
                scoring(importance), selection, new SizeTarget.GroupRatio(ratio), steps, 42);
        try (ModelFolder open = ModelFolder.open(source, ops)) {
            return LlmPruner.choose(open, settings, this::samples, scoresAt, Long.MAX_VALUE, Progress.NONE);
        }
    }

    /// Check 11.
    @ParameterizedTest
    @EnumSource(Importance.class)
    void fourStepsEndAtTheWidthsOfOne(Importance importance) throws IOException {
        for (Selection selection : List.of(
                LOCAL, new Selection.Channels(NormRule.RELEASED), new Selection.Channels(NormRule.EXACT))) {
            PruningPlan one = choose(importance, selection, 0.5, 1, Optional.empty()).plan();
            stepsAsked.clear();
            PruningPlan four = choose(importance, selection, 0.5, 4, Optional.empty()).plan();
            assertEquals(one.resultShape(), four.resultShape());
            assertEquals(importance.needsCalibration() ? List.of(1, 2, 3, 4) : List.of(), stepsAsked);
        }
        assertEquals(LayerShape.uniform(4, 2, 4, 12),
                choose(importance, LOCAL, 0.5, 4, Optional.empty()).plan().resultShape().layers().get(2));
    }

    /// The second step's scores are those of the first step's result, written and opened again.
    @ParameterizedTest
    @EnumSource(value = Importance.class, names = {"PARAM_FIRST", "PARAM_MIX", "L1"})
    void laterStepsScoreTheSmallerModel(Importance importance) throws IOException {
        for (Selection selection : List.of(LOCAL, new Selection.Channels(NormRule.RELEASED))) {
            LlmPruner.Chosen two = choose(importance, selection, 0.5, 2, Optional.empty());
            PruningPlan first = choose(importance, selection, 0.25, 1, Optional.empty()).plan();
            Path smaller = temporary.resolve(importance + selection.getClass().getSimpleName());
            try (ModelFolder open = ModelFolder.open(source, ops)) {
                Compaction.write(open, first, new Compaction.Request(smaller, Optional.empty(),
                        CheckpointWriter.Options.DEFAULT, Optional.empty(), Map.of(), samples(1)));
            }
            List<UnitScores> again;
            try (ModelFolder open = ModelFolder.open(smaller, ops)) {
                assertEquals(first.resultShape(), open.model().shape());
                ChannelGraph graph = Architecture.LLAMA.graph(open.model().shape());
                boolean hidden = selection instanceof Selection.Channels;
                List<Group> groups = Groups.of(graph).all().stream()
                        .filter(group -> (group.kind() == Group.Kind.HIDDEN) == hidden)
                        .toList();
                again = UnitScorer.score(scoring(importance), groups, open.model(), Keep.LAYER_INPUTS,
                        graph.tensors(), open.weights(), samples(2), 42, Progress.NONE).units();
            }
            assertEquals(again.size(), two.scores().size());
            for (int i = 0; i < again.size(); i++) {
                assertArrayEquals(again.get(i).scores(), two.scores().get(i).scores(), again.get(i).group().name());
            }
        }
    }

    /// Magnitudes of a model that is never whole in memory are read one matrix at a time.
    @Test
    void aStreamedModelDoesNotHoldWhatWasRead() throws IOException {
        PruningPlan plan = PruningPlan.keepAll(SHAPE).withHidden(new int[] {0, 3, 5}, NormRule.RELEASED);
        try (ModelFolder open = ModelFolder.open(source, ops);
                StreamedModel smaller =
                        PrunedWeights.streamed(Surgery.of(Architecture.LLAMA, plan), open.weights(), ops)) {
            var weights = smaller.weights();
            StoredMatrix q = weights.matrix("model.layers.0.self_attn.q_proj.weight", 32, 3);
            assertTrue(q.data().scope().isAlive());
            StoredMatrix k = weights.matrix("model.layers.0.self_attn.k_proj.weight", 16, 3);
            assertTrue(k.data().scope().isAlive());
            assertFalse(q.data().scope().isAlive());
        }
    }

    @Test
    void scoresAreComputedOnceAndReadForAnyRatio() throws IOException {
        Path file = temporary.resolve("scores.safetensors");
        var at = Optional.of(new LlmPruner.ScoresAt(file, Map.of("importance", "param_first")));
        LlmPruner.Chosen computed = choose(Importance.PARAM_FIRST, LOCAL, 0.5, 1, at);
        assertEquals(List.of(1), stepsAsked);
        assertTrue(computed.loss() > 1);
        byte[] written = Files.readAllBytes(file);
        LlmPruner.Chosen read = choose(Importance.PARAM_FIRST, LOCAL, 0.5, 1, at);
        assertEquals(List.of(1), stepsAsked, "no samples are drawn where scores are read");
        assertEquals(computed.plan(), read.plan());
        assertEquals(computed.reached(), read.reached());
        assertTrue(Double.isNaN(read.loss()));
        PruningPlan other = choose(Importance.PARAM_FIRST, LOCAL, 0.25, 1, at).plan();
        assertEquals(choose(Importance.PARAM_FIRST, LOCAL, 0.25, 1, Optional.empty()).plan(), other);
        assertNotEquals(other, read.plan());
        assertArrayEquals(written, Files.readAllBytes(file), "reading leaves the file as it is");

        GoldenTensors tensors = new GoldenTensors(file);
        for (int layer = 0; layer < 3; layer++) {
            assertEquals(24, tensors.floats("layers." + layer + ".ffn").length);
            assertEquals(4, tensors.floats("layers." + layer + ".kv_groups").length);
        }
        Path channels = temporary.resolve("channels.safetensors");
        choose(Importance.PARAM_FIRST, new Selection.Channels(NormRule.RELEASED), 0.5, 1,
                Optional.of(new LlmPruner.ScoresAt(channels, Map.of())));
        assertEquals(16, new GoldenTensors(channels).floats("hidden").length);
        var e = assertThrows(CheckpointException.class, () -> choose(Importance.PARAM_FIRST, LOCAL, 0.5, 1,
                Optional.of(new LlmPruner.ScoresAt(channels, Map.of()))));
        assertTrue(e.getMessage().startsWith(channels + ": has no scores layers.0."), e.getMessage());
    }

    @Test
    void keptScoresExcludeSeveralSteps() {
        Path file = temporary.resolve("scores.safetensors");
        var e = assertThrows(IllegalArgumentException.class, () -> choose(Importance.L1, LOCAL, 0.5, 3,
                Optional.of(new LlmPruner.ScoresAt(file, Map.of()))));
        assertEquals("scores are computed anew at each of the 3 iterative steps, so they cannot be kept in " + file,
                e.getMessage());
        assertFalse(Files.exists(file));
    }

    @Test
    void progressOfAllStepsRunsOnce() throws IOException {
        List<Double> shares = new ArrayList<>();
        LlmPruner.Settings settings = new LlmPruner.Settings(
                scoring(Importance.PARAM_FIRST), LOCAL, new SizeTarget.GroupRatio(0.5), 2, 42);
        try (ModelFolder open = ModelFolder.open(source, ops)) {
            LlmPruner.choose(open, settings, this::samples, Optional.empty(), Long.MAX_VALUE,
                    (done, total) -> shares.add((double) done / total));
        }
        assertEquals(shares.stream().sorted().distinct().toList(), shares);
        assertTrue(shares.size() >= 6 && shares.getLast() < 1.0001, shares.toString());
    }
}
