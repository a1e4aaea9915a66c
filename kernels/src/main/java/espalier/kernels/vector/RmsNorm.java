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
            Parallel parallel, PackBuffer[] scratch, Tensor y, Tensor rstd, Tensor x, Tensor weight, float eps,
            int divisor) {
        Tasks.rows(parallel, x.rows(), x.cols(), (from, to, worker) -> {
            long lanes = scratch[worker].ensure(W);
            for (int t = from; t < to; t++) {
                double squares = dot(row(x, t), row(x, t), x.cols(), lanes);
                float scale = (float) (1 / Math.sqrt(squares / divisor + eps));
                Access.set(rstd.address() + (long) t * Float.BYTES, scale);
                scale(row(y, t), row(x, t), weight.address(), scale, x.cols());
            }
        });
    }

    /// `sum(a b)`.
    ///
    /// @param lanes a register in memory
    static double dot(long a, long b, int n, long lanes) {
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
        store(lanes, even.add(odd));
        return Access.sum(lanes);
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
            Parallel parallel, PackBuffer[] scratch, ColumnSums sums, Tensor dX, Tensor dWeight, Tensor dY, Tensor x,
            Tensor weight, Tensor rstd, int divisor) {
        if (dWeight.isPresent()) {
            sums.addTo(dWeight, x.rows(), x.elements(), (t, sum, worker) -> {
                backwardRow(t, dX, dY, x, weight, rstd, divisor, scratch[worker].ensure(W));
                addProduct(sum, row(dY, t), row(x, t), rstdOf(rstd, t), x.cols());
            });
        } else {
            Tasks.rows(parallel, x.rows(), x.cols(), (from, to, worker) -> {
                long lanes = scratch[worker].ensure(W);
                for (int t = from; t < to; t++) {
                    backwardRow(t, dX, dY, x, weight, rstd, divisor, lanes);
                }
            });
        }
    }

    private static long row(Tensor x, int t) {
        return x.address() + (long) t * x.cols() * Float.BYTES;
    }

    private static float rstdOf(Tensor rstd, int t) {
        return Access.get(rstd.address() + (long) t * Float.BYTES);
    }

    private static void backwardRow(
            int t, Tensor dX, Tensor dY, Tensor x, Tensor weight, Tensor rstd, int divisor, long lanes) {
        double r = rstdOf(rstd, t);
        double back = r * r * r / divisor * dot(row(dY, t), weight.address(), row(x, t), x.cols(), lanes);
        addGradient(row(dX, t), row(dY, t), weight.address(), row(x, t), (float) r, (float) back, x.cols());
    }

    /// `sum(a b c)`.
    private static double dot(long a, long b, long c, int n, long lanes) {
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
        store(lanes, even.add(odd));
        return Access.sum(lanes);
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

    /// `sums += factor a b`.
    private static void addProduct(long sums, long a, long b, float factor, int n) {
        FloatVector f = FloatVector.broadcast(Lanes.F32, factor);
        int i = 0;
        for (; i <= n - L; i += L, sums += W, a += W, b += W) {
            store(sums, load(a).fma(load(b).mul(f), load(sums)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            store(sums, load(a, m).fma(load(b, m).mul(f), load(sums, m)), m);
        }
    }
}
