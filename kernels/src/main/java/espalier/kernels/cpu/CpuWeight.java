package espalier.kernels.cpu;

import espalier.bindings.NativeMemory;
import espalier.kernels.DType;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import java.lang.foreign.MemorySegment;

/// A weight read where it lies, mapped or gathered, in the type it is stored in.
///
/// @param name how the checkpoint calls it
/// @param type its element type
/// @param rows output channels
/// @param cols input channels
/// @param address first byte
/// @param data the memory, held so that a mapping that is closed is noticed
/// @param packed a copy of it in the order that a backend's products read, 0 for none
public record CpuWeight(
        String name, DType type, int rows, int cols, long address, MemorySegment data, long packed)
        implements Weight {
    static CpuWeight of(StoredMatrix matrix) {
        return new CpuWeight(
                matrix.name(), matrix.type(), matrix.rows(), matrix.cols(), matrix.data().address(), matrix.data(),
                0);
    }

    /// @param weight made by a CPU backend
    /// @return the weight, whose mapping is still open
    /// @throws IllegalStateException if its mapping has been closed
    public static CpuWeight from(Weight weight) {
        if (!(weight instanceof CpuWeight cpu)) {
            throw new IllegalArgumentException(weight.name() + " was prepared by another backend");
        }
        if (!cpu.data.scope().isAlive()) {
            throw new IllegalStateException(weight.name() + " is used after its checkpoint was closed");
        }
        return cpu;
    }

    /// @param address of the copy
    /// @return this weight with the copy
    public CpuWeight withPacked(long address) {
        return new CpuWeight(name, type, rows, cols, this.address, data, address);
    }

    /// Room for a weight of the same type, whose elements are not set yet.
    CpuWeight take(int newRows, int newCols, Workspace memory) {
        int floats = floatsOfRow(newCols);
        long start = memory.take(newRows, floats).address();
        long bytes = (long) newRows * newCols * type.bytes();
        return new CpuWeight(name, type, newRows, newCols, start, NativeMemory.ALL.asSlice(start, bytes), 0);
    }

    /// What [#take] takes for a weight as large as this.
    long takenBytes() {
        return NativeWorkspace.aligned((long) rows * floatsOfRow(cols) * Float.BYTES);
    }

    private int floatsOfRow(int count) {
        return Math.toIntExact(Math.ceilDiv((long) count * type.bytes(), Float.BYTES));
    }

    /// @param row 0 to rows
    /// @return address of the row's first byte
    public long rowAddress(int row) {
        return address(row, 0);
    }

    /// @param row 0 to rows
    /// @param col 0 to cols
    /// @return address of the element's first byte
    public long address(int row, int col) {
        return address + ((long) row * cols + col) * type.bytes();
    }
}
