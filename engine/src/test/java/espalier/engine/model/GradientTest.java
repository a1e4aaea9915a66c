package espalier.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import espalier.engine.model.Adapters;
import espalier.engine.model.LoraAdapter;
import espalier.engine.testing.RandomModel;
import espalier.engine.testing.WholeGradients;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Gradients of a two-layer toy against finite differences of its loss (llm-pruner.md §12, check 6): every weight,
/// every gate and both factors of every adapter, with all of them in use at once, without dropout and with it.
///
/// Kernels add up in float64 but hand on F32, so a loss of about 20 is known to about 1e-6. The stencil of four points
/// has an error of the fourth order, which allows steps of 0.02: that leaves about 1e-4 for a derivative. Entries are
/// compared on the scale of the largest one of their tensor.
class GradientTest {
    private static final double STEP = 0.02;
    private static final double TOLERANCE = 1e-3;

    static Stream<Arguments> toys() {
        LayerShape unequal = new LayerShape(new int[] {1, 3}, 2, 5);
        LayerShape equal = LayerShape.uniform(4, 2, 2, 6);
        ModelShape.Biases all = new ModelShape.Biases(true, true, true);
        return Stream.of(Shapes.toy(6, true, all, unequal, equal), Shapes.toy(6, false, all, equal, unequal))
                .flatMap(shape -> Stream.of(Keep.LAYER_INPUTS, Keep.lastLayers(1), Keep.ACTIVATIONS)
                        .map(keep -> Arguments.of(shape.tied() ? "tied" : "untied", shape, keep)));
    }

    @ParameterizedTest(name = "{0}, {2}")
    @MethodSource("toys")
    void everyGradient(String name, ModelShape shape, Keep keep) {
        everyGradient(shape, keep, AdapterDropout.NONE);
    }

    @ParameterizedTest(name = "{0}, {2}")
    @MethodSource("toys")
    void everyGradientWithDropout(String name, ModelShape shape, Keep keep) {
        everyGradient(shape, keep, new AdapterDropout(0.3, 3, 4, 5));
    }

