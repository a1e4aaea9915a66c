package espalier.engine.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.Progress;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelFolder;
import espalier.engine.weights.SafetensorsFile;
import espalier.engine.weights.StoredTensor;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.testing.SharedData;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/// Scores and cuts of SmolLM2-135M-Instruct against PyTorch runs of LLM-Pruner (Element^1, sum, local ranking): the
/// shared one, whose loss is computed in float32, and one in float64 throughout, see `make_smollm2_scores.py`.
class GoldenSmolLm2Test {
    private static final double TOLERANCE = 1e-4;
    /// What F32 arithmetic is allowed against float64.
    private static final double EXACT_TOLERANCE = 2e-5;
    /// Units of the shared run that are farther than [#TOLERANCE] from float64 themselves, and how far at most.
    private static final int SHARED_OUTLIERS = 19;
    private static final double SHARED_DISTANCE = 3e-4;

    @Test
    void scoresAndCutsOfElementOne() throws Exception {
        Path folder = SharedData.smollm2();
        Path golden = SharedData.models().resolve("smollm2-135m-instruct/llm-pruner.safetensors");
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, Runtime.getRuntime().availableProcessors());
                ModelFolder model = ModelFolder.open(folder, ops);
                SafetensorsFile expected = SafetensorsFile.open(golden);
                SafetensorsFile exact = SafetensorsFile.open(Path.of(
                        GoldenSmolLm2Test.class.getResource("smollm2-element1.safetensors").toURI()))) {
            int[][] samples = rows(expected.tensor("input_ids"));
            LayerRange layers = new LayerRange(4, 26);
            for (double ratio : new double[] {0.25, 0.35, 0.5}) {
                LlmPruner.Settings settings = new LlmPruner.Settings(
                        new UnitScorer.Settings(
                                Importance.PARAM_FIRST, Reduction.Stacked.SUM, GqaFold.BY_GROUP),
                        new Selection.Local(layers, layers, 1), new SizeTarget.GroupRatio(ratio), 1, 42);
                LlmPruner.Chosen chosen = LlmPruner.choose(
                        model, settings, step -> samples, Optional.empty(), Long.MAX_VALUE, Progress.NONE);
                assertEquals(Double.parseDouble(exact.metadata().get("loss")), chosen.loss(), 1e-6);
                int outliers = 0;
                for (UnitScores units : chosen.scores()) {
                    assertEquals(0, farther(exact, units, EXACT_TOLERANCE), units.group().name());
                    assertEquals(0, farther(expected, units, SHARED_DISTANCE), units.group().name());
                    outliers += farther(expected, units, TOLERANCE);
                    if (layers.contains(units.group().layer())) {
                        assertCut(expected, units, chosen.plan(), ratio);
                    }
                }
                assertTrue(outliers <= SHARED_OUTLIERS, outliers + " units differ from the shared scores");
            }
        }
    }

    /// How many units differ by more than the tolerance, relatively.
    private static int farther(SafetensorsFile expected, UnitScores units, double tolerance) {
        double[] golden = expected.tensor(name(units.group())).toDoubles();
        int farther = 0;
        for (int i = 0; i < golden.length; i++) {
            if (!(Math.abs(units.scores()[i] - golden[i]) <= tolerance * golden[i])) {
                farther++;
            }
        }
        return farther;
    }

    /// The same units leave, except such as lie within the tolerance of the threshold.
    private static void assertCut(SafetensorsFile expected, UnitScores units, PruningPlan plan, double ratio) {
        Group group = units.group();
        Set<Integer> golden = new HashSet<>();
        for (long unit : expected.tensor("cut_" + ratio + "." + name(group)).toLongs()) {
            golden.add((int) unit);
        }
        int[] kept = group.kind().isAttention()
                ? plan.keptKvHeads(group.layer())
                : plan.layers().get(group.layer()).ffn();
        Set<Integer> cut = new HashSet<>(IntStream.range(0, group.units()).boxed().toList());
        IntStream.of(kept).forEach(cut::remove);
        assertEquals(golden.size(), cut.size(), group.name());
        double threshold = golden.stream().mapToDouble(unit -> units.scores()[unit]).max().orElse(0);
        List<Integer> different = new ArrayList<>(golden);
        different.removeAll(cut);
        for (int unit : different) {
            assertTrue(Math.abs(units.scores()[unit] - threshold) <= TOLERANCE * threshold,
                    "%s: unit %d is cut in the reference only".formatted(group.name(), unit));
        }
    }

    private static String name(Group group) {
        return "layers." + group.layer() + (group.kind().isAttention() ? ".kv_groups" : ".ffn");
    }

    private static int[][] rows(StoredTensor tensor) {
        int cols = (int) tensor.cols();
        int[][] rows = new int[(int) tensor.rows()][cols];
        long[] flat = tensor.toLongs();
        for (int i = 0; i < flat.length; i++) {
            rows[i / cols][i % cols] = (int) flat[i];
        }
        return rows;
    }
}
