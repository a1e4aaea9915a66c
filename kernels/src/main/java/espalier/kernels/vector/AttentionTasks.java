package espalier.kernels.vector;

import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import java.util.Arrays;

/// How attention is cut into tasks: blocks of query rows with all heads that share a key/value head. The cut depends on
/// the shapes alone.
final class AttentionTasks {
    /// For each task its sequence, first row in the sequence, rows, first head, heads.
    private static final int FIELDS = 5;

    private int[] fields = new int[64 * FIELDS];
    private int count;

    private AttentionTasks() {}

    static AttentionTasks forward(KeyValues kv, HeadMap heads) {
        AttentionTasks tasks = new AttentionTasks();
        int[] kvOfQuery = heads.kvOfQuery();
        for (int s = 0; s < kv.sequences(); s++) {
            int rows = kv.queryStart()[s + 1] - kv.queryStart()[s];
            for (int head = 0, next; head < kvOfQuery.length; head = next) {
                next = endOfGroup(kvOfQuery, head);
                int step = Attention.rowsOfBlock((long) kv.keyLength()[s] * (next - head));
                // The last rows see the most keys; they go first, so that what is left at the end is short.
                for (int row = (rows + step - 1) / step * step - step; row >= 0; row -= step) {
                    tasks.add(s, row, Math.min(step, rows - row), head, next - head);
                }
            }
        }
        return tasks;
    }

    /// @return one past the last query head that reads the same key/value head
    static int endOfGroup(int[] kvOfQuery, int head) {
        int end = head + 1;
        while (end < kvOfQuery.length && kvOfQuery[end] == kvOfQuery[head]) {
            end++;
        }
        return end;
    }

    private void add(int... task) {
        if ((count + 1) * FIELDS > fields.length) {
            fields = Arrays.copyOf(fields, 2 * fields.length);
        }
        System.arraycopy(task, 0, fields, count * FIELDS, FIELDS);
        count++;
    }

    int count() {
        return count;
    }

    int sequence(int task) {
        return fields[task * FIELDS];
    }

    /// First query row, counted in the sequence.
    int firstRow(int task) {
        return fields[task * FIELDS + 1];
    }

    int rows(int task) {
        return fields[task * FIELDS + 2];
    }

    int firstHead(int task) {
        return fields[task * FIELDS + 3];
    }

    /// Query heads, all reading the same key/value head.
    int heads(int task) {
        return fields[task * FIELDS + 4];
    }

    /// @param keys scores of a row
    /// @return floats between rows of scores
    static int padded(int keys) {
        return Math.ceilDiv(keys, AttentionKernels.PADDING) * AttentionKernels.PADDING;
    }
}