    @Test
    void anyNumberOfKeptLayersGivesTheSameBits() {
        LayerShape unequal = new LayerShape(new int[] {1, 3}, 2, 5);
        LayerShape equal = LayerShape.uniform(4, 2, 2, 6);
        ModelShape shape = Shapes.toy(6, false, new ModelShape.Biases(true, true, true), equal, unequal, equal);
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 2);
                RandomModel random = new RandomModel(shape, 5);
                Toy toy = new Toy(random, ops, new AdapterDropout(0.3, 3, 4, 5))) {
            double loss = toy.loss();
            Map<String, float[]> expected = toy.gradients(Keep.ACTIVATIONS);
            assertEquals(toy.parameters().keySet(), expected.keySet());
            for (int kept = 0; kept <= 3; kept++) {
                assertEquals(loss, toy.run(Keep.lastLayers(kept), loaded -> {}));
                for (Map.Entry<String, float[]> gradient : toy.gradients(Keep.lastLayers(kept)).entrySet()) {
                    assertArrayEquals(expected.get(gradient.getKey()), gradient.getValue(),
                            gradient.getKey() + ", " + kept + " layers kept");
                }
            }
        }
    }

    private static void everyGradient(ModelShape shape, Keep keep, AdapterDropout dropout) {
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
                RandomModel random = new RandomModel(shape, 5);
                Toy toy = new Toy(random, ops, dropout)) {
            Map<String, float[]> gradients = toy.gradients(keep);
            assertEquals(toy.parameters().keySet(), gradients.keySet());
            for (Map.Entry<String, float[]> parameter : toy.parameters().entrySet()) {
                compare(parameter.getKey(), parameter.getValue(), gradients.get(parameter.getKey()), toy::loss);
            }
        }
    }

    private static void compare(String name, float[] values, float[] gradient, DoubleSupplier loss) {
        assertEquals(values.length, gradient.length, name);
        double largest = 0;
        for (float g : gradient) {
            largest = Math.max(largest, Math.abs(g));
        }
        assertTrue(largest > 1e-2, name + " has a gradient that the comparison can see, largest " + largest);
        for (int i = 0; i < values.length; i++) {
            float before = values[i];
            double derivative = (8 * difference(values, i, before, STEP, loss)
                            - difference(values, i, before, 2 * STEP, loss))
                    / (12 * STEP);
            values[i] = before;
            if (!(Math.abs(derivative - gradient[i]) <= TOLERANCE * Math.max(largest, 1))) {
                fail("%s, entry %d: gradient %g, finite difference %g, largest %g"
                        .formatted(name, i, gradient[i], derivative, largest));
            }
        }
    }

    /// loss(x + step) - loss(x - step), for the steps that F32 really makes.
    private static double difference(float[] values, int i, float before, double step, DoubleSupplier loss) {
        values[i] = (float) (before + step);
        double up = values[i] - (double) before;
        double high = loss.getAsDouble();
        values[i] = (float) (before - step);
        double down = before - (double) values[i];
        double low = loss.getAsDouble();
        return (high - low) * 2 * step / (up + down);
    }

    /// A model with gates and adapters in arrays, and the sum of the losses of two sequences.
    private static final class Toy implements AutoCloseable {
        private static final int RANK = 2;
        private static final float SCALE = 1.5f;

        private final RandomModel random;
        private final Ops ops;
        private final AdapterDropout dropout;
        private final Workspace memory;
        private final Batch batch;
        private final Map<String, float[]> gates = new LinkedHashMap<>();
        private final Map<String, float[]> factors = new LinkedHashMap<>();

        Toy(RandomModel random, Ops ops, AdapterDropout dropout) {
            this.random = random;
            this.ops = ops;
            this.dropout = dropout;
            this.memory = ops.newWorkspace();
            ModelShape shape = random.shape();
            this.batch = Batch.of(RandomModel.ids(shape, 1, 5, 3)[0], RandomModel.ids(shape, 2, 3, 4)[1]);
            for (int layer = 0; layer < shape.layers().size(); layer++) {
                LayerShape widths = shape.layers().get(layer);
                gates.put("heads." + layer, values(widths.heads(), 0.7, 0.2, "heads" + layer));
                gates.put("ffn." + layer, values(widths.ffn(), 0.7, 0.2, "ffn" + layer));
                for (Site site : Site.values()) {
                    int[] size = size(site, widths, shape.hidden());
                    factors.put(site.module(layer) + ".A", values(RANK * size[1], 0, 0.4, site + "A" + layer));
                    factors.put(site.module(layer) + ".B", values(RANK * size[0], 0, 0.4, site + "B" + layer));
                }
            }
            gates.put("hidden", values(shape.hidden(), 0.8, 0.2, "hidden"));
        }

        private static int[] size(Site site, LayerShape widths, int hidden) {
            return switch (site) {
                case Q_PROJ -> new int[] {widths.queryWidth(), hidden};
                case K_PROJ, V_PROJ -> new int[] {widths.kvWidth(), hidden};
                case O_PROJ -> new int[] {hidden, widths.queryWidth()};
                case GATE_PROJ, UP_PROJ -> new int[] {widths.ffn(), hidden};
                case DOWN_PROJ -> new int[] {hidden, widths.ffn()};
            };
        }

        private static float[] values(int length, double mean, double deviation, String name) {
            Philox philox = new Philox(9, name.hashCode());
            float[] values = new float[length];
            for (int i = 0; i < length; i++) {
                values[i] = (float) (mean + deviation * philox.gaussian(i));
            }
            return values;
        }

        Map<String, float[]> parameters() {
            Map<String, float[]> all = new LinkedHashMap<>(random.values());
            all.putAll(gates);
            all.putAll(factors);
            return all;
        }

        double loss() {
            return run(Keep.NOTHING, loaded -> {});
        }

        Map<String, float[]> gradients(Keep keep) {
            Map<String, float[]> all = new HashMap<>();
            run(keep, loaded -> {
                int[] targets = batch.nextTokens();
                Tensor dNormed = loaded.ws.take(batch.tokens(), random.shape().hidden());
                try (WholeGradients sink = new WholeGradients(ops, random.shape())) {
                    Pass pass = loaded.pass.withWeightGradients(sink);
                    LmHead head = loaded.model.lmHead();
                    head.lossBackward(dNormed, loaded.hidden, targets, 1, loaded.ws);
                    LmHead.Backward backward = head.backward(loaded.hidden, targets, 1, loaded.ws);
                    loaded.model.backward(loaded.hidden, dNormed, StateGradients.NONE, pass, backward, loaded.ws);
                    sink.gradients().forEach((name, tensor) -> all.put(name, RandomModel.host(ops, tensor)));
                }
                Gates dGates = loaded.pass.gateGradients();
                for (int layer = 0; layer < dGates.heads().size(); layer++) {
                    all.put("heads." + layer, RandomModel.host(ops, dGates.heads().get(layer)));
                    all.put("ffn." + layer, RandomModel.host(ops, dGates.ffn().get(layer)));
                }
                all.put("hidden", RandomModel.host(ops, dGates.hidden()));
                loaded.pass.adapters().byModule().forEach((module, adapter) -> {
                    all.put(module + ".A", RandomModel.host(ops, adapter.dA()));
                    all.put(module + ".B", RandomModel.host(ops, adapter.dB()));
                });
            });
            return all;
        }

        private record Loaded(Model model, Pass pass, Hidden hidden, Workspace ws) {}

        private double run(Keep keep, Consumer<Loaded> consumer) {
            memory.release(0);
            try (Model model = Model.load(random, random.shape(), ops); Workspace ws = ops.newWorkspace()) {
                Pass pass = new Pass(gates(false), gates(true), adapters(), WeightGradients.NONE, dropout);
                Hidden hidden = model.forward(batch, pass, keep, ws);
                double loss = model.lmHead().loss(hidden, batch.nextTokens(), ws).sum();
                consumer.accept(new Loaded(model, pass, hidden, ws));
                return loss;
            }
        }

        private Gates gates(boolean zeros) {
            List<Tensor> heads = new ArrayList<>();
            List<Tensor> ffn = new ArrayList<>();
            for (int layer = 0; layer < random.shape().layers().size(); layer++) {
                heads.add(tensor(gates.get("heads." + layer), 1, zeros));
                ffn.add(tensor(gates.get("ffn." + layer), 1, zeros));
            }
            return new Gates(heads, ffn, tensor(gates.get("hidden"), 1, zeros), Set.of(), 0);
        }

        private Adapters adapters() {
            Map<String, LoraAdapter> byModule = new HashMap<>();
            for (String name : factors.keySet()) {
                if (name.endsWith(".A")) {
                    String module = name.substring(0, name.length() - 2);
                    float[] a = factors.get(name);
                    float[] b = factors.get(module + ".B");
                    byModule.put(module, new LoraAdapter(
                            tensor(a, RANK, false), tensor(b, b.length / RANK, false), SCALE,
                            tensor(a, RANK, true), tensor(b, b.length / RANK, true)));
                }
            }
            return new Adapters(byModule);
        }

        private Tensor tensor(float[] values, int rows, boolean zeros) {
            Tensor tensor = memory.takeZeros(rows, values.length / rows);
            if (!zeros) {
                ops.fromHost(values, tensor);
            }
            return tensor;
        }

        @Override
        public void close() {
            memory.close();
        }
    }
}
