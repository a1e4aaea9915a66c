package espalier.tokenizer;

import java.util.Arrays;

/// A growing list of token ids.
final class IdList {
    private int[] ids = new int[16];
    private int size;

    void add(int id) {
        reserve(1);
        ids[size++] = id;
    }

    void addAll(int[] more) {
        reserve(more.length);
        System.arraycopy(more, 0, ids, size, more.length);
        size += more.length;
    }

    int size() {
        return size;
    }

    int[] toArray() {
        return Arrays.copyOf(ids, size);
    }

    private void reserve(int more) {
        if (size + more > ids.length) {
            ids = Arrays.copyOf(ids, Math.max(size + more, ids.length + (ids.length >> 1)));
        }
    }
}
