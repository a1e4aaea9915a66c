package espalier.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.testing.RandomModel;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Backends;
import espalier.kernels.KeyValues;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Sequences that come and go in one cache.
class KvCacheTest {
    private static final int CONTEXT = 300;
    /// Key widths of 8, 0, 16 and 8.
    private static final ModelShape SHAPE = new ModelShape(
            23, 12, List.of(LayerShape.uniform(4, 2, 4, 9), new LayerShape(new int[0], 4, 7),
                    LayerShape.uniform(4, 4, 4, 8), new LayerShape(new int[] {1, 3}, 4, 3)),
            true, new ModelShape.Biases(true, true, true), 1e-5, 10_000, CONTEXT);

    /// The logits of a sequence that is read in two pieces.
    private static float[] logits(Model model, int[] ids, int cut, KvCache cache, int sequence) {
        float[] first = RandomModel.logits(model, Batch.next(Arrays.copyOf(ids, cut), cache, sequence));
        float[] rest =
                RandomModel.logits(model, Batch.next(Arrays.copyOfRange(ids, cut, ids.length), cache, sequence));
        float[] all = Arrays.copyOf(first, first.length + rest.length);
        System.arraycopy(rest, 0, all, first.length, rest.length);
        return all;
    }

    /// Adds tokens without a model.
    ///
    /// @return the pages of the sequence
    private static Set<Tensor> add(KvCache cache, int sequence, int tokens, float value, Ops ops) {
        Batch batch = Batch.next(new int[tokens], cache, sequence);
        Set<Tensor> pages = fill(cache, batch, value, ops);
        cache.advance(batch);
        return pages;
    }

    /// Stores rows of one value that are not counted as seen.
    private static Set<Tensor> fill(KvCache cache, Batch batch, float value, Ops ops) {
        Set<Tensor> pages = new HashSet<>();
        try (Workspace ws = ops.newWorkspace()) {
            cache.reserve(batch);
            for (int layer = 0; layer < SHAPE.layers().size(); layer++) {
                Tensor rows = ws.take(batch.tokens(), SHAPE.layers().get(layer).kvWidth());
                ops.fill(rows, value);
                KeyValues stored = cache.append(layer, batch, rows, rows);
                pages.addAll(List.of(stored.keys()[0]));
                pages.addAll(List.of(stored.values()[0]));
            }
        }
        return pages;
    }

    /// The pages held NaN before, which shows in the logits even where it is multiplied by 0.
    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void reusedPagesGiveTheBitsOfFreshOnes(Backends.Choice choice) {
        int[] ids = RandomModel.ids(SHAPE, 1, KvCache.PAGE_ROWS + 9, 1)[0];
        int[] other = RandomModel.ids(SHAPE, 1, 2 * KvCache.PAGE_ROWS + 5, 2)[0];
        try (Ops ops = Backends.open(choice, 2); RandomModel random = new RandomModel(SHAPE, 7);
                Model model = Model.load(random, SHAPE, ops);
                KvCache fresh = new KvCache(SHAPE, ops); KvCache used = new KvCache(SHAPE, ops)) {
            float[] expected = logits(model, ids, 100, fresh, fresh.newSequence());
            float[] expectedOther = logits(model, other, 130, fresh, fresh.newSequence());

            int first = used.newSequence();
            int living = used.newSequence();
            add(used, first, 150, Float.NaN, ops);
            float[] livingStart = RandomModel.logits(model, Batch.next(Arrays.copyOf(other, 130), used, living));
            Set<Tensor> freed = add(used, first, CONTEXT - 150, Float.NaN, ops);
            used.free(first);
            int next = used.newSequence();
            Set<Tensor> reused = fill(used, Batch.next(ids, used, next), Float.NaN, ops);
            assertTrue(freed.containsAll(reused), reused + " are not all of " + freed);
            assertArrayEquals(expected, logits(model, ids, 100, used, next));
            float[] livingRest = RandomModel.logits(
                    model, Batch.next(Arrays.copyOfRange(other, 130, other.length), used, living));
            assertArrayEquals(Arrays.copyOf(expectedOther, livingStart.length), livingStart);
            assertArrayEquals(
                    Arrays.copyOfRange(expectedOther, livingStart.length, expectedOther.length), livingRest);
        }
    }

    /// Sequences that would take thirty times as much together as those that live at once.
    @Test
    void memoryStaysAtItsHighWaterMark() {
        int atOnce = 40;
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1); KvCache cache = new KvCache(SHAPE, ops)) {
            List<Integer> longest = new ArrayList<>();
            for (int i = 0; i < atOnce; i++) {
                longest.add(cache.newSequence());
                add(cache, longest.getLast(), CONTEXT, 1, ops);
            }
            long peak = cache.heldBytes();
            long needed = atOnce * KvCache.bytes(SHAPE, CONTEXT);
            assertTrue(peak >= needed && peak <= 2 * needed, peak + " bytes for " + needed);
            longest.forEach(cache::free);

            Philox random = new Philox(3, 0);
            List<Integer> living = new ArrayList<>();
            for (int i = 0; i < 2000; i++) {
                if (living.size() == atOnce) {
                    cache.free(living.remove(random.below(2 * i, atOnce)));
                }
                int sequence = cache.newSequence();
                assertEquals(0, cache.length(sequence));
                int length = 1 + random.below(2 * i + 1, CONTEXT);
                add(cache, sequence, length, 1, ops);
                assertEquals(length, cache.length(sequence));
                living.add(sequence);
                assertEquals(peak, cache.heldBytes(), "after sequence " + i);
            }
        }
    }

    @Test
    void aFreedSequenceIsAnError() {
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1); KvCache cache = new KvCache(SHAPE, ops)) {
            int freed = cache.newSequence();
            Batch batch = Batch.next(new int[2], cache, freed);
            cache.free(freed);
            int next = cache.newSequence();
            assertEquals(0, cache.length(next));
            String message = "sequence 0 is not in the cache: it was freed";
            assertEquals(message, error(() -> cache.length(freed)));
            assertEquals(message, error(() -> cache.free(freed)));
            assertEquals(message, error(() -> cache.reserve(batch)));
            assertEquals(message, error(() -> cache.append(1, batch, Tensor.NONE, Tensor.NONE)));
            assertEquals(message, error(() -> cache.advance(batch)));
            assertEquals(message, error(() -> Batch.next(new int[1], cache, freed)));
            assertEquals("sequence 2 is not in the cache: it was never begun", error(() -> cache.length(2)));
            assertEquals("sequence -1 is not in the cache: it was never begun", error(() -> cache.free(-1)));
        }
    }

    private static String error(Runnable run) {
        return assertThrows(IllegalArgumentException.class, run::run).getMessage();
    }
}
