package espalier.kernels.vector;

import java.lang.foreign.Arena;
import java.util.Arrays;

/// Scratch memory that grows to the largest size asked for and is kept. One thread uses it at a time.
final class PackBuffer implements AutoCloseable {
    private static final long ALIGNMENT = 64;
    private static final long SMALLEST = 1L << 16;

    private Arena arena;
    private long address;
    private long bytes;

    /// Contents are lost when the buffer grows.
    ///
    /// @param needed bytes
    /// @return address of at least as many bytes, aligned to 64
    long ensure(long needed) {
        if (needed > bytes) {
            close();
            long size = Math.max(SMALLEST, needed + needed / 4);
            arena = Arena.ofShared();
            address = arena.allocate(size, ALIGNMENT).address();
            bytes = size;
        }
        return address;
    }

    /// @return bytes of memory, used or not
    long heldBytes() {
        return bytes;
    }

    /// @return bytes of all buffers
    static long heldBytes(PackBuffer[] buffers) {
        return Arrays.stream(buffers).mapToLong(PackBuffer::heldBytes).sum();
    }

    /// Frees the memory; the buffer may be used again.
    @Override
    public void close() {
        if (arena != null) {
            arena.close();
            arena = null;
            bytes = 0;
        }
    }

    /// @param count how many
    /// @return empty buffers, one for each worker
    static PackBuffer[] perWorker(int count) {
        PackBuffer[] buffers = new PackBuffer[count];
        for (int i = 0; i < count; i++) {
            buffers[i] = new PackBuffer();
        }
        return buffers;
    }
}
