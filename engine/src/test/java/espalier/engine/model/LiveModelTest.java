package espalier.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import espalier.engine.testing.RandomModel;
import espalier.engine.testing.WholeGradients;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Skipping what is gated to 0 against computing it: loss, gradients of live gates, gradients of adapters on every
/// projection.
///
/// Both sides compute the same sums in another order, so they may differ by the rounding of F32: a few units of 2^-24
/// of the largest entry of a tensor.
class LiveModelTest {
    private static final double TOLERANCE = 1e-6;
    private static final int HEAD_DIM = 4;
    private static final int FFN = 40;
    /// Heads at 0 of each layer: some, those of the first half, all, none, all.
    private static final List<Set<Integer>> DEAD_HEADS =
            List.of(Set.of(1, 2), Set.of(0, 1), Set.of(0, 1, 2, 3), Set.of(), Set.of(0, 1, 2, 3));

    static Stream<Arguments> runs() {
        return Stream.of(
                        Map.entry("groups", LayerShape.uniform(4, 2, HEAD_DIM, FFN)),
                        Map.entry("every head its own", LayerShape.uniform(4, 4, HEAD_DIM, FFN)),
                        Map.entry("unequal groups", new LayerShape(new int[] {3, 1}, HEAD_DIM, FFN)))
                .flatMap(shape -> Stream.of(Backends.Choice.values()).map(backend ->
                        Arguments.of(shape.getKey(), shape.getValue(), backend)));
    }

    private static ModelShape shape(LayerShape layer) {
        ModelShape.Biases biases = new ModelShape.Biases(true, true, true);
        return Shapes.toy(12, true, biases, Collections.nCopies(DEAD_HEADS.size(), layer).toArray(LayerShape[]::new));
    }

    @ParameterizedTest(name = "{0}, {2}")
    @MethodSource("runs")
    void skippingChangesNoGradientThatCounts(String name, LayerShape layer, Backends.Choice backend) {
        ModelShape shape = shape(layer);
        try (Ops ops = Backends.open(backend, 2);
                RandomModel random = new RandomModel(shape, 5);
                Model model = Model.load(random, shape, ops);
                LiveModel live = new LiveModel(model);
                Toy expected = new Toy(shape, ops);
                Toy actual = new Toy(shape, ops)) {
            for (Keep keep : List.of(Keep.LAYER_INPUTS, Keep.ACTIVATIONS)) {
                double loss = run(model, expected.pass, keep);
                try (Workspace ws = ops.newWorkspace()) {
                    LivePass part = live.begin(actual.pass, ws);
                    assertEquals(loss, run(live.model(), part.pass(), keep), TOLERANCE * loss);
                    part.scatterGradients();
                }
                compare(expected, actual);
            }
        }
    }

    private static double run(Model model, Pass pass, Keep keep) {
        ModelShape shape = model.shape();
        Batch batch = Batch.of(RandomModel.ids(shape, 1, 5, 3)[0], RandomModel.ids(shape, 2, 3, 4)[1]);
        try (Workspace ws = model.ops().newWorkspace()) {
            Hidden hidden = model.forward(batch, pass, keep, ws);
            Tensor dNormed = ws.take(batch.tokens(), shape.hidden());
            double loss = model.lmHead().lossBackward(dNormed, hidden, batch.nextTokens(), 1, ws).sum();
            model.backward(hidden, dNormed, StateGradients.NONE, pass, ws);
            return loss;
        }
    }

    private static void compare(Toy expected, Toy actual) {
        Map<String, float[]> dense = expected.gradients();
        Map<String, float[]> skipping = actual.gradients();
        assertEquals(dense.keySet(), skipping.keySet());
        dense.forEach((name, values) -> {
            boolean[] dead = expected.dead(name, values.length);
            double largest = 0;
            for (float value : values) {
                largest = Math.max(largest, Math.abs(value));
            }
            for (int i = 0; i < values.length; i++) {
                float got = skipping.get(name)[i];
                boolean isGate = !name.endsWith(".A") && !name.endsWith(".B");
                double wanted = dead[i] ? 0 : values[i];
                assertTrue(isGate || !dead[i] || values[i] == 0, name + " is 0 without skipping, too");
                double allowed = dead[i] ? 0 : TOLERANCE * largest;
                if (!(Math.abs(got - wanted) <= allowed)) {
                    fail("%s, entry %d: %g with skipping, %g without, largest %g"
                            .formatted(name, i, got, wanted, largest));
                }
            }
        });
    }

