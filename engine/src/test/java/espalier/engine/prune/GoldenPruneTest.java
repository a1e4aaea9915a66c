package espalier.engine.prune;

import static espalier.engine.testing.Compare.assertClose;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.gates.MaskValues;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.Model;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.Pass;
import espalier.engine.testing.Compare;
import espalier.engine.testing.GoldenCase;
import espalier.engine.weights.CheckpointWriter;
import espalier.kernels.Backends;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.Workspace;
import espalier.testing.SharedData;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Masks with zeros and fractional values against the `prune-*` cases: masked, cut, and written and read again.
class GoldenPruneTest {
    @TempDir
    Path temporary;

    static Stream<Arguments> cases() {
        return SharedData.goldenCases("prune-").stream()
                .flatMap(path -> Stream.of(Backends.Choice.values()).map(choice -> Arguments.of(path, choice)));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void maskedCutAndWrittenModelsAgree(Path path, Backends.Choice choice) throws Exception {
        try (Ops ops = Backends.open(choice, 2); GoldenCase golden = new GoldenCase(path, ops)) {
            PruningPlan plan = plan(golden);
            float[] expected = golden.floats("masked_logits");
            try (Workspace masks = ops.newWorkspace()) {
                Model model = golden.folder().model();
                assertClose("masked", expected, logits(golden, model, MaskedModel.pass(plan, ops, masks)), 1e-4);
            }
            Path out = temporary.resolve("cut");
            Compaction.Request request = new Compaction.Request(
                    out, Optional.empty(), CheckpointWriter.Options.DEFAULT, Optional.empty(), Map.of(),
                    golden.ids("input_ids"));
            Compaction.Written written = Compaction.write(golden.folder(), plan, request);
            assertTrue(written.maskedDifference() <= 1e-5, "difference " + written.maskedDifference());
            assertTrue(written.roundingDifference() <= 1e-6, "F32 stays F32, " + written.roundingDifference());
            try (ModelFolder cut = ModelFolder.open(out, ops)) {
                assertEquals(plan.resultShape(), cut.model().shape());
                Pass pass = Pass.plain(cut.model().shape().layers().size());
                assertClose("cut", expected, logits(golden, cut.model(), pass), Compare.VALUES);
                assertEquals(golden.folder().config().tied(), cut.config().tied(), "the tie stays");
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void roundingIsReportedForANarrowerType(Path path, Backends.Choice choice) throws Exception {
        try (Ops ops = Backends.open(choice, 2); GoldenCase golden = new GoldenCase(path, ops)) {
            Compaction.Request request = new Compaction.Request(temporary.resolve("bf16"), Optional.of(DType.BF16),
                    CheckpointWriter.Options.DEFAULT, Optional.empty(), Map.of(), golden.ids("input_ids"));
            Compaction.Written written = Compaction.write(golden.folder(), plan(golden), request);
            assertTrue(written.roundingDifference() > 1e-4 && written.roundingDifference() < 0.1,
                    "BF16 has 8 bits: " + written.roundingDifference());
        }
    }

    private static PruningPlan plan(GoldenCase golden) {
        int layers = golden.folder().model().shape().layers().size();
        List<float[]> heads = rows(golden.floats("z.head"), layers);
        List<float[]> ffn = rows(golden.floats("z.intermediate"), layers);
        float[] hidden = golden.floats("z.hidden");
        PruningPlan plan = PruningPlan.keepAll(golden.folder().model().shape());
        int keptHeads = 0;
        int keptFfn = 0;
        for (int layer = 0; layer < layers; layer++) {
            PruningPlan.Kept kept = new PruningPlan.Kept(nonZero(heads.get(layer)), nonZero(ffn.get(layer)));
            keptHeads += kept.heads().length;
            keptFfn += kept.ffn().length;
            plan = plan.withLayer(layer, kept);
        }
        assertArrayEquals(
                new int[] {
                    Integer.parseInt(golden.setting("head")),
                    Integer.parseInt(golden.setting("intermediate")),
                    Integer.parseInt(golden.setting("hidden"))
                },
                new int[] {keptHeads, keptFfn, nonZero(hidden).length});
        return plan.withHidden(nonZero(hidden), NormRule.EXACT).withFactors(new MaskValues(heads, ffn, hidden));
    }

    private static List<float[]> rows(float[] flat, int rows) {
        List<float[]> result = new ArrayList<>();
        int cols = flat.length / rows;
        for (int r = 0; r < rows; r++) {
            result.add(Arrays.copyOfRange(flat, r * cols, (r + 1) * cols));
        }
        return result;
    }

    private static int[] nonZero(float[] values) {
        return IntStream.range(0, values.length).filter(i -> values[i] != 0).toArray();
    }

    private static float[] logits(GoldenCase golden, Model model, Pass pass) {
        try (Workspace ws = model.ops().newWorkspace()) {
            Hidden hidden = model.forward(golden.batch(), pass, Keep.NOTHING, ws);
            return golden.host(model.lmHead().logits(hidden.normed(), ws));
        }
    }
}
