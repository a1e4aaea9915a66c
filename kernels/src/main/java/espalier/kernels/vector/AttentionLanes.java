package espalier.kernels.vector;

import espalier.kernels.DType;

/// A block of up to [#COUNT] query vectors, each in a lane of two registers: row after row, and of each row the heads
/// of one group. So a block spans few rows, and few of its scores are hidden by the mask.
///
/// @param row first query row of the sequence, in the tensor
/// @param past keys before that row's own
/// @param head first head of the group
/// @param heads heads of the group
/// @param first number of the first lane, counted from head 0 of row 0
/// @param count lanes in use
/// @param width columns of a head
record AttentionLanes(int row, int past, int head, int heads, int first, int count, int width) {
    /// Lanes of a block.
    static final int COUNT = GemmTile.COLUMNS;
    /// Bytes of a number for each lane.
    static final long BYTES = (long) COUNT * Float.BYTES;

    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;

    /// @return panels of [#COUNT] columns of a head
    static int panels(int width) {
        return Math.ceilDiv(width, COUNT);
    }

    /// @return bytes of the panels of [#gather]
    static long panelBytes(int width) {
        return panels(width) * COUNT * BYTES;
    }

    int rowOf(int lane) {
        return row + (first + lane) / heads;
    }

    int headOf(int lane) {
        return head + (first + lane) % heads;
    }

    /// @return keys that the lane sees
    int visible(int lane) {
        return past + (first + lane) / heads + 1;
    }

    /// @return address of a lane's vector in a tensor `[tokens, heads * width]` at `address`
    long address(long address, int cols, int lane) {
        return address + Float.BYTES * ((long) rowOf(lane) * cols + (long) headOf(lane) * width);
    }

    /// The number of keys that each lane sees, for [AttentionKernels#hide]; exact up to 2^24.
    void visible(long to) {
        for (int lane = 0; lane < COUNT; lane++) {
            Access.set(to + (long) lane * Float.BYTES, visible(Math.min(lane, count - 1)));
        }
    }

    /// Collects the lanes in panels `[COUNT lanes, COUNT columns]`; lanes that are not in use are zeros.
    ///
    /// @param panels = `factor *` the vectors, [#panelBytes]
    void gather(long panels, long address, int cols, float factor) {
        for (int p = 0; p < panels(width); p++) {
            long panel = panels + p * COUNT * BYTES;
            int columns = Math.min(COUNT, width - p * COUNT);
            for (int lane = 0; lane < count; lane++) {
                Elementwise.scaled(panel + lane * BYTES, address(address, cols, lane) + p * BYTES, factor, columns);
            }
            for (int lane = count; lane < COUNT; lane++) {
                Elementwise.fill(panel + lane * BYTES, 0, columns);
            }
        }
    }

    /// Turns what [#gather] made into `[width, COUNT]`, the right operand of a product.
    ///
    /// @param scratch [PackColumns#SCRATCH_BYTES]
    void transpose(long to, long panels, long scratch) {
        for (int p = 0; p < panels(width); p++) {
            PackColumns.transposed(panels + p * COUNT * BYTES, DType.F32, COUNT, COUNT,
                    Math.min(COUNT, width - p * COUNT), to + p * COUNT * BYTES, scratch);
        }
    }

    /// The way back: turns `[width, COUNT]` into vectors.
    ///
    /// @param rows scratch, [#scatterBytes]
    /// @param scratch [PackTranspose#BLOCK_BYTES]
    void turn(long rows, long from, long scratch) {
        long rowBytes = rowBytes(width);
        for (int c = 0; c < width; c += L) {
            for (int j = 0; j < 2; j++) {
                PackTranspose.block(from + c * BYTES + j * W, BYTES, Math.min(L, width - c),
                        rows + j * L * rowBytes + (long) c * Float.BYTES, rowBytes, scratch);
            }
        }
    }

    /// Puts a vector that [#turn] left in `rows` where it belongs.
    void scatter(long address, int cols, int lane, long rows, float factor) {
        Elementwise.scaled(address(address, cols, lane), rows + lane * rowBytes(width), factor, width);
    }

    private static long rowBytes(int width) {
        return Math.ceilDiv(width, L) * W;
    }

    /// @return bytes that [#turn] writes
    static long scatterBytes(int width) {
        return COUNT * rowBytes(width);
    }
}
