package espalier.kernels.cpu;

import espalier.kernels.Check;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/// A stack of native memory made of blocks; a block that is once held is used again after a release.
final class NativeWorkspace implements Workspace {
    private static final long ALIGNMENT = 64;
    private static final long SMALLEST_BLOCK = 1L << 20;
    private static final long LARGEST_GROWTH = 1L << 26;

    private final Arena arena = Arena.ofShared();
    private final List<Block> blocks = new ArrayList<>();
    /// Heights of the stack at which the blocks start.
    private long height;
    private long held;

    private record Block(long address, long bytes, long start) {
        long end() {
            return start + bytes;
        }
    }

    @Override
    public Tensor take(int rows, int cols) {
        Check.notNegative("rows", rows);
        Check.notNegative("cols", cols);
        long elements = (long) rows * cols;
        if (elements > Long.MAX_VALUE / Float.BYTES - ALIGNMENT) {
            throw new OutOfMemoryError("a workspace that holds %d bytes was asked for a tensor [%d, %d]"
                    .formatted(held, rows, cols));
        }
        long bytes = aligned(elements * Float.BYTES);
        Block block = blockFor(bytes);
        long address = block.address + (height - block.start);
        height += bytes;
        return new Tensor(address, rows, cols);
    }

    /// @return bytes that a tensor of so many takes
    static long aligned(long bytes) {
        return Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
    }

    /// The block that holds the next `bytes`; moves the height to its start where the present one is too full.
    private Block blockFor(long bytes) {
        for (Block block : blocks) {
            if (height < block.end()) {
                if (height + bytes <= block.end() && height >= block.start) {
                    return block;
                }
                height = Math.max(height, block.end());
            }
        }
        long size = Math.max(bytes, Math.clamp(held, SMALLEST_BLOCK, LARGEST_GROWTH));
        long address;
        try {
            address = arena.allocate(size, ALIGNMENT).address();
        } catch (OutOfMemoryError e) {
            OutOfMemoryError error = new OutOfMemoryError(
                    "a workspace that holds %d bytes asked for %d more".formatted(held, size));
            error.initCause(e);
            throw error;
        }
        Block block = new Block(address, size, height);
        blocks.add(block);
        held += size;
        return block;
    }

    @Override
    public Tensor takeZeros(int rows, int cols) {
        Tensor tensor = take(rows, cols);
        HostMemory.segment(tensor).fill((byte) 0);
        return tensor;
    }

    @Override
    public long mark() {
        return height;
    }

    @Override
    public void release(long mark) {
        if (mark < 0 || mark > height) {
            throw new IllegalArgumentException("mark " + mark + " of a workspace at height " + height);
        }
        height = mark;
    }

    @Override
    public long heldBytes() {
        return held;
    }

    @Override
    public void close() {
        arena.close();
    }
}
