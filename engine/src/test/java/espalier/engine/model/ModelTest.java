package espalier.engine.model;

import static espalier.engine.testing.Compare.assertClose;
import static espalier.engine.testing.Compare.relativeError;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.model.Adapters;
import espalier.engine.model.LoraAdapter;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.Checkpoint;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.StoredType;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What holds of a forward pass whatever the weights: caches, batches, limits, skipped layers, idle adapters.
class ModelTest {
    private static final int CONTEXT = 300;
    private static final ModelShape SHAPE = new ModelShape(
            23, 12, List.of(new LayerShape(new int[] {1, 3}, 4, 9), new LayerShape(new int[0], 4, 7),
                    LayerShape.uniform(4, 2, 4, 0), LayerShape.uniform(4, 4, 4, 8)),
            true, new ModelShape.Biases(true, true, true), 1e-5, 10_000, CONTEXT);
    private static final int VOCAB = SHAPE.vocab();

    @TempDir
    Path folder;

    private static float[] next(Model model, int[] ids, KvCache cache, int sequence) {
        return RandomModel.logits(model, Batch.next(ids, cache, sequence));
    }

    /// Across two borders of pages, with unequal groups, a layer without heads and one without channels.
    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void decodingWithACacheIsReadingAtOnce(Backends.Choice choice) {
        int length = 2 * KvCache.PAGE_ROWS + 9;
        int[] ids = RandomModel.ids(SHAPE, 1, length, 1)[0];
        try (Ops ops = Backends.open(choice, 2); RandomModel random = new RandomModel(SHAPE, 7);
                Model model = Model.load(random, SHAPE, ops); KvCache cache = new KvCache(SHAPE, ops)) {
            float[] atOnce = RandomModel.logits(model, Batch.of(ids));
            int oneByOne = cache.newSequence();
            for (int i = 0; i < length; i++) {
                float[] logits = next(model, new int[] {ids[i]}, cache, oneByOne);
                assertClose("token " + i, row(atOnce, i), logits, 1e-5);
                assertEquals(i + 1, cache.length(oneByOne));
            }
            int inPieces = cache.newSequence();
            int[] ends = {0, 1, 100, 127, 129, 200, 256, 257, length};
            for (int i = 1; i < ends.length; i++) {
                float[] logits = next(model, Arrays.copyOfRange(ids, ends[i - 1], ends[i]), cache, inPieces);
                assertClose("piece " + i,
                        Arrays.copyOfRange(atOnce, ends[i - 1] * VOCAB, ends[i] * VOCAB), logits, 1e-5);
            }
        }
    }

    private static float[] row(float[] logits, int row) {
        return Arrays.copyOfRange(logits, row * VOCAB, (row + 1) * VOCAB);
    }

    /// Plain loops give the same bits. Vector kernels add up in another order for another number of rows, so there the
    /// difference is that of rounding: a batch is reproducible, but only as a whole.
    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void sequencesOfABatchDoNotSeeEachOther(Backends.Choice choice) {
        int[][] ids = {
            RandomModel.ids(SHAPE, 1, 5, 1)[0], RandomModel.ids(SHAPE, 1, 131, 2)[0], RandomModel.ids(SHAPE, 1, 1, 3)[0]
        };
        try (Ops ops = Backends.open(choice, 2); RandomModel random = new RandomModel(SHAPE, 7);
                Model model = Model.load(random, SHAPE, ops); KvCache cache = new KvCache(SHAPE, ops)) {
            double tolerance = choice == Backends.Choice.SCALAR ? 0 : 1e-6;
            float[] together = RandomModel.logits(model, Batch.of(ids));
            int from = 0;
            for (int[] sequence : ids) {
                float[] part = Arrays.copyOfRange(together, from * VOCAB, (from + sequence.length) * VOCAB);
                assertClose("alone", RandomModel.logits(model, Batch.of(sequence)), part, tolerance);
                from += sequence.length;
            }
            // The same with a cache, in which the sequences have different lengths already.
            int a = cache.newSequence();
            int b = cache.newSequence();
            next(model, Arrays.copyOf(ids[1], 126), cache, a);
            next(model, Arrays.copyOf(ids[0], 2), cache, b);
            int[] tokens = {ids[0][2], ids[0][3], ids[0][4], ids[1][126], ids[1][127], ids[1][128], ids[1][129]};
            Batch both = new Batch(tokens, new int[] {0, 3, 7}, new int[] {2, 3, 4, 126, 127, 128, 129},
                    Optional.of(new Batch.KvSlots(cache, new int[] {b, a})));
            float[] continued = RandomModel.logits(model, both);
            assertClose("shorter", Arrays.copyOfRange(together, 2 * VOCAB, 5 * VOCAB),
                    Arrays.copyOf(continued, 3 * VOCAB), 1e-5);
            assertClose("longer, across a page", Arrays.copyOfRange(together, 131 * VOCAB, 135 * VOCAB),
                    Arrays.copyOfRange(continued, 3 * VOCAB, 7 * VOCAB), 1e-5);
            assertEquals(List.of(5, 130), List.of(cache.length(b), cache.length(a)));
        }
    }

