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
                Elementwise.scaled(y + offset, x + offset, gate, width);
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

    static void backward(                                                                           // dX =, dZ +=
            Parallel parallel, PackBuffer[] scratch, ColumnSums sums, Tensor dX, Tensor dZ, Tensor dY, Tensor x,
            Tensor z, int width) {
        if (!dZ.isPresent()) {
            forward(parallel, dX, dY, z, width, false);
            return;
        }
        long row = (long) x.cols() * Float.BYTES;
        sums.addTo(dZ, x.rows(), x.elements(), (t, sum, worker) -> {
            long dXRow = dX.address() + t * row;
            long dYRow = dY.address() + t * row;
            long xRow = x.address() + t * row;
            if (width == 1) {
                backward(dXRow, sum, dYRow, xRow, z.address(), x.cols());
            } else {
                backwardRuns(dXRow, sum, dYRow, xRow, z, width, scratch[worker].ensure(W));
            }
        });
    }

    private static void backward(long dX, long sums, long dY, long x, long z, int n) {
        int i = 0;
        for (; i <= n - L; i += L, dX += W, sums += W, dY += W, x += W, z += W) {
            FloatVector d = load(dY);
            store(sums, load(x).fma(d, load(sums)));
            store(dX, d.mul(load(z)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            FloatVector d = load(dY, m);
            store(sums, load(x, m).fma(d, load(sums, m)), m);
            store(dX, d.mul(load(z, m)), m);
        }
    }

    private static void backwardRuns(long dX, long sums, long dY, long x, Tensor z, int width, long lanes) {
        for (int run = 0; run < z.cols(); run++) {
            long offset = (long) run * width * Float.BYTES;
            long gate = (long) run * Float.BYTES;
            double dot = RmsNorm.dot(dY + offset, x + offset, width, lanes);
            Access.set(sums + gate, (float) (Access.get(sums + gate) + dot));
            Elementwise.scaled(dX + offset, dY + offset, Access.get(z.address() + gate), width);
        }
    }
}
