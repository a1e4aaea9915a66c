package espalier.kernels.vector;

import static espalier.kernels.vector.Access.load;
import static espalier.kernels.vector.Access.store;

import espalier.bindings.NativeMemory;
import espalier.kernels.Salience;
import espalier.kernels.Tensor;
import espalier.kernels.cpu.CpuWeight;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/// Sums of saliences over the rows and columns of a tile.
///
/// A task owns a block of columns and goes down the rows. It stages a row's operands as F32, padded with zeros to whole
/// registers; saliences of zeros are zeros. Sums are made in F32 over one row's block or one chunk of rows, then in
/// float64; the tasks' row sums are added in the order of the blocks.
final class Importance {
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;
    private static final long ROW = (long) Tasks.COLUMNS * Float.BYTES;

    private Importance() {}

    static void reduce(
            Parallel parallel, PackBuffer[] scratch, double[] rowScore, double[] colScore, Salience salience, // both +=
            CpuWeight w, int fromRow, int rows, Tensor g, Tensor meanSquare) {
        double[][] rowSums = new double[Math.ceilDiv(w.cols(), Tasks.COLUMNS)][];
        Tasks.columns(parallel, rows, w.cols(), (from, to, worker) -> {
            long memory = scratch[worker].ensure(5 * ROW);
            NativeMemory.ALL.asSlice(memory, 5 * ROW).fill((byte) 0);
            rowSums[from / Tasks.COLUMNS] =
                    reduceColumns(memory, from, to, colScore, salience, w, fromRow, rows, g, meanSquare);
        });
        for (double[] sums : rowSums) {
            for (int r = 0; r < rows; r++) {
                rowScore[r] += sums[r];
            }
        }
    }

    private static double[] reduceColumns(
            long memory, int from, int to, double[] colScore, Salience salience,
            CpuWeight w, int fromRow, int rows, Tensor g, Tensor meanSquare) {
        int n = to - from;
        long weight = memory;
        long gradient = memory + ROW;
        long square = memory + 2 * ROW;
        long value = memory + 3 * ROW;
        long columns = memory + 4 * ROW;
        double[] rowSums = new double[rows];
        for (int r = 0; r < rows; r++) {
            WeightRows.copy(weight, w, fromRow + r, from, n);
            if (salience.needsGradient()) {
                stage(gradient, g, r, from, n);
            }
            if (salience.needsMeanSquare()) {
                stage(square, meanSquare, r, from, n);
            }
            compute(salience, value, weight, gradient, square, n);
            rowSums[r] = Access.sum(addRow(columns, value, n));
            if ((r + 1) % Tasks.CHUNK == 0 || r == rows - 1) {
                for (int c = 0; c < n; c++) {
                    colScore[from + c] += Access.get(columns + (long) c * Float.BYTES);
                }
                Elementwise.fill(columns, 0, n);
            }
        }
        return rowSums;
    }

    private static void stage(long y, Tensor x, int row, int col, int n) {
        long source = x.address() + ((long) row * x.cols() + col) * Float.BYTES;
        MemorySegment.copy(NativeMemory.ALL, source, NativeMemory.ALL, y, (long) n * Float.BYTES);
    }

    private static void compute(Salience salience, long value, long w, long g, long a, int n) {
        switch (salience) {
            case VECTOR -> product(value, w, g, n);
            case FIRST_ORDER -> absoluteProduct(value, w, g, n);
            case SECOND_ORDER -> curvature(value, w, a, n);
            case MIXED -> mixed(value, w, g, a, n);
            case L1 -> absolute(value, w, n);
            case L2 -> product(value, w, w, n);
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

    /// Adds a row's values to the column sums; returns their sum in lanes.
    private static FloatVector addRow(long columns, long value, int n) {
        FloatVector sum = FloatVector.zero(Lanes.F32);
        for (int i = 0; i < n; i += L, columns += W, value += W) {
            FloatVector v = load(value);
            store(columns, load(columns).add(v));
            sum = sum.add(v);
        }
        return sum;
    }
}
