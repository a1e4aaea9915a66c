package espalier.kernels.vector;

import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import java.util.Arrays;

/// How attention is cut into tasks: blocks of query rows of a head, or, where a block has one row, all heads that share a
/// key/value head. The cut depends on the shapes alone.
final class AttentionTasks {
    /// For each task its sequence, first row in the sequence, rows, first head, heads.
    private static final int FIELDS = 5;

    private int[] fields = new int[64 * FIELDS];
    private int count;

    private AttentionTasks() {}

    static AttentionTasks forward(KeyValues kv, HeadMap heads) {
        AttentionTasks tasks = new AttentionTasks();
        for (int s = 0; s < kv.sequences(); s++) {
            int rows = kv.queryStart()[s + 1] - kv.queryStart()[s];
            int step = Attention.rowsOfBlock(kv.keyLength()[s]);
            // The last rows see the most keys; they go first, so that what is left at the end is short.
            for (int row = (rows + step - 1) / step * step - step; row >= 0; row -= step) {
                int take = Math.min(step, rows - row);
                if (take == 1) {
                    tasks.addGroups(s, row, heads);
                } else {
                    for (int head = 0; head < heads.heads(); head++) {
                        tasks.add(s, row, take, head, 1);
                    }
                }
            }
        }
        return tasks;
    }

    private void addGroups(int sequence, int row, HeadMap heads) {
        int[] kvOfQuery = heads.kvOfQuery();
        for (int head = 0, next; head < kvOfQuery.length; head = next) {
            next = head + 1;
            while (next < kvOfQuery.length && kvOfQuery[next] == kvOfQuery[head]) {
                next++;
            }
            add(sequence, row, 1, head, next - head);
        }
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

    /// More than 1 only where there is one row.
    int heads(int task) {
        return fields[task * FIELDS + 4];
    }

    /// @param keys scores of a row
    /// @return floats between rows of scores
    static int padded(int keys) {
        return Math.ceilDiv(keys, AttentionKernels.PADDING) * AttentionKernels.PADDING;
    }
}
