package espalier.tokenizer;

import java.util.Arrays;

/// Pairs of ids with their counts and places: a binary heap with the most frequent pair on top; of equally frequent
/// ones that with the lower left id, then with the lower right id.
final class PairQueue {
    private static final int GONE = -1;

    private final LongIntMap indexes = new LongIntMap(1 << 12);
    private long[] keys = new long[1 << 12]; // [pairs]
    private long[] counts = new long[1 << 12]; // [pairs]
    private IdList[] places = new IdList[1 << 12]; // [pairs]
    private int[] slots = new int[1 << 12]; // [pairs], where in the heap a pair is, or GONE once it was taken
    private int[] heap = new int[1 << 12]; // [size]
    private int pairs;
    private int size;

    boolean isEmpty() {
        return size == 0;
    }

    long topCount() {
        return counts[heap[0]];
    }

    int topLeft() {
        return (int) (keys[heap[0]] >>> 32);
    }

    int topRight() {
        return (int) keys[heap[0]];
    }

    /// Takes the top pair out for good.
    ///
    /// @return the places that were added for it, in the order of adding
    int[] pop() {
        int top = heap[0];
        int[] found = places[top].toArray();
        places[top] = null;
        slots[top] = GONE;
        int last = heap[--size];
        if (size > 0) {
            put(0, last);
            down(0);
        }
        return found;
    }

    /// Counts a pair at one more place. A pair that was taken out stays out.
    void add(int left, int right, long count, int place) {
        long key = LongIntMap.pair(left, right);
        int pair = indexes.get(key);
        if (pair == LongIntMap.ABSENT) {
            pair = newPair(key);
        }
        if (slots[pair] != GONE) {
            counts[pair] += count;
            places[pair].add(place);
            up(slots[pair]);
        }
    }

    /// Takes off what was counted at one place.
    void remove(int left, int right, long count) {
        int pair = indexes.get(LongIntMap.pair(left, right));
        if (slots[pair] != GONE) {
            counts[pair] -= count;
            down(slots[pair]);
        }
    }

    private int newPair(long key) {
        if (pairs == keys.length) {
            int capacity = Math.addExact(pairs, pairs);
            keys = Arrays.copyOf(keys, capacity);
            counts = Arrays.copyOf(counts, capacity);
            places = Arrays.copyOf(places, capacity);
            slots = Arrays.copyOf(slots, capacity);
            heap = Arrays.copyOf(heap, capacity);
        }
        int pair = pairs++;
        indexes.put(key, pair);
        keys[pair] = key;
        places[pair] = new IdList();
        put(size++, pair);
        return pair;
    }

    private boolean isBefore(int a, int b) {
        return counts[a] != counts[b] ? counts[a] > counts[b] : keys[a] < keys[b];
    }

    private void put(int slot, int pair) {
        heap[slot] = pair;
        slots[pair] = slot;
    }

    private void up(int slot) {
        int pair = heap[slot];
        int hole = slot;
        while (hole > 0 && isBefore(pair, heap[(hole - 1) >>> 1])) {
            put(hole, heap[(hole - 1) >>> 1]);
            hole = (hole - 1) >>> 1;
        }
        put(hole, pair);
    }

    private void down(int slot) {
        int pair = heap[slot];
        int hole = slot;
        while (2 * hole + 1 < size) {
            int child = 2 * hole + 1;
            if (child + 1 < size && isBefore(heap[child + 1], heap[child])) {
                child++;
            }
            if (!isBefore(heap[child], pair)) {
                break;
            }
            put(hole, heap[child]);
            hole = child;
        }
        put(hole, pair);
    }
}
