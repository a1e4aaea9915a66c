package espalier.kernels.vector;

/// The products of attention on blocks of lanes, see [AttentionLanes].
final class AttentionProducts {
    private static final int ROWS = AttentionPanels.ROWS;
    private static final long BYTES = AttentionLanes.BYTES;

    private AttentionProducts() {}

    /// Products of keys, or of values, with the lanes' vectors: `[count, lanes]`.
    ///
    /// @param count keys, the first of a panel first
    /// @param width columns of a head
    /// @param panels from [AttentionPanels#packRows]
    /// @param offset of the first panel
    /// @param vectors `[width, lanes]`
    /// @param to =, whole panels
    static void scores(int count, int width, float[] panels, int offset, long vectors, long to) {
        for (int i = 0; i < count; i += ROWS) {
            GemmTile.sums(ROWS, width, panels, offset + i * width, vectors, to + i * BYTES);
        }
    }

    /// Sums over some keys of a weight times the key's or value's vector: `[width, lanes]`.
    ///
    /// @param keys how many are packed
    /// @param from first of those summed; with 0 the sums are set, otherwise added to
    /// @param count how many are summed
    /// @param width columns of a head
    /// @param panels from [AttentionPanels#packColumns]
    /// @param offset where they begin
    /// @param weights `[count, lanes]`
    /// @param to = or +=
    static void addValues(
            int keys, int from, int count, int width, float[] panels, int offset, long weights, long to) {
        for (int cut = 0, first = 0, next; cut < AttentionPanels.cuts(width); cut++, first = next) {
            next = AttentionPanels.cut(width, cut + 1);
            int rows = next - first;
            int panel = offset + first * keys + from * rows;
            if (from == 0) {
                GemmTile.sums(rows, count, panels, panel, weights, to + first * BYTES);
            } else {
                GemmTile.addSums(rows, count, panels, panel, weights, to + first * BYTES);
            }
        }
    }

    /// Sums over the lanes of a weight times the lane's vector, for each key: `[count, width]` in tiles.
    ///
    /// @param count keys
    /// @param lanes length of the sums
    /// @param width columns of a head
    /// @param weights `[count, lanes]`
    /// @param vectors from [AttentionLanes#gather]
    /// @param to tiles `[ROWS, AttentionLanes.COUNT]`, those of the same keys side by side, +=
    static void addLanes(int count, int lanes, int width, long weights, long vectors, long to) {
        int columns = AttentionLanes.panels(width);
        long tile = AttentionTiles.ROWS * BYTES;
        for (int i = 0; i < count; i += AttentionTiles.ROWS) {
            for (int j = 0; j < columns; j++) {
                AttentionTiles.addProduct(lanes, weights + i * BYTES, vectors + j * AttentionLanes.COUNT * BYTES,
                        to + ((long) (i / AttentionTiles.ROWS) * columns + j) * tile);
            }
        }
    }
}
