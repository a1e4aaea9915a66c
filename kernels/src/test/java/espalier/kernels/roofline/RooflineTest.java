package espalier.kernels.roofline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.kernels.Backends;
import espalier.kernels.DType;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class RooflineTest {
    private static final RooflineShape SMALL = new RooflineShape(64, new int[] {2, 1}, 16, 96, 300, 24);
    private static final RooflineSettings SHORT = new RooflineSettings(
            List.of(1, 8, 500), 500, List.of(DType.BF16, DType.F32), true, true, 0.004, 1 << 22);

    @ParameterizedTest
    @EnumSource
    void everyKernelIsVerifiedAndTimed(Backends.Choice backend) {
        List<Integer> seen = new ArrayList<>();
        List<Integer> totals = new ArrayList<>();
        RooflineReport report = Roofline.measure(backend, 2, SMALL, SHORT, (done, total) -> {
            seen.add(done);
            totals.add(total);
        });
        int threads = backend == Backends.Choice.SCALAR ? 1 : 2;
        // 6 shapes of weights at 1, 8 and 24 tokens and 2 types, their gradients at 24, 8 other kernels.
        int all = 6 * 3 * 2 + 2 * 6 + 8;
        int ofOne = threads == 1 ? 0 : 6 * 3 + 2 * 6 + 8;
        assertEquals(all + ofOne, report.rows().size());
        assertEquals(2 * all + ofOne, seen.getLast());
        assertEquals(Set.of(2 * all + ofOne), new HashSet<>(totals));
        assertEquals(backend.name().toLowerCase(Locale.ROOT), report.backend());
        assertEquals(threads == 1 ? List.of(1) : List.of(1, 2), report.roofs().stream().map(Roof::threads).toList());
        assertTrue(report.drift() >= 0 && report.drift() < 1, String.valueOf(report.drift()));
        Set<String> names = new HashSet<>();
        for (Measurement row : report.rows()) {
            names.add(row.kernel());
            assertTrue(row.gflops() > 0 && row.gbs() > 0, row.toString());
            assertTrue(report.percent(row) > 0 && report.percent(row) < 130, row + " " + report.percent(row));
            assertTrue(row.relativeError() <= 1e-4, row.toString());
        }
        assertEquals(
                Set.of("linear", "linear_backward", "weight_gradient", "attention", "attention_backward", "rms_norm",
                        "rms_norm_backward", "swiglu", "swiglu_backward", "cross_entropy", "adamw"),
                names);
    }

    @Test
    void aPrunedLayerWithoutHeadsAndChannelsHasOnlyTheRest() {
        RooflineShape empty = new RooflineShape(64, new int[0], 16, 0, 300, 24);
        List<String> names = KernelList.of(empty, SHORT, SHORT.types()).stream()
                .map(Kernel::name)
                .distinct()
                .toList();
        assertEquals(
                List.of("linear", "linear_backward", "weight_gradient", "rms_norm", "rms_norm_backward",
                        "cross_entropy", "adamw"),
                names);
        assertEquals(List.of("lm_head"), empty.projections().getFirst().names());
    }

    @Test
    void slowCodeRunsTheHeadAtOneTokenOnly() {
        List<Kernel> kernels = KernelList.of(
                RooflineShape.SMOLLM2_135M, RooflineSettings.plainLoops(1 << 20), List.of(DType.BF16));
        assertEquals(
                List.of("1x576x49152"),
                kernels.stream().filter(kernel -> kernel.weight().contains("lm_head")).map(Kernel::shape).toList());
    }

    @Test
    void projectionsOfOneShapeAreMeasuredOnce() {
        List<String> projections = new ArrayList<>();
        for (RooflineShape.Projection of : RooflineShape.SMOLLM2_135M.projections()) {
            projections.add(String.join("+", of.names()) + " " + of.outputs() + "x" + of.inputs());
        }
        assertEquals(
                List.of("q_proj+o_proj 576x576", "k_proj+v_proj 192x576", "gate_proj+up_proj 1536x576",
                        "down_proj 576x1536", "lm_head 49152x576"),
                projections);
    }

    @Test
    void workIsCountedAsDocumented() {
        assertEquals(new Work(2 * 3 * 5 * 7, 2 * 35 + 4 * 3 * 12), Work.linear(3, 5, 7, DType.BF16));
        assertEquals(new Work(2 * 3 * 5 * 7, 4 * (35 + 15 + 21)), Work.weightGradient(3, 5, 7));
        // 3 tokens see 1 + 2 + 3 keys; two query heads of width 4 and one key/value head.
        assertEquals(new Work(4 * 4 * 2 * 6, 4 * 3 * (16 + 8 + 2)), Work.attention(3, 2, 1, 4));
        assertEquals(new Work(10 * 4 * 2 * 6, 4 * 3 * (32 + 16 + 2)), Work.attentionBackward(3, 2, 1, 4));
        assertEquals(new Work(4 * 15, 4 * (30 + 5 + 3)), Work.rmsNorm(3, 5));
        assertEquals(new Work(7 * 15, 4 * (60 + 5 + 3)), Work.rmsNormBackward(3, 5));
        assertEquals(new Work(5 * 15, 12 * 15), Work.swiglu(3, 5));
        assertEquals(new Work(12 * 15, 20 * 15), Work.swigluBackward(3, 5));
        assertEquals(new Work(7 * 15, 8 * 15), Work.crossEntropy(3, 5));
        assertEquals(new Work(15 * 11, 28 * 11), Work.adamW(11));
        // What no int holds.
        assertEquals(2.0 * 512 * 8192 * 128256, Work.linear(512, 8192, 128256, DType.F32).flops());
    }

    @Test
    void theCeilingIsTheLowerOfTheTwo() {
        Roof roof = new Roof(2, 400, 40);
        assertEquals(10, roof.ridge());
        assertEquals(80, roof.attainableGflops(2));
        assertEquals(400, roof.attainableGflops(11));
        assertTrue(roof.isMemoryBound(new Work(9, 1)));
        assertFalse(roof.isMemoryBound(new Work(10, 1)));
        assertEquals(new Roof(2, 400, 50), roof.best(new Roof(2, 300, 50)));
        Measurement row = new Measurement("linear", "", "f32", "", 2, new Work(4e9, 2e9), 0.1, 0);
        assertEquals(40, row.gflops(), 1e-9);
        assertEquals(20, row.gbs(), 1e-9);
        assertEquals(50, row.percentOf(roof), 1e-9);
        assertThrows(IllegalArgumentException.class, () -> row.percentOf(new Roof(1, 400, 40)));
        assertThrows(IllegalArgumentException.class, () -> roof.best(new Roof(1, 400, 40)));
        assertThrows(IllegalArgumentException.class, () -> new Roof(1, Double.NaN, 40));
    }

    @Test
    void aWrongAnswerIsRefused() {
        Kernel kernel = MatrixKernels.linear(SMALL.projections().getFirst(), 8, DType.BF16);
        assertEquals(1e-5, Roofline.require(kernel, "vector", 1e-5));
        for (double error : new double[] {0.02, Double.NaN, Double.POSITIVE_INFINITY}) {
            String message = assertThrows(
                            ArithmeticException.class, () -> Roofline.require(kernel, "vector", error))
                    .getMessage();
            assertTrue(message.startsWith("vector kernel linear q_proj bf16 8x64x48 differs from the scalar"), message);
        }
        float[] expected = {1, -4, 0};
        assertEquals(0.5, new Deviation().add(expected, new float[] {3, -4, 0}).relative());
        assertEquals(
                Double.POSITIVE_INFINITY, new Deviation().add(expected, new float[] {1, -4, Float.NaN}).relative());
        assertEquals(Double.POSITIVE_INFINITY, new Deviation().add(new float[1], new float[1]).relative());
    }

    @Test
    void settingsAreChecked() {
        String tokens = assertThrows(
                        IllegalArgumentException.class,
                        () -> new RooflineSettings(List.of(0), 1, List.of(DType.F32), true, true, 1, 1 << 20))
                .getMessage();
        assertEquals("tokens must be positive, got 0", tokens);
        String seconds = assertThrows(
                        IllegalArgumentException.class,
                        () -> new RooflineSettings(List.of(1), 1, List.of(DType.F32), true, true, Double.NaN, 1 << 20))
                .getMessage();
        assertEquals("seconds must be above 0 and at most 60, got NaN", seconds);
    }

    @Test
    void largeGradientsAreCutAndSamplesSpread() {
        assertEquals(1536, MatrixKernels.gradientRows(576, 1536));
        assertEquals(29056, MatrixKernels.gradientRows(576, 49152));
        assertArrayEquals(new int[] {0, 3, 7}, MatrixKernels.spread(8, 3));
        assertArrayEquals(new int[] {0}, MatrixKernels.spread(1, 3));
    }

    @Test
    void aTeamCountsTheMembersThatWorked() {
        try (Team team = new Team(3)) {
            double seconds = team.seconds(member -> {
                if (member == 1) {
                    sleep(400);
                    return false;
                }
                sleep(20);
                return true;
            });
            assertTrue(seconds >= 0.02 && seconds < 0.3, String.valueOf(seconds));
            String message = assertThrows(IllegalStateException.class, () -> team.seconds(member -> {
                if (member == 2) {
                    throw new ArithmeticException("wrong sum");
                }
                return true;
            })).getMessage();
            assertEquals("wrong sum", message);
        }
    }

    private static void sleep(int milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
