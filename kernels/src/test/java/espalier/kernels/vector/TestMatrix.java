package espalier.kernels.vector;

import espalier.bindings.NativeMemory;
import espalier.kernels.DType;
import espalier.kernels.cpu.HostMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;

/// A strided matrix in native memory with random contents; the elements between its rows are NaN, so that a kernel
/// which uses them shows.
final class TestMatrix {
    final DType type;
    final int rows;
    final int cols;
    final int stride;
    final long address;
    final MemorySegment memory;

    TestMatrix(Arena arena, DType type, int rows, int cols, int gap, long seed) {
        this.type = type;
        this.rows = rows;
        this.cols = cols;
        stride = cols + gap;
        // Ends with the last row: reading beyond it would leave the memory.
        long elements = rows == 0 ? 0 : (long) (rows - 1) * stride + cols;
        memory = arena.allocate(Math.max(1, elements * type.bytes()), 64);
        address = memory.address();
        Random random = new Random(seed);
        for (long i = 0; i < elements; i++) {
            boolean inside = i % stride < cols;
            put(i, inside ? random.nextFloat() * 2 - 1 : Float.NaN);
        }
    }

    private void put(long index, float value) {
        switch (type) {
            case F32 -> memory.setAtIndex(ValueLayout.JAVA_FLOAT, index, value);
            case BF16 -> memory.setAtIndex(
                    ValueLayout.JAVA_SHORT, index, (short) (Float.floatToIntBits(value) >>> 16));
            case F16 -> memory.setAtIndex(ValueLayout.JAVA_SHORT, index, Float.floatToFloat16(value));
        }
    }

    void set(int row, int col, float value) {
        put((long) row * stride + col, value);
    }

    float get(int row, int col) {
        return HostMemory.get(type, address + ((long) row * stride + col) * type.bytes());
    }

    /// All rows without the gaps.
    float[] values() {
        float[] values = new float[rows * cols];
        for (int i = 0; i < values.length; i++) {
            values[i] = get(i / cols, i % cols);
        }
        return values;
    }

    /// Whether what lies between the rows is as it was.
    boolean gapsUntouched() {
        for (int i = 0; i < rows - 1; i++) {
            for (int j = cols; j < stride; j++) {
                float value = NativeMemory.ALL.get(
                        ValueLayout.JAVA_FLOAT_UNALIGNED, address + 4 * ((long) i * stride + j));
                if (!Float.isNaN(value)) {
                    return false;
                }
            }
        }
        return true;
    }
}
