package espalier.kernels.vector;

import espalier.kernels.HeadMap;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import java.util.Arrays;
import java.util.List;

/// Gradients of [Attention], on scores in its layout, a few keys at a time. Probabilities are computed again from
/// `lse`.
///
/// A task is a group of query heads of a sequence: it alone adds to its key/value head's dK and dV, block by block of
/// lanes, so the order of the sums is fixed.
final class AttentionBackward implements AutoCloseable {
    private static final int KEYS = Attention.KEYS;
    private static final long BYTES = AttentionLanes.BYTES;

    private final Parallel parallel;
    private final PackBuffer[] scratch;
    /// For each worker, panels of the keys, of the values, and of the keys for sums over keys.
    private final float[][] packed;

    /// @param parallel runs the tasks; stays open as long as this is used
    AttentionBackward(Parallel parallel) {
        this.parallel = parallel;
        scratch = PackBuffer.perWorker(parallel.threads());
        packed = new float[parallel.threads()][0];
    }

    /// See [Ops#attentionBackward].
    void run(
            Tensor dQ, Tensor dK, Tensor dV, Tensor dOut, Tensor out, Tensor lse,
            Tensor q, Tensor k, Tensor v, int[] sequenceStart, HeadMap heads) {
        Call call = new Call(dQ, dK, dV, dOut, out, lse, q, k, v, heads);
        int[] lengths = new int[sequenceStart.length - 1];
        Arrays.setAll(lengths, s -> sequenceStart[s + 1] - sequenceStart[s]);
        List<AttentionGroup> groups = AttentionGroup.of(sequenceStart, lengths, heads);
        if (groups.size() < lengths.length * heads.kvHeads()) {
            // Nobody reads some key/value head.
            Elementwise.fill(parallel, dK, 0);
            Elementwise.fill(parallel, dV, 0);
        }
        parallel.run(groups.size(), (task, worker) -> group(call, groups.get(task), worker));
    }

    private void group(Call call, AttentionGroup group, int worker) {
        int width = call.width();
        int keys = group.keys();
        int rowFloats = AttentionPanels.floatsOfRows(keys, width);
        int floats = Math.addExact(
                Math.multiplyExact(2, rowFloats), AttentionPanels.floatsOfColumns(keys, width));
        packed[worker] = packed[worker].length >= floats ? packed[worker] : new float[floats];
        float[] panels = packed[worker];
        Room room = new Room(scratch[worker], width, keys);
        call.panels(call.k, group).packRows(panels, 0, room.scores);
        call.panels(call.v, group).packRows(panels, rowFloats, room.scores);
        call.panels(call.k, group).packColumns(panels, 2 * rowFloats);
        Elementwise.fill(room.sum, 0, AttentionLanes.COUNT);
        Elementwise.fill(room.dK, 0, room.floatsOfKeys);
        Elementwise.fill(room.dV, 0, room.floatsOfKeys);
        for (int i = 0; i < group.blocks(); i++) {
            block(call, group, group.block(i, width), panels, rowFloats, room);
        }
        scatterKeys(call.dK, call, group, room.dK);
        scatterKeys(call.dV, call, group, room.dV);
    }

    private static void block(
            Call call, AttentionGroup group, AttentionLanes lanes, float[] panels, int rowFloats, Room room) {
        int width = call.width();
        lanes.gather(room.queries, call.q.address(), call.q.cols(), call.heads.scale());
        lanes.transpose(room.query, room.queries, room.packing);
        lanes.gather(room.gradients, call.dOut.address(), call.dOut.cols(), 1);
        lanes.transpose(room.gradient, room.gradients, room.packing);
        lanes.visible(room.visible);
        Elementwise.fill(room.lse, 0, AttentionLanes.COUNT);
        Elementwise.fill(room.dot, 0, AttentionLanes.COUNT);
        for (int lane = 0; lane < lanes.count(); lane++) {
            // sum_j p_j dP_j = sum_c dOut_c out_c
            float dot = GemvKernels.dotF32(lanes.address(call.dOut.address(), call.dOut.cols(), lane), width,
                    lanes.address(call.out.address(), call.out.cols(), lane));
            Access.set(room.dot + (long) lane * Float.BYTES, dot);
            long row = (long) lanes.rowOf(lane) * call.lse.cols();
            float lse = Access.get(call.lse.address() + Float.BYTES * (row + lanes.headOf(lane)));
            Access.set(room.lse + (long) lane * Float.BYTES, lse);
        }
        int visible = lanes.visible(0);
        int keys = lanes.visible(lanes.count() - 1);
        for (int from = 0; from < keys; from += KEYS) {
            int count = Math.min(KEYS, keys - from);
            AttentionProducts.scores(count, width, panels, from * width, room.query, room.scores);
            AttentionProducts.scores(count, width, panels, rowFloats + from * width, room.gradient, room.dScores);
            // Whole tiles: what becomes of keys that do not exist is hidden, and not read afterwards.
            int padded = Math.ceilDiv(count, AttentionTiles.ROWS) * AttentionTiles.ROWS;
            AttentionKernels.exponentials(room.scores, padded, room.lse, room.sum);
            AttentionKernels.exponentials(room.scores + Lanes.BYTES, padded, room.lse + Lanes.BYTES, room.sum);
            AttentionKernels.scoreGradients(room.dScores, room.scores, padded, room.dot);
            if (from + padded > visible) {
                int seen = Math.max(0, visible - from);
                long hidden = seen * BYTES;
                AttentionKernels.hide(room.scores + hidden, from + seen, padded - seen, room.visible, 0);
                AttentionKernels.hide(room.dScores + hidden, from + seen, padded - seen, room.visible, 0);
            }
            long tiles = (long) from * room.keyBytes;
            AttentionProducts.addLanes(count, lanes.count(), width, room.scores, room.gradients, room.dV + tiles);
            AttentionProducts.addLanes(count, lanes.count(), width, room.dScores, room.queries, room.dK + tiles);
            AttentionProducts.addValues(
                    group.keys(), from, count, width, panels, 2 * rowFloats, room.dScores, room.dQuery);
        }
        lanes.turn(room.queries, room.dQuery, room.packing);
        for (int lane = 0; lane < lanes.count(); lane++) {
            lanes.scatter(call.dQ.address(), call.dQ.cols(), lane, room.queries, call.heads.scale());
        }
    }

