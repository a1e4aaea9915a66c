package espalier.engine.model;

import espalier.engine.weights.LayerShape;
import espalier.kernels.Check;
import espalier.kernels.KeyValues;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Keys and values of the tokens seen so far, in pages of a fixed number of positions for each layer.
///
/// Sequences may come and go: the pages of one that is freed are used for others before new memory is taken, so the
/// cache holds as much as the most positions that were ever in it at once need. A sequence that is not in the cache,
/// because it was freed or never begun, is an [IllegalArgumentException] wherever it is named.
///
/// For one thread at a time.
public final class KvCache implements AutoCloseable {
    /// Positions of a page.
    public static final int PAGE_ROWS = 128;

    private final Ops ops;
    private final List<LayerShape> layers;
    private final int maxPositions;
    private final Workspace memory;
    private final Map<Integer, Sequence> sequences = new HashMap<>();
    /// Pages of freed sequences, by their width; any layer of that width can use them, for keys or for values.
    private final Map<Integer, Deque<Tensor>> freePages = new HashMap<>();
    private int begun;

    private static final class Sequence {
        int length;
        /// `[layers][pages]`, each `[PAGE_ROWS, kvHeads * headDim]`.
        final List<List<Tensor>> keys = new ArrayList<>();
        final List<List<Tensor>> values = new ArrayList<>();
    }

    /// @param shape of the model
    /// @param ops the backend
    public KvCache(ModelShape shape, Ops ops) {
        this.ops = ops;
        this.layers = shape.layers();
        this.maxPositions = shape.maxPositions();
        this.memory = ops.newWorkspace();
    }

    /// @return a new empty sequence; never one that was freed, so that a stale one is noticed
    public int newSequence() {
        Sequence sequence = new Sequence();
        for (int layer = 0; layer < layers.size(); layer++) {
            sequence.keys.add(new ArrayList<>());
            sequence.values.add(new ArrayList<>());
        }
        sequences.put(begun, sequence);
        return begun++;
    }

    private Sequence sequence(int index) {
        Sequence sequence = sequences.get(index);
        if (sequence == null) {
            throw new IllegalArgumentException("sequence %d is not in the cache: it %s"
                    .formatted(index, index >= 0 && index < begun ? "was freed" : "was never begun"));
        }
        return sequence;
    }

    /// @param sequence from [#newSequence]
    /// @return tokens seen
    public int length(int sequence) {
        return sequence(sequence).length;
    }

    /// Forgets a sequence; its memory is kept for the tokens of others.
    ///
    /// @param sequence from [#newSequence]
    public void free(int sequence) {
        Sequence freed = sequence(sequence);
        for (int layer = 0; layer < layers.size(); layer++) {
            Deque<Tensor> pages = freePages(layer);
            pages.addAll(freed.keys.get(layer));
            pages.addAll(freed.values.get(layer));
        }
        sequences.remove(sequence);
    }

    private Deque<Tensor> freePages(int layer) {
        return freePages.computeIfAbsent(layers.get(layer).kvWidth(), width -> new ArrayDeque<>());
    }

    /// @return bytes of memory that the cache holds, used or not
    public long heldBytes() {
        return memory.heldBytes();
    }

    /// Makes room for the tokens of a batch; to be called once before the layers add theirs.
    ///
    /// @param batch continues sequences of this cache
    /// @throws IllegalArgumentException if a sequence would outgrow the model's context or is not in the cache
    void reserve(Batch batch) {
        int[] slots = batch.cache().orElseThrow().sequences();
        for (int s = 0; s < slots.length; s++) {
            Sequence sequence = sequence(slots[s]);
            int needed = sequence.length + batch.sequenceStart()[s + 1] - batch.sequenceStart()[s];
            if (needed > maxPositions) {
                throw new IllegalArgumentException(
                        "%d tokens exceed the model's context of %d".formatted(needed, maxPositions));
            }
            for (int layer = 0; layer < layers.size(); layer++) {
                grow(sequence.keys.get(layer), layer, needed);
                grow(sequence.values.get(layer), layer, needed);
            }
        }
    }

    private void grow(List<Tensor> pages, int layer, int positions) {
        Deque<Tensor> free = freePages(layer);
        while (pages.size() * PAGE_ROWS < positions) {
            pages.add(free.isEmpty() ? memory.take(PAGE_ROWS, layers.get(layer).kvWidth()) : free.removeLast());
        }
    }

    /// Adds the keys and values of a batch's tokens in one layer.
    ///
    /// @param layer index of the layer
    /// @param batch continues sequences of this cache
    /// @param k `[tokens, kvHeads * headDim]`, rotated
    /// @param v like `k`
    /// @return all keys and values of the batch's sequences, these included
    KeyValues append(int layer, Batch batch, Tensor k, Tensor v) {
        int[] slots = batch.cache().orElseThrow().sequences();
        int[] lengths = new int[slots.length];
        Tensor[][] keys = new Tensor[slots.length][];
        Tensor[][] values = new Tensor[slots.length][];
        for (int s = 0; s < slots.length; s++) {
            Sequence sequence = sequence(slots[s]);
            int from = batch.sequenceStart()[s];
            int to = batch.sequenceStart()[s + 1];
            store(sequence.keys.get(layer), sequence.length, k, from, to);
            store(sequence.values.get(layer), sequence.length, v, from, to);
            lengths[s] = sequence.length + to - from;
            keys[s] = sequence.keys.get(layer).toArray(Tensor[]::new);
            values[s] = sequence.values.get(layer).toArray(Tensor[]::new);
        }
        return new KeyValues(batch.sequenceStart(), lengths, PAGE_ROWS, keys, values);
    }

    private void store(List<Tensor> pages, int position, Tensor rows, int from, int to) {
        int row = from;
        while (row < to) {
            int inPage = (position + row - from) % PAGE_ROWS;
            int count = Math.min(to - row, PAGE_ROWS - inPage);
            Tensor page = pages.get((position + row - from) / PAGE_ROWS);
            ops.copy(page.rowRange(inPage, inPage + count), rows.rowRange(row, row + count));
            row += count;
        }
    }

    /// Counts the tokens of a batch as seen; to be called once after the layers have added theirs.
    ///
    /// @param batch continues sequences of this cache
    void advance(Batch batch) {
        int[] slots = batch.cache().orElseThrow().sequences();
        for (int s = 0; s < slots.length; s++) {
            sequence(slots[s]).length += batch.sequenceStart()[s + 1] - batch.sequenceStart()[s];
        }
    }

    /// @param shape of the model
    /// @param positions tokens of one sequence
    /// @return bytes that one sequence of this length takes
    public static long bytes(ModelShape shape, int positions) {
        Check.notNegative("positions", positions);
        long rows = (long) Math.ceilDiv(positions, PAGE_ROWS) * PAGE_ROWS;
        long width = shape.layers().stream().mapToLong(LayerShape::kvWidth).sum();
        return 2 * rows * width * Float.BYTES;
    }

    @Override
    public void close() {
        memory.close();
    }
}
