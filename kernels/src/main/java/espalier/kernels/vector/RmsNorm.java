package espalier.kernels.vector;

import static espalier.kernels.vector.Access.first;
import static espalier.kernels.vector.Access.load;
import static espalier.kernels.vector.Access.store;

import espalier.kernels.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// RMSNorm. A row's sums are made in the lanes and added in float64.
final class RmsNorm {
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;

    private RmsNorm() {}

    static void forward(                                                                            // y =, rstd =
            Parallel parallel, Tensor y, Tensor rstd, Tensor x, Tensor weight, float eps, int divisor) {
        long row = (long) x.cols() * Float.BYTES;
        Tasks.rows(parallel, x.rows(), x.cols(), (from, to, worker) -> {
            for (int t = from; t < to; t++) {
                double squares = dot(x.address() + t * row, x.address() + t * row, x.cols());
                float scale = (float) (1 / Math.sqrt(squares / divisor + eps));
                Access.set(rstd.address() + (long) t * Float.BYTES, scale);
                scale(y.address() + t * row, x.address() + t * row, weight.address(), scale, x.cols());
            }
        });
    }

    /// `sum(a b)`.
    static double dot(long a, long b, int n) {
        FloatVector even = FloatVector.zero(Lanes.F32);
        FloatVector odd = FloatVector.zero(Lanes.F32);
        int i = 0;
        for (; i <= n - 2 * L; i += 2 * L, a += 2 * W, b += 2 * W) {
            even = load(a).fma(load(b), even);
            odd = load(a + W).fma(load(b + W), odd);
        }
        for (; i < n; i += L, a += W, b += W) {
            VectorMask<Float> m = first(Math.min(L, n - i));
            even = load(a, m).fma(load(b, m), even);
        }
        return Access.sum(even.add(odd));
    }

    private static void scale(long y, long x, long weight, float rstd, int n) {
        FloatVector r = FloatVector.broadcast(Lanes.F32, rstd);
        int i = 0;
        for (; i <= n - L; i += L, y += W, x += W, weight += W) {
            store(y, load(x).mul(r).mul(load(weight)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            store(y, load(x, m).mul(r).mul(load(weight, m)), m);
        }
    }

    /// With `r = rstd` and `p = dY * weight`: `dX += r p - x r^3 / divisor * sum(p x)`, `dWeight += sum_t dY x r`.
    static void backward(
            Parallel parallel, Tensor dX, Tensor dWeight, Tensor dY, Tensor x, Tensor weight, Tensor rstd,
            int divisor) {
        long row = (long) x.cols() * Float.BYTES;
        Tasks.rows(parallel, x.rows(), x.cols(), (from, to, worker) -> {
            for (int t = from; t < to; t++) {
                long dYRow = dY.address() + t * row;
                long xRow = x.address() + t * row;
                double r = Access.get(rstd.address() + (long) t * Float.BYTES);
                double back = r * r * r / divisor * dot(dYRow, weight.address(), xRow, x.cols());
                addGradient(dX.address() + t * row, dYRow, weight.address(), xRow, (float) r, (float) back, x.cols());
            }
        });
        if (dWeight.isPresent()) {
            weightBackward(parallel, dWeight, dY, x, rstd);
        }
    }

    private static double dot(long a, long b, long c, int n) {
        FloatVector even = FloatVector.zero(Lanes.F32);
        FloatVector odd = FloatVector.zero(Lanes.F32);
        int i = 0;
        for (; i <= n - 2 * L; i += 2 * L, a += 2 * W, b += 2 * W, c += 2 * W) {
            even = load(a).mul(load(b)).fma(load(c), even);
            odd = load(a + W).mul(load(b + W)).fma(load(c + W), odd);
        }
        for (; i < n; i += L, a += W, b += W, c += W) {
            VectorMask<Float> m = first(Math.min(L, n - i));
            even = load(a, m).mul(load(b, m)).fma(load(c, m), even);
        }
        return Access.sum(even.add(odd));
    }

    private static void addGradient(long dX, long dY, long weight, long x, float rstd, float back, int n) {
        FloatVector r = FloatVector.broadcast(Lanes.F32, rstd);
        FloatVector b = FloatVector.broadcast(Lanes.F32, -back);
        int i = 0;
        for (; i <= n - L; i += L, dX += W, dY += W, weight += W, x += W) {
            FloatVector direct = load(dY).mul(load(weight)).mul(r);
            store(dX, load(x).fma(b, direct).add(load(dX)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            FloatVector direct = load(dY, m).mul(load(weight, m)).mul(r);
            store(dX, load(x, m).fma(b, direct).add(load(dX, m)), m);
        }
    }

    private static void weightBackward(Parallel parallel, Tensor dWeight, Tensor dY, Tensor x, Tensor rstd) {
        long row = (long) x.cols() * Float.BYTES;
        Tasks.columns(parallel, x.rows(), x.cols(), (from, to, worker) -> {
            long offset = (long) from * Float.BYTES;
            for (int t = 0; t < x.rows(); t += Tasks.CHUNK) {
                long start = t * row + offset;
                addColumns(
                        dWeight.address() + offset, dY.address() + start, x.address() + start,
                        rstd.address() + (long) t * Float.BYTES, row,
                        Math.min(Tasks.CHUNK, x.rows() - t), to - from);
            }
        });
    }

    private static void addColumns(long out, long dY, long x, long rstd, long row, int rows, int n) {
        int i = 0;
        for (; i <= n - L; i += L, out += W, dY += W, x += W) {
            FloatVector sum = FloatVector.zero(Lanes.F32);
            for (int t = 0; t < rows; t++) {
                FloatVector scaled = load(x + t * row).mul(Access.get(rstd + (long) t * Float.BYTES));
                sum = load(dY + t * row).fma(scaled, sum);
            }
            store(out, sum.add(load(out)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            FloatVector sum = FloatVector.zero(Lanes.F32);
            for (int t = 0; t < rows; t++) {
                FloatVector scaled = load(x + t * row, m).mul(Access.get(rstd + (long) t * Float.BYTES));
                sum = load(dY + t * row, m).fma(scaled, sum);
            }
            store(out, sum.add(load(out, m)), m);
        }
    }
}
