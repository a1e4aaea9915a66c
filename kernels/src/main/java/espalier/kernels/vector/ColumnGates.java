package espalier.kernels.vector;

import static espalier.kernels.vector.Access.first;
import static espalier.kernels.vector.Access.load;
import static espalier.kernels.vector.Access.store;

import espalier.kernels.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// Gates on columns, or on runs of columns that share one.
final class ColumnGates {
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;

    private ColumnGates() {}

    static void forward(Parallel parallel, Tensor y, Tensor x, Tensor z, int width, boolean accumulate) { // y = or +=
        long row = (long) y.cols() * Float.BYTES;
        Tasks.rows(parallel, y.rows(), y.cols(), (from, to, worker) -> {
            for (int t = from; t < to; t++) {
                long yRow = y.address() + t * row;
                long xRow = x.address() + t * row;
                if (width == 1 && accumulate) {
                    addProduct(yRow, xRow, z.address(), y.cols());
                } else if (width == 1) {
                    product(yRow, xRow, z.address(), y.cols());
                } else {
                    forwardRuns(yRow, xRow, z, width, accumulate);
                }
            }
        });
    }

    private static void forwardRuns(long y, long x, Tensor z, int width, boolean accumulate) {
        for (int run = 0; run < z.cols(); run++) {
            long offset = (long) run * width * Float.BYTES;
            float gate = Access.get(z.address() + (long) run * Float.BYTES);
            if (accumulate) {
                Elementwise.addScaled(y + offset, x + offset, gate, width);
            } else {
                scaled(y + offset, x + offset, gate, width);
            }
        }
    }

    private static void product(long y, long x, long z, int n) {
        int i = 0;
        for (; i <= n - L; i += L, y += W, x += W, z += W) {
            store(y, load(x).mul(load(z)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            store(y, load(x, m).mul(load(z, m)), m);
        }
    }

    private static void addProduct(long y, long x, long z, int n) {
        int i = 0;
        for (; i <= n - L; i += L, y += W, x += W, z += W) {
            store(y, load(x).fma(load(z), load(y)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            store(y, load(x, m).fma(load(z, m), load(y, m)), m);
        }
    }

    /// `y = factor * x`.
    static void scaled(long y, long x, float factor, int n) {
        FloatVector f = FloatVector.broadcast(Lanes.F32, factor);
        int i = 0;
        for (; i <= n - L; i += L, y += W, x += W) {
            store(y, load(x).mul(f));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            store(y, load(x, m).mul(f), m);
        }
    }

    static void backward(                                                                           // dX =, dZ +=
            Parallel parallel, Tensor dX, Tensor dZ, Tensor dY, Tensor x, Tensor z, int width) {
        if (!dZ.isPresent()) {
            forward(parallel, dX, dY, z, width, false);
        } else if (width == 1) {
            backwardColumns(parallel, dX, dZ, dY, x, z);
        } else {
            backwardRuns(parallel, dX, dZ, dY, x, z, width);
        }
    }

    private static void backwardColumns(Parallel parallel, Tensor dX, Tensor dZ, Tensor dY, Tensor x, Tensor z) {
        long row = (long) x.cols() * Float.BYTES;
        Tasks.columns(parallel, x.rows(), x.cols(), (from, to, worker) -> {
            long offset = (long) from * Float.BYTES;
            for (int t = 0; t < x.rows(); t += Tasks.CHUNK) {
                long start = t * row + offset;
                backwardColumns(
                        dX.address() + start, dZ.address() + offset, dY.address() + start, x.address() + start,
                        z.address() + offset, row, Math.min(Tasks.CHUNK, x.rows() - t), to - from);
            }
        });
    }

    private static void backwardColumns(long dX, long dZ, long dY, long x, long z, long row, int rows, int n) {
        int i = 0;
        for (; i <= n - L; i += L, dX += W, dZ += W, dY += W, x += W, z += W) {
            FloatVector gate = load(z);
            FloatVector sum = FloatVector.zero(Lanes.F32);
            for (int t = 0; t < rows; t++) {
                FloatVector d = load(dY + t * row);
                sum = load(x + t * row).fma(d, sum);
                store(dX + t * row, d.mul(gate));
            }
            store(dZ, sum.add(load(dZ)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            FloatVector gate = load(z, m);
            FloatVector sum = FloatVector.zero(Lanes.F32);
            for (int t = 0; t < rows; t++) {
                FloatVector d = load(dY + t * row, m);
                sum = load(x + t * row, m).fma(d, sum);
                store(dX + t * row, d.mul(gate), m);
            }
            store(dZ, sum.add(load(dZ, m)), m);
        }
    }

    private static void backwardRuns(
            Parallel parallel, Tensor dX, Tensor dZ, Tensor dY, Tensor x, Tensor z, int width) {
        long row = (long) x.cols() * Float.BYTES;
        Tasks.ranges(parallel, x.elements(), z.cols(), 1, (run, end, worker) -> {
            long offset = (long) run * width * Float.BYTES;
            long gateOffset = (long) run * Float.BYTES;
            float gate = Access.get(z.address() + gateOffset);
            double sum = Access.get(dZ.address() + gateOffset);
            for (int t = 0; t < x.rows(); t++) {
                long start = t * row + offset;
                sum += RmsNorm.dot(dY.address() + start, x.address() + start, width);
                scaled(dX.address() + start, dY.address() + start, gate, width);
            }
            Access.set(dZ.address() + gateOffset, (float) sum);
        });
    }
}