    @Test
    void whatABatchMayHold() {
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1); RandomModel random = new RandomModel(SHAPE, 7);
                Model model = Model.load(random, SHAPE, ops); KvCache cache = new KvCache(SHAPE, ops)) {
            String tooLong = "301 tokens exceed the model's context of 300";
            assertEquals(tooLong, error(() -> RandomModel.logits(model, Batch.of(new int[CONTEXT + 1]))));
            assertTrue(RandomModel.logits(model, Batch.of(new int[CONTEXT])).length > 0);
            int sequence = cache.newSequence();
            next(model, new int[CONTEXT], cache, sequence);
            assertEquals(tooLong, error(() -> next(model, new int[1], cache, sequence)));
            assertEquals(CONTEXT, cache.length(sequence), "nothing was counted");
            assertEquals("token id 23 is not in the vocabulary of 23",
                    error(() -> RandomModel.logits(model, Batch.of(new int[] {1, VOCAB}))));
            assertEquals("token id -1 is not in the vocabulary of 23",
                    error(() -> RandomModel.logits(model, Batch.of(new int[] {-1}))));
            Batch negative = new Batch(new int[] {1}, new int[] {0, 1}, new int[] {-1}, Optional.empty());
            assertTrue(error(() -> RandomModel.logits(model, negative)).contains("-1"));

            int other = cache.newSequence();
            assertEquals("tokens of sequence 1 must be positive, got 0",
                    error(() -> new Batch(new int[2], new int[] {0, 2, 2}, new int[] {0, 1}, Optional.empty())));
            assertEquals("a batch of 2 sequences continues [1, 1] of the cache",
                    error(() -> continued(cache, new int[] {0, 1, 2}, new int[] {0, 1}, other, other)));
            assertEquals("a batch of 1 sequences continues [] of the cache",
                    error(() -> continued(cache, new int[] {0, 2}, new int[] {0, 1})));
            assertEquals("token 1 continues sequence 1 at position 2, expected 1",
                    error(() -> continued(cache, new int[] {0, 2}, new int[] {0, 2}, other)));
        }
    }

    private static Batch continued(KvCache cache, int[] start, int[] positions, int... sequences) {
        return new Batch(new int[2], start, positions, Optional.of(new Batch.KvSlots(cache, sequences)));
    }

    @Test
    void headsOfOneSize() {
        ModelShape mixed = SHAPE.withWidths(
                12, List.of(LayerShape.uniform(2, 2, 4, 3), LayerShape.uniform(2, 2, 8, 3)));
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1); RandomModel random = new RandomModel(mixed, 7)) {
            assertEquals("layers have heads of [4, 8] channels; a model with more than one head_dim cannot be run",
                    error(() -> Model.load(random, mixed, ops)));
        }
    }

    private static String error(Runnable run) {
        return assertThrows(IllegalArgumentException.class, run::run).getMessage();
    }

    @Test
    void aBackwardNeedsLayerInputsAndNoCache() {
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1); RandomModel random = new RandomModel(SHAPE, 7);
                Model model = Model.load(random, SHAPE, ops); KvCache cache = new KvCache(SHAPE, ops);
                Workspace ws = ops.newWorkspace()) {
            Pass pass = Pass.plain(4);
            Tensor dNormed = ws.takeZeros(2, 12);
            Hidden nothing = model.forward(Batch.of(new int[] {1, 2}), pass, Keep.NOTHING, ws);
            Hidden cached = model.forward(
                    Batch.next(new int[] {1, 2}, cache, cache.newSequence()), pass, Keep.LAYER_INPUTS, ws);
            for (Hidden hidden : List.of(nothing, cached)) {
                var e = assertThrows(IllegalStateException.class,
                        () -> model.backward(hidden, dNormed, StateGradients.NONE, pass, ws));
                assertEquals("a backward needs a forward that kept its layer inputs, without a cache", e.getMessage());
            }
        }
    }

    /// Check 12: adapters whose B is zero change no bit.
    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void adaptersStartAsTheIdentity(Backends.Choice choice) {
        Batch batch = Batch.of(RandomModel.ids(SHAPE, 2, 9, 1));
        try (Ops ops = Backends.open(choice, 2); RandomModel random = new RandomModel(SHAPE, 7);
                Model model = Model.load(random, SHAPE, ops); Workspace ws = ops.newWorkspace()) {
            Map<String, LoraAdapter> zero = new HashMap<>();
            Map<String, LoraAdapter> one = new HashMap<>();
            for (int layer = 0; layer < 4; layer++) {
                for (Site site : Site.values()) {
                    TensorShape weight = Architecture.LLAMA.graph(SHAPE).tensor(site.module(layer) + ".weight");
                    Tensor a = ws.take(3, weight.cols());
                    ops.fill(a, 0.5f);
                    Tensor b = ws.takeZeros(weight.rows(), 3);
                    zero.put(site.module(layer), LoraAdapter.frozen(a, b, 2));
                    Tensor ones = ws.take(weight.rows(), 3);
                    ops.fill(ones, 0.1f);
                    one.put(site.module(layer), LoraAdapter.frozen(a, ones, 2));
                }
            }
            float[] plain = RandomModel.logits(model, batch);
            float[] adapted = RandomModel.logits(model, batch, Pass.frozen(Gates.open(4), new Adapters(zero)));
            assertArrayEquals(plain, adapted);
            float[] other = RandomModel.logits(model, batch, Pass.frozen(Gates.open(4), new Adapters(one)));
            assertTrue(relativeError(other, plain) > 0.1, "adapters are in use");
        }
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void skippedLayersAndClosedGates(Backends.Choice choice) {
        Batch batch = Batch.of(RandomModel.ids(SHAPE, 2, 9, 1));
        try (Ops ops = Backends.open(choice, 2); RandomModel random = new RandomModel(SHAPE, 7);
                Model model = Model.load(random, SHAPE, ops); Workspace ws = ops.newWorkspace()) {
            Gates open = Gates.open(4);
            Gates skipping = new Gates(open.heads(), open.ffn(), Tensor.NONE, Set.of(0, 2), 0);
            for (Keep keep : List.of(Keep.NOTHING, Keep.LAYER_INPUTS, Keep.lastLayers(2), Keep.ACTIVATIONS)) {
                Hidden hidden = model.forward(batch, Pass.frozen(skipping, Adapters.NONE), keep, ws);
                if (keep != Keep.NOTHING) {
                    assertEquals(5, hidden.states().size());
                    assertEquals(hidden.states().get(0), hidden.states().get(1), "the stream passes unchanged");
                    assertEquals(hidden.states().get(2), hidden.states().get(3));
                }
                assertClose("skipping, " + keep, RandomModel.host(ops, withoutLayers(random, ops, batch, ws)),
                        RandomModel.host(ops, hidden.normed()), 0);
            }
            Tensor ones = ws.take(1, 12);
            ops.fill(ones, 1);
            Gates hidden = new Gates(open.heads(), open.ffn(), ones, Set.of(), 0);
            assertClose("open gates", RandomModel.logits(model, batch),
                    RandomModel.logits(model, batch, Pass.frozen(hidden, Adapters.NONE)), 1e-6);
            Gates divided = new Gates(open.heads(), open.ffn(), Tensor.NONE, Set.of(), 6);
            assertTrue(relativeError(RandomModel.logits(model, batch, Pass.frozen(divided, Adapters.NONE)),
                    RandomModel.logits(model, batch)) > 0.1, "the divisor counts");
        }
    }

    /// A model of layers 1 and 3 only.
    private static Tensor withoutLayers(RandomModel random, Ops ops, Batch batch, Workspace ws) {
        ModelShape two = SHAPE.withWidths(12, List.of(SHAPE.layers().get(1), SHAPE.layers().get(3)));
        try (RandomModel rest = new RandomModel(two, 0)) {
            rest.values().replaceAll((name, values) -> random.values().get(
                    name.replace("layers.1.", "layers.3.").replace("layers.0.", "layers.1.")));
            try (Model model = Model.load(rest, two, ops)) {
                return model.forward(batch, Pass.plain(2), Keep.NOTHING, ws).normed();
            }
        }
    }

    @Test
    void weightsThatAreNotFiniteAreFound() throws IOException {
        try (RandomModel random = new RandomModel(SHAPE, 7)) {
            random.values().get("model.layers.3.mlp.up_proj.weight")[5] = Float.NaN;
            random.write(folder.resolve("m"), StoredType.BF16);
        }
        try (Checkpoint checkpoint = Checkpoint.open(folder.resolve("m"))) {
            var e = assertThrows(CheckpointException.class, () -> checkpoint.checkFinite(bytes -> {}));
            assertEquals(folder.resolve("m/model.safetensors") + ": tensor model.layers.3.mlp.up_proj.weight [8, 12]"
                    + " has NaN at flat index 5, expected finite weights", e.getMessage());
        }
    }
}
