package espalier.kernels;

import java.lang.foreign.MemorySegment;

/// A row-major matrix as it lies in a file or in memory, `[rows, cols]`; what [Ops#prepare] makes a [Weight] of.
///
/// @param name how the checkpoint calls it, for messages
/// @param type its element type
/// @param rows output channels, 0 allowed
/// @param cols input channels, 0 allowed
/// @param data native memory of exactly `rows * cols` elements, little-endian; it must outlive the weight
public record StoredMatrix(String name, DType type, int rows, int cols, MemorySegment data) {
    /// Checks that the memory holds the matrix.
    public StoredMatrix {
        Check.notNegative("rows", rows);
        Check.notNegative("cols", cols);
        long expected = Math.multiplyExact((long) rows * cols, type.bytes());
        if (data.byteSize() != expected) {
            throw new IllegalArgumentException("%s: %d bytes of memory for [%d, %d] %s, expected %d"
                    .formatted(name, data.byteSize(), rows, cols, type, expected));
        }
        if (!data.isNative()) {
            throw new IllegalArgumentException(name + ": weights must lie in native memory");
        }
    }
}