    /// Copies tiles to where the gradients of keys or values belong.
    private static void scatterKeys(Tensor to, Call call, AttentionGroup group, long tiles) {
        int width = call.width();
        int columns = AttentionLanes.panels(width);
        for (int key = 0; key < group.keys(); key++) {
            long row = to.address()
                    + Float.BYTES * ((long) (group.firstRow() + key) * to.cols() + (long) group.kvHead() * width);
            long tile = tiles + (key / AttentionTiles.ROWS * columns * AttentionTiles.ROWS + key % AttentionTiles.ROWS)
                    * BYTES;
            for (int j = 0; j < columns; j++) {
                Elementwise.scaled(row + j * BYTES, tile + j * AttentionTiles.ROWS * BYTES, 1,
                        Math.min(AttentionLanes.COUNT, width - j * AttentionLanes.COUNT));
            }
        }
    }

    /// @return bytes of scratch memory, used or not
    long heldBytes() {
        return PackBuffer.heldBytes(scratch) + Arrays.stream(packed).mapToLong(panels -> 4L * panels.length).sum();
    }

    @Override
    public void close() {
        for (PackBuffer buffer : scratch) {
            buffer.close();
        }
    }

    /// The tensors of a call.
    private record Call(
            Tensor dQ, Tensor dK, Tensor dV, Tensor dOut, Tensor out, Tensor lse,
            Tensor q, Tensor k, Tensor v, HeadMap heads) {
        int width() {
            return heads.headDim();
        }

        AttentionPanels panels(Tensor x, AttentionGroup group) {
            Tensor rows = x.rowRange(group.firstRow(), group.firstRow() + group.rows());
            return new AttentionPanels(
                    new Tensor[] {rows}, group.rows(), group.rows(), group.kvHead() * width(), width());
        }
    }

    /// Where things lie in a worker's scratch.
    private static final class Room {
        /// Bytes of a key's gradient.
        final long keyBytes;
        final int floatsOfKeys;
        final long lse;
        final long dot;
        /// Sums of probabilities, which nobody needs.
        final long sum;
        final long visible;
        final long packing;
        final long queries;
        final long query;
        final long gradients;
        final long gradient;
        final long dQuery;
        final long scores;
        final long dScores;
        final long dK;
        final long dV;

        Room(PackBuffer buffer, int width, int keys) {
            long panel = AttentionLanes.panelBytes(width);
            long rows = Math.max(panel, AttentionLanes.scatterBytes(width));
            // The scores of some keys; before them the room for packing keys.
            long block = Math.max(KEYS * BYTES,
                    (long) AttentionPanels.ROWS * width * Float.BYTES + 2 * PackTranspose.BLOCK_BYTES);
            keyBytes = AttentionLanes.panels(width) * BYTES;
            long gradientBytes = (long) Math.ceilDiv(keys, AttentionTiles.ROWS) * AttentionTiles.ROWS * keyBytes;
            floatsOfKeys = Math.toIntExact(gradientBytes / Float.BYTES);
            lse = buffer.ensure(4 * BYTES + PackColumns.SCRATCH_BYTES + 3 * panel + 2 * rows
                    + 2 * block + 2 * gradientBytes);
            dot = lse + BYTES;
            sum = dot + BYTES;
            visible = sum + BYTES;
            packing = visible + BYTES;
            queries = packing + PackColumns.SCRATCH_BYTES;
            query = queries + rows;
            gradients = query + panel;
            gradient = gradients + rows;
            dQuery = gradient + panel;
            scores = dQuery + panel;
            dScores = scores + block;
            dK = dScores + block;
            dV = dK + gradientBytes;
        }
    }
}
