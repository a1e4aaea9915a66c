package espalier.tokenizer;

import java.util.Arrays;
import java.util.concurrent.ThreadLocalRandom;

/// A hash map from non-negative longs to non-negative ints with open addressing; read by many threads once filled.
final class LongIntMap {
    /// What [#get] returns for a key that is absent.
    static final int ABSENT = -1;

    /// So that no file can be made whose keys collide; results do not depend on it.
    private static final long SEED = ThreadLocalRandom.current().nextLong();

    private long[] keys;
    private int[] values;
    private int size;

    LongIntMap(int expected) {
        allocate(Math.max(16, Integer.highestOneBit(Math.max(1, expected)) << 2));
    }

    /// Two ids as one key.
    static long pair(int left, int right) {
        return (long) left << 32 | right;
    }

    int get(long key) {
        return values[slot(key)];
    }

    void put(long key, int value) {
        int slot = slot(key);
        if (values[slot] == ABSENT) {
            if (2 * (size + 1) > keys.length) {
                grow();
                slot = slot(key);
            }
            size++;
        }
        keys[slot] = key;
        values[slot] = value;
    }

    /// The slot that holds the key, or the free one where it belongs.
    private int slot(long key) {
        int mask = keys.length - 1;
        long hash = (key ^ SEED) * 0x9E3779B97F4A7C15L;
        hash = (hash ^ hash >>> 32) * 0xD6E8FEB86659FD93L;
        int slot = (int) (hash ^ hash >>> 32) & mask;
        while (values[slot] != ABSENT && keys[slot] != key) {
            slot = slot + 1 & mask;
        }
        return slot;
    }

    private void grow() {
        long[] oldKeys = keys;
        int[] oldValues = values;
        allocate(oldKeys.length * 2);
        for (int i = 0; i < oldKeys.length; i++) {
            if (oldValues[i] != ABSENT) {
                int slot = slot(oldKeys[i]);
                keys[slot] = oldKeys[i];
                values[slot] = oldValues[i];
            }
        }
    }

    private void allocate(int capacity) {
        keys = new long[capacity];
        values = new int[capacity];
        Arrays.fill(values, ABSENT);
    }
}