    /// What is whole is not copied, and what is gathered has the widths of what lives.
    @ParameterizedTest
    @EnumSource
    void onlyLayersWithZerosAreGathered(Backends.Choice backend) {
        ModelShape shape = shape(LayerShape.uniform(4, 2, HEAD_DIM, FFN));
        try (Ops ops = Backends.open(backend, 2);
                RandomModel random = new RandomModel(shape, 5);
                Model model = Model.load(random, shape, ops);
                LiveModel live = new LiveModel(model);
                Toy toy = new Toy(shape, ops);
                Workspace ws = ops.newWorkspace()) {
            LivePass part = live.begin(toy.pass, ws);
            assertSame(model.layer(3), live.model().layer(3), "the layer without zeros");
            assertEquals(2, live.model().layer(0).heads().heads());
            assertEquals(2, live.model().layer(0).heads().kvHeads(), "one query head of each group lives");
            assertEquals(1, live.model().layer(1).heads().kvHeads(), "no query head of the first group lives");
            assertEquals(0, live.model().layer(2).heads().heads());
            assertEquals(toy.liveFfn(0), part.pass().gates().ffn().get(0).cols());
            assertEquals(0, part.pass().gates().ffn().get(1).cols());
            assertSame(toy.pass.gates().ffn().get(3), part.pass().gates().ffn().get(3));
            live.begin(Pass.plain(shape.layers().size()), ws);
            assertSame(model.layer(0), live.model().layer(0), "all gates open");
        }
    }

