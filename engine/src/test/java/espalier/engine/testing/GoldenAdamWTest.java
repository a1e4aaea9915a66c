package espalier.engine.testing;

import static espalier.engine.testing.Compare.assertClose;

import espalier.engine.weights.SafetensorsFile;
import espalier.kernels.AdamWStep;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import espalier.testing.SharedData;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Five steps of joint gradient-norm clipping and AdamW on two parameters, one of them decayed.
class GoldenAdamWTest {
    private static final double TOLERANCE = 1e-6;

    static Stream<Arguments> cases() {
        return SharedData.goldenCases("adamw").stream()
                .flatMap(path -> Stream.of(Backends.Choice.values()).map(choice -> Arguments.of(path, choice)));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void fiveSteps(Path path, Backends.Choice choice) throws Exception {
        try (Ops ops = Backends.open(choice, 2);
                Workspace ws = ops.newWorkspace();
                SafetensorsFile golden = SafetensorsFile.open(path.resolve("expected.safetensors"))) {
            Map<String, String> settings = golden.metadata();
            double clip = Double.parseDouble(settings.get("clip_norm"));
            Moments p = Moments.of(golden, "p", ops, ws);
            Moments q = Moments.of(golden, "q", ops, ws);
            for (int step = 1; step <= 5; step++) {
                Tensor dP = tensor(golden, "pg" + step, ops, ws);
                Tensor dQ = tensor(golden, "qg" + step, ops, ws);
                double norm = Math.sqrt(ops.sumOfSquares(dP) + ops.sumOfSquares(dQ));
                assertClose("norm " + step, golden.tensor("norm" + step).toFloats()[0], norm, TOLERANCE);
                double scale = Math.min(1, clip / (norm + 1e-6));
                p.step(ops, dP, settings, "p_weight_decay", step, scale);
                q.step(ops, dQ, settings, "q_weight_decay", step, scale);
                assertClose("p" + step, golden.tensor("p" + step).toFloats(), host(ops, p.value), TOLERANCE);
                assertClose("q" + step, golden.tensor("q" + step).toFloats(), host(ops, q.value), TOLERANCE);
            }
        }
    }

    private record Moments(Tensor value, Tensor m, Tensor v) {
        static Moments of(SafetensorsFile golden, String name, Ops ops, Workspace ws) {
            Tensor value = tensor(golden, name + "0", ops, ws);
            return new Moments(
                    value, ws.takeZeros(value.rows(), value.cols()), ws.takeZeros(value.rows(), value.cols()));
        }

        void step(Ops ops, Tensor gradient, Map<String, String> settings, String decay, int step, double scale) {
            ops.adamW(value, m, v, gradient, new AdamWStep(
                    Double.parseDouble(settings.get("lr")),
                    Double.parseDouble(settings.get("beta1")),
                    Double.parseDouble(settings.get("beta2")),
                    Double.parseDouble(settings.get("eps")),
                    Double.parseDouble(settings.get(decay)),
                    step,
                    scale));
        }
    }

    private static Tensor tensor(SafetensorsFile golden, String name, Ops ops, Workspace ws) {
        float[] values = golden.tensor(name).toFloats();
        Tensor tensor = ws.take(1, values.length);
        ops.fromHost(values, tensor);
        return tensor;
    }

    private static float[] host(Ops ops, Tensor tensor) {
        float[] host = new float[(int) tensor.elements()];
        ops.toHost(tensor, host);
        return host;
    }
}
