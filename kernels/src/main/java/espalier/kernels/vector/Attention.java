package espalier.kernels.vector;

import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import java.util.Arrays;
import java.util.List;

/// Causal attention. Start at [#forward]; the backward is [AttentionBackward].
///
/// Scores are kept transposed, `[keys, lanes]`, a lane being a query vector (see [AttentionLanes]): the tiles of
/// `K Q^T` then leave them as the right operand that the product `V^T P^T` takes, the softmax works down the lanes of
/// registers, and only keys and values are packed, once for all query vectors that read them.
final class Attention implements AutoCloseable {
    /// Keys that are worked on at a time, whole panels: their scores fit the first-level cache.
    static final int KEYS = GemmTile.LONGEST_RUN / AttentionPanels.ROWS * AttentionPanels.ROWS;
    /// Tasks of a thread, at least, so that all end at about the same time.
    private static final int TASKS = 6;

    private final Parallel parallel;
    private final AttentionFewRows fewRows;
    private final PackBuffer[] scratch;
    /// For each worker, panels of the keys and of the values.
    private final float[][] packed;

    /// @param parallel runs the tasks; stays open as long as this is used
    /// @param gemm products inside tasks, of the same threads
    Attention(Parallel parallel, Gemm gemm) {
        this.parallel = parallel;
        fewRows = new AttentionFewRows(parallel.threads(), gemm);
        scratch = PackBuffer.perWorker(parallel.threads());
        packed = new float[parallel.threads()][0];
    }

    /// See [Ops#attention].
    void forward(Tensor out, Tensor lse, Tensor q, KeyValues kv, HeadMap heads) {
        List<AttentionGroup> groups = AttentionGroup.of(kv, heads);
        List<AttentionGroup> few = groups.stream().filter(g -> g.lanes() <= AttentionFewRows.MOST).toList();
        List<AttentionGroup> many = groups.stream().filter(g -> g.lanes() > AttentionFewRows.MOST).toList();
        parallel.run(few.size(), (task, worker) -> fewRows.run(out, lse, q, kv, heads, few.get(task), worker));
        Call call = new Call(out, lse, q, kv, heads);
        int parts = parallel.threads() == 1 ? 1 : Math.ceilDiv(TASKS * parallel.threads(), Math.max(1, many.size()));
        parallel.run(Math.multiplyExact(many.size(), parts), (task, worker) ->
                part(call, many.get(task / parts), task % parts, parts, worker));
    }

    /// Every `parts`-th block of a group: all parts are nearly equal. Each packs the keys and values anew, since packed
    /// ones that another processor wrote are slow to read.
    private void part(Call call, AttentionGroup group, int part, int parts, int worker) {
        if (part >= group.blocks()) {
            return;
        }
        int width = call.width();
        int keyFloats = AttentionPanels.floatsOfRows(group.keys(), width);
        int floats = Math.addExact(keyFloats, AttentionPanels.floatsOfColumns(group.keys(), width));
        packed[worker] = packed[worker].length >= floats ? packed[worker] : new float[floats];
        float[] panels = packed[worker];
        Room room = new Room(scratch[worker], width, group.keys());
        call.panels(group, call.kv.keys()).packRows(panels, 0, room.scores);
        call.panels(group, call.kv.values()).packColumns(panels, keyFloats);
        for (int i = part; i < group.blocks(); i += parts) {
            block(call, group, group.block(i, width), panels, keyFloats, room);
        }
    }

    private static void block(
            Call call, AttentionGroup group, AttentionLanes lanes, float[] panels, int values, Room room) {
        int width = call.width();
        int visible = lanes.visible(0);
        int keys = lanes.visible(lanes.count() - 1);
        lanes.gather(room.gathered, call.q.address(), call.q.cols(), call.heads.scale());
        lanes.transpose(room.query, room.gathered, room.packing);
        lanes.visible(room.visible);
        Elementwise.fill(room.max, Float.NEGATIVE_INFINITY, AttentionLanes.COUNT);
        Elementwise.fill(room.sum, 0, AttentionLanes.COUNT);

        for (int from = 0; from < keys; from += KEYS) {
            int count = Math.min(KEYS, keys - from);
            long scores = room.scores + from * AttentionLanes.BYTES;
            AttentionProducts.scores(count, width, panels, from * width, room.query, scores);
            if (from + count > visible) {
                int seen = Math.max(0, visible - from);
                AttentionKernels.hide(scores + seen * AttentionLanes.BYTES, from + seen, count - seen,
                        room.visible, Float.NEGATIVE_INFINITY);
            }
            AttentionKernels.maxima(scores, count, room.max);
        }
        for (int from = 0; from < keys; from += KEYS) {
            int count = Math.min(KEYS, keys - from);
            long scores = room.scores + from * AttentionLanes.BYTES;
            AttentionKernels.exponentials(scores, count, room.max, room.sum);
            AttentionKernels.exponentials(
                    scores + Lanes.BYTES, count, room.max + Lanes.BYTES, room.sum + Lanes.BYTES);
            AttentionProducts.addValues(
                    group.keys(), from, count, width, panels, values, scores, room.out);
        }
        lanes.turn(room.gathered, room.out, room.packing);
        for (int lane = 0; lane < lanes.count(); lane++) {
            float sum = Access.get(room.sum + (long) lane * Float.BYTES);
            lanes.scatter(call.out.address(), call.out.cols(), lane, room.gathered, 1 / sum);
            float max = Access.get(room.max + (long) lane * Float.BYTES);
            long row = (long) lanes.rowOf(lane) * call.lse.cols();
            Access.set(call.lse.address() + Float.BYTES * (row + lanes.headOf(lane)),
                    (float) (max + StrictMath.log(sum)));
        }
    }

    /// @return bytes of scratch memory, used or not
    long heldBytes() {
        return fewRows.heldBytes() + PackBuffer.heldBytes(scratch)
                + Arrays.stream(packed).mapToLong(panels -> 4L * panels.length).sum();
    }

    @Override
    public void close() {
        fewRows.close();
        for (PackBuffer buffer : scratch) {
            buffer.close();
        }
    }

    /// The arguments of a call.
    private record Call(Tensor out, Tensor lse, Tensor q, KeyValues kv, HeadMap heads) {
        int width() {
            return heads.headDim();
        }

        AttentionPanels panels(AttentionGroup group, Tensor[][] pages) {
            return new AttentionPanels(pages[group.sequence()], kv.pageRows(), group.keys(),
                    group.kvHead() * width(), width());
        }
    }

    /// Where things lie in a worker's scratch.
    private static final class Room {
        final long max;
        final long sum;
        final long visible;
        final long packing;
        final long query;
        final long gathered;
        final long out;
        final long scores;

        Room(PackBuffer buffer, int width, int keys) {
            long numbers = AttentionLanes.BYTES;
            long panel = AttentionLanes.panelBytes(width);
            long rows = Math.max(panel, AttentionLanes.scatterBytes(width));
            long padded = (long) Math.ceilDiv(keys, AttentionPanels.ROWS) * AttentionPanels.ROWS;
            long fixed = 3 * numbers + PackColumns.SCRATCH_BYTES;
            long panelsScratch = (long) AttentionPanels.ROWS * width * Float.BYTES + 2 * PackTranspose.BLOCK_BYTES;
            max = buffer.ensure(fixed + 2 * panel + rows + Math.max(padded * numbers, panelsScratch));
            sum = max + numbers;
            visible = sum + numbers;
            packing = visible + numbers;
            query = packing + PackColumns.SCRATCH_BYTES;
            out = query + panel;
            gathered = out + panel;
            scores = gathered + rows;
        }
    }
}
