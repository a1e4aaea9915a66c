package espalier.engine.gates;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import espalier.engine.model.Shapes;
import espalier.engine.testing.Compare;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.SafetensorsFile;
import espalier.testing.SharedData;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The `l0` case, from a float64 reference: inputs and results are F32 in the file, hence the tolerance.
class GoldenL0Test {
    private static final double TOLERANCE = 1e-6;

    static Stream<Path> cases() {
        return SharedData.goldenCases("l0").stream();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void distributionAndMasks(Path path) throws Exception {
        try (SafetensorsFile golden = SafetensorsFile.open(path.resolve("expected.safetensors"))) {
            Golden l0 = new Golden(golden);
            double[] logAlpha = l0.gates("loga.");
            assertClose("P(z != 0)", l0.gates("expected_nonzero."), map(logAlpha));
            GateSample sample = GateSample.of(l0.layout, logAlpha, l0.gates("uniform."));
            assertClose("sampled", l0.gates("sampled_z."), sample.mask().gates());
            assertZeros(l0.gates("sampled_z."), sample.mask().gates());
            MaskValues upstream = new MaskValues(
                    l0.layers("upstream.head"), l0.layers("upstream.intermediate"), l0.floats("upstream.hidden"));
            assertClose("through the sample", l0.gates("grad.sampled."), sample.gradient(upstream));
            GateMask mask = DeterministicMask.of(l0.layout, logAlpha, WidthRule.FREE);
            assertClose("deterministic", l0.gates("deterministic_z."), mask.gates());
            assertZeros(l0.gates("deterministic_z."), mask.gates());
            assertArrayEquals(
                    l0.floats("deterministic_z.hidden"), mask.values().hidden(), (float) TOLERANCE, "values");
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void sparsityAndLagrangian(Path path) throws Exception {
        try (SafetensorsFile golden = SafetensorsFile.open(path.resolve("expected.safetensors"))) {
            Golden l0 = new Golden(golden);
            double[] logAlpha = l0.gates("loga.");
            GateSparsity sparsity = new GateSparsity(l0.layout);
            Lagrangian lagrangian = new Lagrangian(l0.setting("lambda1"), l0.setting("lambda2"));
            double gap = sparsity.expected(logAlpha) - l0.setting("target");
            assertEquals(l0.number("expected_sparsity.f64"), gap + l0.setting("target"), 1e-7);
            assertEquals(l0.number("lagrangian.f64"), lagrangian.value(gap), 1e-7);
            double[] multipliers = Lagrangian.multiplierGradient(gap);
            assertEquals(l0.number("grad.lambda1.f64"), multipliers[0], 1e-7);
            assertEquals(l0.number("grad.lambda2.f64"), multipliers[1], 1e-7);
            double slope = lagrangian.slope(gap);
            double[] gradient = Arrays.stream(sparsity.expectedGradient(logAlpha)).map(d -> d * slope).toArray();
            assertClose("Lagrangian", l0.gates("grad.loga."), gradient);
        }
    }

    private static double[] map(double[] logAlpha) {
        return Arrays.stream(logAlpha).map(HardConcrete::keep).toArray();
    }

    private static void assertClose(String what, double[] expected, double[] actual) {
        Compare.assertClose(what, floats(expected), floats(actual), TOLERANCE);
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }

    /// The decision, apart from any tolerance.
    private static void assertZeros(double[] expected, double[] actual) {
        assertArrayEquals(
                Arrays.stream(expected).map(Math::signum).toArray(),
                Arrays.stream(actual).map(Math::signum).toArray());
    }

    private static final class Golden {
        final SafetensorsFile file;
        final GateLayout layout;

        Golden(SafetensorsFile file) {
            this.file = file;
            Map<String, String> settings = file.metadata();
            int layers = Integer.parseInt(settings.get("layers"));
            int heads = Integer.parseInt(settings.get("heads"));
            LayerShape[] shapes = new LayerShape[layers];
            Arrays.fill(shapes, LayerShape.uniform(
                    heads,
                    heads,
                    Integer.parseInt(settings.get("head_dim")),
                    Integer.parseInt(settings.get("intermediate"))));
            int hidden = Integer.parseInt(settings.get("hidden"));
            this.layout = new GateLayout(Shapes.toy(hidden, true, shapes), GateSettings.standard(layers));
        }

        double setting(String name) {
            return Double.parseDouble(file.metadata().get(name));
        }

        double number(String name) {
            return file.tensor(name).toDoubles()[0];
        }

        float[] floats(String name) {
            return file.tensor(name).toFloats();
        }

        List<float[]> layers(String name) {
            float[] all = floats(name);
            int layers = layout.model().layers().size();
            List<float[]> rows = new ArrayList<>();
            for (int layer = 0; layer < layers; layer++) {
                int width = all.length / layers;
                rows.add(Arrays.copyOfRange(all, layer * width, (layer + 1) * width));
            }
            return rows;
        }

        /// One value per gate, from the tensors `prefix` + head, intermediate, hidden.
        double[] gates(String prefix) {
            double[] gates = new double[layout.size()];
            for (GateBlock block : layout.blocks()) {
                float[] part = switch (block.family()) {
                    case HEADS -> layers(prefix + "head").get(block.layer());
                    case FFN -> layers(prefix + "intermediate").get(block.layer());
                    case HIDDEN -> floats(prefix + "hidden");
                    case LAYER, ATTENTION, MLP -> throw new AssertionError(block);
                };
                for (int i = 0; i < part.length; i++) {
                    gates[block.offset() + i] = part[i];
                }
            }
            return gates;
        }
    }
}
