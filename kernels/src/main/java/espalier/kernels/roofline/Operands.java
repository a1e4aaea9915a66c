package espalier.kernels.roofline;

import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/// Tensors and weights that a backend's kernels are run on. Their values are known, so that another backend can be
/// given the same ones, or some of them.
final class Operands implements AutoCloseable {
    /// A prime, so that no row or column of a matrix is like its neighbour.
    private static final int PERIOD = 65521;
    private static final int FILLED_AT_ONCE = 1 << 20;
    private static final int MOST_COPIES = 4096;
    private static final long ALIGNMENT = 64;
    private static final float[] PATTERN = pattern();

    private final Ops ops;
    private final MemorySegment pool;
    private final long coldBytes;
    private final Workspace workspace;

    /// @param ops the backend
    /// @param pool from [#newPool]
    /// @param coldBytes memory that operands are spread over
    Operands(Ops ops, MemorySegment pool, long coldBytes) {
        this.ops = ops;
        this.pool = pool;
        this.coldBytes = coldBytes;
        this.workspace = ops.newWorkspace();
    }

    /// Values in [-1, 1) that BF16 holds exactly.
    private static float[] pattern() {
        Philox random = new Philox(1, 0);
        float[] values = new float[PERIOD];
        for (int i = 0; i < PERIOD; i++) {
            values[i] = Float.intBitsToFloat(
                    Float.floatToRawIntBits(2 * random.uniformFloat(i) - 1) & 0xFFFF0000);
        }
        return values;
    }

    /// Memory that weights of all types are taken from: read as BF16 or as F32 it holds values in (-2, 2).
    static MemorySegment newPool(Arena arena, long bytes) {
        MemorySegment pool = arena.allocate(bytes, ALIGNMENT);
        long filled = Math.min(bytes, 2L * PERIOD) / 2 * 2;
        for (int i = 0; i < filled / 2; i++) {
            pool.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) (Float.floatToRawIntBits(PATTERN[i]) >>> 16));
        }
        while (filled < bytes) {
            long more = Math.min(filled, bytes - filled);
            MemorySegment.copy(pool, 0, pool, filled, more);
            filled += more;
        }
        return pool;
    }

    Ops ops() {
        return ops;
    }

    /// @return elements `from ..` of the tensor that [#filled] makes with this seed
    static float[] values(long from, int count, int seed) {
        float[] values = new float[count];
        int at = (int) ((from + 7919L * seed) % PERIOD);
        for (int i = 0; i < count; i++) {
            values[i] = PATTERN[at];
            at = at + 1 == PERIOD ? 0 : at + 1;
        }
        return values;
    }

    Tensor take(int rows, int cols) {
        return workspace.take(rows, cols);
    }

    /// @param seed tells the values of this tensor from those of others
    Tensor filled(int rows, int cols, int seed) {
        Tensor tensor = take(rows, cols);
        int chunk = Math.max(1, FILLED_AT_ONCE / Math.max(1, cols));
        for (int row = 0; row < rows; row += chunk) {
            Tensor part = tensor.rowRange(row, Math.min(rows, row + chunk));
            ops.fromHost(values((long) row * cols, (int) part.elements(), seed), part);
        }
        return tensor;
    }

    /// @return a tensor of the values
    Tensor of(float[] values, int rows, int cols) {
        Tensor tensor = take(rows, cols);
        ops.fromHost(values, tensor);
        return tensor;
    }

    float[] host(Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.elements())];
        ops.toHost(tensor, values);
        return values;
    }

    /// Some rows of the first of [#weights].
    Weight rowsOfFirst(DType type, int cols, int fromRow, int rows) {
        long rowBytes = (long) cols * type.bytes();
        MemorySegment data = pool.asSlice(fromRow * rowBytes, rows * rowBytes);
        return ops.prepare(new StoredMatrix("rows", type, rows, cols, data));
    }

    /// Matrices of one shape in different memory, so that none is in a cache when its turn comes again.
    List<Weight> weights(DType type, int rows, int cols) {
        long bytes = (long) rows * cols * type.bytes();
        long stride = Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
        long copies = Math.clamp(Math.min(coldBytes, pool.byteSize()) / stride, 1, MOST_COPIES);
        List<Weight> weights = new ArrayList<>();
        for (long i = 0; i < copies; i++) {
            weights.add(ops.prepare(new StoredMatrix("weight", type, rows, cols, pool.asSlice(i * stride, bytes))));
        }
        return weights;
    }

    /// @param bytes that a kernel touches in a call
    /// @return how many sets of operands it takes until the first has left the caches
    int sets(double bytes) {
        return (int) Math.clamp(Math.ceil(coldBytes / bytes), 1, MOST_COPIES);
    }

    long mark() {
        return workspace.mark();
    }

    void release(long mark) {
        workspace.release(mark);
    }

    @Override
    public void close() {
        workspace.close();
    }
}
