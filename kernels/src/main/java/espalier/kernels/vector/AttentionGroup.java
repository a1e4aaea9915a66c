package espalier.kernels.vector;

import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import java.util.ArrayList;
import java.util.List;

/// The query heads of a sequence that read the same key/value head.
///
/// @param sequence number of the sequence
/// @param firstRow its first query row, in the tensor
/// @param rows its query rows, at least 1
/// @param past keys before the first row's own
/// @param head first query head
/// @param heads query heads, at least 1
/// @param kvHead the key/value head
record AttentionGroup(int sequence, int firstRow, int rows, int past, int head, int heads, int kvHead) {
    static List<AttentionGroup> of(int[] queryStart, int[] keyLength, HeadMap map) {
        List<AttentionGroup> groups = new ArrayList<>();
        int[] kvOfQuery = map.kvOfQuery();
        for (int s = 0; s < keyLength.length; s++) {
            int rows = queryStart[s + 1] - queryStart[s];
            for (int head = 0, next; head < kvOfQuery.length && rows > 0; head = next) {
                next = endOfGroup(kvOfQuery, head);
                groups.add(new AttentionGroup(
                        s, queryStart[s], rows, keyLength[s] - rows, head, next - head, kvOfQuery[head]));
            }
        }
        return groups;
    }

    static List<AttentionGroup> of(KeyValues kv, HeadMap map) {
        return of(kv.queryStart(), kv.keyLength(), map);
    }

    private static int endOfGroup(int[] kvOfQuery, int head) {
        int end = head + 1;
        while (end < kvOfQuery.length && kvOfQuery[end] == kvOfQuery[head]) {
            end++;
        }
        return end;
    }

    /// @return keys that the last row sees
    int keys() {
        return past + rows;
    }

    /// @return query vectors
    int lanes() {
        return Math.multiplyExact(rows, heads);
    }

    /// @return blocks of lanes
    int blocks() {
        return Math.ceilDiv(lanes(), AttentionLanes.COUNT);
    }

    AttentionLanes block(int i, int width) {
        int first = i * AttentionLanes.COUNT;
        return new AttentionLanes(firstRow, past, head, heads, first,
                Math.min(AttentionLanes.COUNT, lanes() - first), width);
    }
}
