package espalier.kernels.cpu;

import espalier.bindings.NativeMemory;
import espalier.kernels.Check;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Handles and transfers of the backends that work in the process's own memory.
public abstract class CpuOps implements Ops {
    /// For subclasses.
    protected CpuOps() {}

    @Override
    public final Workspace newWorkspace() {
        return new NativeWorkspace();
    }

    @Override
    public final Weight prepare(StoredMatrix matrix) {
        return CpuWeight.of(matrix);
    }

    @Override
    public final Weight gather(Weight w, int[] rows, int[] cols, Workspace memory) {
        Shapes.gather(w, rows, cols);
        CpuWeight from = CpuWeight.from(w);
        CpuWeight picked = from.take(rows.length, cols.length, memory);
        gather(picked, from, rows, cols);
        return picked;
    }

    @Override
    public final long gatheredBytes(Weight w) {
        return CpuWeight.from(w).takenBytes();
    }

    /// @param picked its elements are set
    /// @param w what they are taken from
    /// @param rows in range
    /// @param cols in range
    protected abstract void gather(CpuWeight picked, CpuWeight w, int[] rows, int[] cols);

    @Override
    public final Weight weightOf(String name, Tensor matrix) {
        return prepare(new StoredMatrix(
                name, DType.F32, matrix.rows(), matrix.cols(), HostMemory.segment(matrix)));
    }

    @Override
    public final void toHost(Tensor x, float[] host) {
        checkLength(x, host);
        MemorySegment.copy(NativeMemory.ALL, ValueLayout.JAVA_FLOAT_UNALIGNED, x.address(), host, 0, host.length);
    }

    @Override
    public final void fromHost(float[] host, Tensor y) {
        checkLength(y, host);
        MemorySegment.copy(host, 0, NativeMemory.ALL, ValueLayout.JAVA_FLOAT_UNALIGNED, y.address(), host.length);
    }

    private static void checkLength(Tensor tensor, float[] host) {
        if (host.length != tensor.elements()) {
            throw new IllegalArgumentException("%d host elements for a tensor [%d, %d]"
                    .formatted(host.length, tensor.rows(), tensor.cols()));
        }
    }

    @Override
    public final void copy(Tensor y, Tensor x) {
        Check.shape("x", x, y.rows(), y.cols());
        MemorySegment.copy(NativeMemory.ALL, x.address(), NativeMemory.ALL, y.address(), x.bytes());
    }

    @Override
    public final void gatherRows(Tensor y, Tensor x, int[] rows) {
        Shapes.gatherRows(y, x, rows);
        for (int i = 0; i < rows.length; i++) {
            copyRow(y, i, x, rows[i]);
        }
    }

    @Override
    public final void scatterRows(Tensor y, Tensor x, int[] rows) {
        Shapes.scatterRows(y, x, rows);
        for (int i = 0; i < rows.length; i++) {
            copyRow(y, rows[i], x, i);
        }
    }

    @Override
    public final void gatherColumns(Tensor y, Tensor x, int[] cols) {
        Shapes.gatherColumns(y, x, cols);
        for (int t = 0; t < x.rows(); t++) {
            for (int j = 0; j < cols.length; j++) {
                HostMemory.set(y, t, j, HostMemory.get(x, t, cols[j]));
            }
        }
    }

    @Override
    public final void scatterColumns(Tensor y, Tensor x, int[] cols) {
        Shapes.scatterColumns(y, x, cols);
        for (int t = 0; t < x.rows(); t++) {
            for (int j = 0; j < cols.length; j++) {
                HostMemory.set(y, t, cols[j], HostMemory.get(x, t, j));
            }
        }
    }

    private static void copyRow(Tensor y, int to, Tensor x, int from) {
        long bytes = (long) x.cols() * Float.BYTES;
        MemorySegment.copy(
                NativeMemory.ALL, x.address() + from * bytes, NativeMemory.ALL, y.address() + to * bytes, bytes);
    }
}
