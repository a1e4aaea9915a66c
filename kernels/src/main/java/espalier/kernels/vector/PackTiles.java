package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;

import java.lang.foreign.MemorySegment;

/// Moves small parts of matrices.
final class PackTiles {
    private PackTiles() {}

    /// @param rows rows copied
    /// @param columns floats of a row copied
    /// @param from first element
    /// @param fromStride bytes between its rows
    /// @param to first element, =
    /// @param toStride bytes between its rows
    static void copy(int rows, int columns, long from, long fromStride, long to, long toStride) {
        for (int r = 0; r < rows; r++) {
            MemorySegment.copy(ALL, from + r * fromStride, ALL, to + r * toStride, (long) columns * Float.BYTES);
        }
    }

    /// @param count floats set to 0
    /// @param to the first
    static void clear(int count, long to) {
        ALL.asSlice(to, (long) count * Float.BYTES).fill((byte) 0);
    }
}
