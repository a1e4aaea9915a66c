package espalier.kernels.vector;

import static espalier.kernels.vector.Access.load;
import static espalier.kernels.vector.Access.store;

import espalier.bindings.NativeMemory;
import espalier.kernels.DType;
import espalier.kernels.Salience;
import espalier.kernels.Tensor;
import espalier.kernels.cpu.CpuWeight;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/// Sums of saliences over the rows and columns of a tile, a row at a time.
///
/// Registers that the columns do not fill are staged with zeros, whose saliences are zeros. Sums are made in F32 over a
/// block of a row, or the rows of a task, and then in float64.
final class Importance {
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;
    /// Columns whose sum is made in F32.
    private static final int BLOCK = 64 * L;
    /// Columns of a task that adds the column sums.
    private static final int COLUMNS = 256;

    private Importance() {}

    /// The operands of one row; `g` and `a` are 0 where the salience does not need them.
    private record Operands(long w, long g, long a) {
        Operands from(long bytes) {
            return new Operands(w + bytes, g + bytes, a + bytes);
        }
    }

    static void reduce(
            Parallel parallel, ColumnSums sums, PackBuffer[] scratch, double[] rowScore, double[] colScore, // both +=
            Salience salience, CpuWeight w, int fromRow, int rows, Tensor g, Tensor meanSquare) {
        int cols = w.cols();
        long elements = (long) rows * cols;
        int tasks = sums.run(rows, cols, elements, (r, columns, worker) -> {
            long row = Math.ceilDiv(cols, L) * W;
            long memory = scratch[worker].ensure(2 * row + 3 * W);
            Operands operands = new Operands(
                    weightRow(memory + row, w, fromRow + r),
                    salience.needsGradient() ? g.address() + (long) r * cols * Float.BYTES : 0,
                    salience.needsMeanSquare() ? meanSquare.address() + (long) r * cols * Float.BYTES : 0);
            saliences(salience, memory, operands, memory + 2 * row, cols);
            rowScore[r] += addRow(columns, memory, cols, memory + 2 * row);
        });
        Tasks.ranges(parallel, elements, cols, COLUMNS, (from, to, worker) -> {
            for (int task = 0; task < tasks; task++) {
                long partial = sums.partial(task, cols);
                for (int c = from; c < to; c++) {
                    colScore[c] += Access.get(partial + (long) c * Float.BYTES);
                }
            }
        });
    }

    /// The row where it lies if that is F32, else a copy.
    private static long weightRow(long memory, CpuWeight w, int row) {
        if (w.type() == DType.F32) {
            return w.rowAddress(row);
        }
        WeightRows.copy(memory, w, row, 0, w.cols());
        return memory;
    }

    /// @param value padded to whole registers, =
    /// @param stage three registers
    private static void saliences(Salience salience, long value, Operands operands, long stage, int n) {
        int whole = n / L * L;
        compute(salience, value, operands, whole);
        if (whole < n) {
            long offset = (long) whole * Float.BYTES;
            Operands rest = operands.from(offset);
            Elementwise.fill(stage, 0, 3 * L);
            stage(stage, rest.w, n - whole);
            if (salience.needsGradient()) {
                stage(stage + W, rest.g, n - whole);
            }
            if (salience.needsMeanSquare()) {
                stage(stage + 2 * W, rest.a, n - whole);
            }
            compute(salience, value + offset, new Operands(stage, stage + W, stage + 2 * W), L);
        }
    }

    private static void stage(long y, long x, int n) {
        MemorySegment.copy(NativeMemory.ALL, x, NativeMemory.ALL, y, (long) n * Float.BYTES);
    }

    private static void compute(Salience salience, long value, Operands x, int n) {
        switch (salience) {
            case VECTOR -> product(value, x.w, x.g, n);
            case FIRST_ORDER -> absoluteProduct(value, x.w, x.g, n);
            case SECOND_ORDER -> curvature(value, x.w, x.a, n);
            case MIXED -> mixed(value, x.w, x.g, x.a, n);
            case L1 -> absolute(value, x.w, n);
            case L2 -> product(value, x.w, x.w, n);
        }
    }

    private static void product(long value, long w, long g, int n) {
        for (int i = 0; i < n; i += L, value += W, w += W, g += W) {
            store(value, load(w).mul(load(g)));
        }
    }

    private static void absoluteProduct(long value, long w, long g, int n) {
        for (int i = 0; i < n; i += L, value += W, w += W, g += W) {
            store(value, load(w).mul(load(g)).abs());
        }
    }

    private static void curvature(long value, long w, long a, int n) {
        for (int i = 0; i < n; i += L, value += W, w += W, a += W) {
            FloatVector v = load(w);
            store(value, v.mul(load(a)).mul(v).abs());
        }
    }

    private static void mixed(long value, long w, long g, long a, int n) {
        for (int i = 0; i < n; i += L, value += W, w += W, g += W, a += W) {
            FloatVector v = load(w);
            FloatVector second = v.mul(0.5f).mul(load(a)).mul(v);
            store(value, v.mul(load(g)).sub(second).abs());
        }
    }

    private static void absolute(long value, long w, int n) {
        for (int i = 0; i < n; i += L, value += W, w += W) {
            store(value, load(w).abs());
        }
    }

    /// Adds a row's values to the column sums; returns their sum.
    ///
    /// @param lanes a register in memory
    private static double addRow(long columns, long value, int n, long lanes) {
        double sum = 0;
        for (int from = 0; from < n; from += BLOCK) {
            long offset = (long) from * Float.BYTES;
            addBlock(columns + offset, value + offset, Math.min(BLOCK, n - from), lanes);
            sum += Access.sum(lanes);
        }
        return sum;
    }

    private static void addBlock(long columns, long value, int n, long lanes) {
        FloatVector sum = FloatVector.zero(Lanes.F32);
        for (int i = 0; i < n; i += L, columns += W, value += W) {
            FloatVector v = load(value);
            store(columns, load(columns).add(v));
            sum = sum.add(v);
        }
        store(lanes, FloatVector.zero(Lanes.F32).add(sum));
    }
}