    @ParameterizedTest
    @EnumSource
    void fewZerosAreNotWorthACopy(Backends.Choice backend) {
        ModelShape shape = shape(LayerShape.uniform(4, 2, HEAD_DIM, FFN));
        try (Ops ops = Backends.open(backend, 2);
                RandomModel random = new RandomModel(shape, 5);
                Model model = Model.load(random, shape, ops);
                LiveModel live = new LiveModel(model);
                Toy toy = new Toy(shape, ops);
                Workspace ws = ops.newWorkspace()) {
            Tensor one = toy.ffnGates(1);
            List<Tensor> open = Collections.nCopies(shape.layers().size(), Tensor.NONE);
            Gates few = new Gates(open, Collections.nCopies(open.size(), one), Tensor.NONE, Set.of(), 0);
            live.begin(Pass.frozen(few, Adapters.NONE), ws);
            assertTrue(1 < LiveModel.LEAST_DEAD * FFN);
            assertSame(model.layer(0), live.model().layer(0));
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatNeedsWholeWeightsIsRefused(Backends.Choice backend) {
        ModelShape shape = shape(LayerShape.uniform(4, 2, HEAD_DIM, FFN));
        try (Ops ops = Backends.open(backend, 2);
                RandomModel random = new RandomModel(shape, 5);
                Model model = Model.load(random, shape, ops);
                LiveModel live = new LiveModel(model);
                Toy toy = new Toy(shape, ops);
                WholeGradients sink = new WholeGradients(ops, shape);
                Workspace ws = ops.newWorkspace()) {
            Pass training = toy.pass.withWeightGradients(sink);
            assertEquals("gradients of base weights need the whole model",
                    assertThrows(IllegalArgumentException.class, () -> live.begin(training, ws)).getMessage());
            Pass dropping = toy.pass.withDropout(new AdapterDropout(0.3, 3, 4, 5));
            assertEquals("dropout before the adapter of model.layers.0.self_attn.o_proj needs the whole model",
                    assertThrows(IllegalArgumentException.class, () -> live.begin(dropping, ws)).getMessage());
        }
    }

    @ParameterizedTest
    @EnumSource
    void gatesOfAnotherModelAreRefused(Backends.Choice backend) {
        ModelShape shape = shape(LayerShape.uniform(4, 2, HEAD_DIM, FFN));
        ModelShape narrow = shape(LayerShape.uniform(4, 2, HEAD_DIM, FFN - 1));
        try (Ops ops = Backends.open(backend, 2);
                RandomModel random = new RandomModel(shape, 5);
                Model model = Model.load(random, shape, ops);
                LiveModel live = new LiveModel(model);
                Toy other = new Toy(narrow, ops);
                Workspace ws = ops.newWorkspace()) {
            assertEquals("gates of layer 0, ffn has shape [1, 39], expected [1, 40]",
                    assertThrows(IllegalArgumentException.class, () -> live.begin(other.pass, ws)).getMessage());
            assertEquals("gates of 2 layers, the model has 5",
                    assertThrows(IllegalArgumentException.class, () -> live.begin(Pass.plain(2), ws)).getMessage());
        }
    }

    /// Gates and adapters with their gradients.
    private static final class Toy implements AutoCloseable {
        private static final int RANK = 2;

        private final ModelShape shape;
        private final Ops ops;
        private final Workspace memory;
        private final Pass pass;

        Toy(ModelShape shape, Ops ops) {
            this.shape = shape;
            this.ops = ops;
            this.memory = ops.newWorkspace();
            List<Tensor> heads = new ArrayList<>();
            List<Tensor> ffn = new ArrayList<>();
            List<Tensor> dHeads = new ArrayList<>();
            List<Tensor> dFfn = new ArrayList<>();
            Map<String, LoraAdapter> adapters = new HashMap<>();
            for (int i = 0; i < shape.layers().size(); i++) {
                LayerShape widths = shape.layers().get(i);
                heads.add(gates("heads." + i, widths.heads()));
                ffn.add(gates("ffn." + i, widths.ffn()));
                dHeads.add(memory.takeZeros(1, widths.heads()));
                dFfn.add(memory.takeZeros(1, widths.ffn()));
                for (Site site : Site.values()) {
                    adapters.put(site.module(i), adapter(site, i, widths));
                }
            }
            Tensor hidden = random("hidden", 1, shape.hidden());
            this.pass = new Pass(
                    new Gates(heads, ffn, hidden, Set.of(), 0),
                    new Gates(dHeads, dFfn, memory.takeZeros(1, shape.hidden()), Set.of(), 0),
                    new Adapters(adapters), WeightGradients.NONE);
        }

        private LoraAdapter adapter(Site site, int layer, LayerShape widths) {
            int in = switch (site) {
                case Q_PROJ, K_PROJ, V_PROJ, GATE_PROJ, UP_PROJ -> shape.hidden();
                case O_PROJ -> widths.queryWidth();
                case DOWN_PROJ -> widths.ffn();
            };
            int out = switch (site) {
                case Q_PROJ -> widths.queryWidth();
                case K_PROJ, V_PROJ -> widths.kvWidth();
                case GATE_PROJ, UP_PROJ -> widths.ffn();
                case O_PROJ, DOWN_PROJ -> shape.hidden();
            };
            return new LoraAdapter(
                    random("A" + site + layer, RANK, in), random("B" + site + layer, out, RANK), 1.5f,
                    memory.takeZeros(RANK, in), memory.takeZeros(out, RANK));
        }

        private Tensor random(String name, int rows, int cols) {
            Philox philox = new Philox(9, name.hashCode());
            float[] values = new float[rows * cols];
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) (0.6 + 0.3 * philox.gaussian(i));
            }
            Tensor tensor = memory.take(rows, cols);
            ops.fromHost(values, tensor);
            return tensor;
        }

        private Tensor gates(String name, int n) {
            float[] values = RandomModel.host(ops, random(name, 1, n));
            boolean[] dead = dead(name, n);
            for (int i = 0; i < n; i++) {
                values[i] = dead[i] ? 0 : values[i];
            }
            Tensor tensor = memory.take(1, n);
            ops.fromHost(values, tensor);
            return tensor;
        }

        /// @return FFN gates of which the first `zeros` are 0
        Tensor ffnGates(int zeros) {
            float[] values = new float[FFN];
            Arrays.fill(values, zeros, FFN, 1);
            Tensor tensor = memory.take(1, FFN);
            ops.fromHost(values, tensor);
            return tensor;
        }

        int liveFfn(int layer) {
            int live = 0;
            for (boolean isDead : dead("ffn." + layer, FFN)) {
                live += isDead ? 0 : 1;
            }
            return live;
        }

        private static boolean isDeadChannel(int layer, int channel) {
            return switch (layer) {
                case 0, 2 -> new Philox(7, layer).uniformFloat(channel) < 0.4;
                case 1, 4 -> true;
                default -> false;
            };
        }

        /// Which entries of a gate or a factor belong to heads or channels that are gated to 0. A key/value head does
        /// where all its readers do.
        boolean[] dead(String name, int length) {
            boolean[] dead = new boolean[length];
            if (name.equals("hidden")) {
                return dead;
            }
            int layer = Integer.parseInt(name.replaceAll("\\D+", ""));
            boolean isA = name.endsWith(".A");
            boolean isB = name.endsWith(".B");
            int[] kvOfQuery = shape.layers().get(layer).headMap().kvOfQuery();
            for (int i = 0; i < length; i++) {
                int unit = isB ? i / RANK : isA ? i % (length / RANK) : i;
                dead[i] = name.startsWith("heads.") && DEAD_HEADS.get(layer).contains(unit)
                        || name.startsWith("ffn.") && isDeadChannel(layer, unit)
                        || (isB && name.contains("q_proj") || isA && name.contains("o_proj"))
                                && DEAD_HEADS.get(layer).contains(unit / HEAD_DIM)
                        || isB && (name.contains("k_proj") || name.contains("v_proj"))
                                && isUnread(kvOfQuery, unit / HEAD_DIM, DEAD_HEADS.get(layer))
                        || (isB && (name.contains("gate_proj") || name.contains("up_proj"))
                                        || isA && name.contains("down_proj"))
                                && isDeadChannel(layer, unit);
            }
            return dead;
        }

        private static boolean isUnread(int[] kvOfQuery, int kv, Set<Integer> deadHeads) {
            for (int head = 0; head < kvOfQuery.length; head++) {
                if (kvOfQuery[head] == kv && !deadHeads.contains(head)) {
                    return false;
                }
            }
            return true;
        }

        Map<String, float[]> gradients() {
            Map<String, float[]> all = new LinkedHashMap<>();
            for (int i = 0; i < shape.layers().size(); i++) {
                all.put("heads." + i, RandomModel.host(ops, pass.gateGradients().heads().get(i)));
                all.put("ffn." + i, RandomModel.host(ops, pass.gateGradients().ffn().get(i)));
            }
            all.put("hidden", RandomModel.host(ops, pass.gateGradients().hidden()));
            pass.adapters().byModule().forEach((module, adapter) -> {
                all.put(module + ".A", RandomModel.host(ops, adapter.dA()));
                all.put(module + ".B", RandomModel.host(ops, adapter.dB()));
            });
            return all;
        }

        @Override
        public void close() {
            memory.close();
        }
    }
}
