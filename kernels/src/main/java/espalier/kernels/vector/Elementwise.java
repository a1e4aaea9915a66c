package espalier.kernels.vector;

import static espalier.kernels.vector.Access.first;
import static espalier.kernels.vector.Access.load;
import static espalier.kernels.vector.Access.store;

import espalier.kernels.Tensor;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/// Fills, sums, squares and biases.
final class Elementwise {
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;
    private static final VectorSpecies<Double> F64 = Lanes.F32.withLanes(double.class);

    private Elementwise() {}

    static void fill(Parallel parallel, Tensor y, float value) {                                    // y =
        long to = y.address();
        Tasks.flat(parallel, y.elements(), (offset, count, task) -> fill(to + offset, value, count));
    }

    /// `y = value`.
    static void fill(long y, float value, int n) {
        FloatVector v = FloatVector.broadcast(Lanes.F32, value);
        int i = 0;
        for (; i <= n - L; i += L, y += W) {
            store(y, v);
        }
        if (i < n) {
            store(y, v, first(n - i));
        }
    }

    static void addScaled(Parallel parallel, Tensor y, Tensor x, float alpha) {                     // y +=
        long to = y.address();
        long from = x.address();
        Tasks.flat(parallel, y.elements(), (offset, count, task) ->
                addScaled(to + offset, from + offset, alpha, count));
    }

    /// `y += alpha x`.
    static void addScaled(long y, long x, float alpha, int n) {
        FloatVector a = FloatVector.broadcast(Lanes.F32, alpha);
        int i = 0;
        for (; i <= n - L; i += L, y += W, x += W) {
            store(y, load(x).fma(a, load(y)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            store(y, load(x, m).fma(a, load(y, m)), m);
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

    static void addSquare(Parallel parallel, Tensor y, Tensor x, float scale) {                     // y +=
        long to = y.address();
        long from = x.address();
        Tasks.flat(parallel, y.elements(), (offset, count, task) ->
                addSquare(to + offset, from + offset, scale, count));
    }

    private static void addSquare(long y, long x, float scale, int n) {
        FloatVector s = FloatVector.broadcast(Lanes.F32, scale);
        int i = 0;
        for (; i <= n - L; i += L, y += W, x += W) {
            FloatVector v = load(x);
            store(y, v.mul(s).fma(v, load(y)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            FloatVector v = load(x, m);
            store(y, v.mul(s).fma(v, load(y, m)), m);
        }
    }

    static double sumOfSquares(Parallel parallel, Tensor x) {
        double[] partial = new double[Tasks.flatTasks(x.elements())];
        long from = x.address();
        Tasks.flat(parallel, x.elements(), (offset, count, task) ->
                partial[task] = sumOfSquares(from + offset, count));
        return total(partial);
    }

    /// The squares of F32 numbers are exact in float64.
    private static double sumOfSquares(long x, int n) {
        DoubleVector low = DoubleVector.zero(F64);
        DoubleVector high = DoubleVector.zero(F64);
        int i = 0;
        for (; i <= n - L; i += L, x += W) {
            FloatVector v = load(x);
            DoubleVector a = widen(v, 0);
            DoubleVector b = widen(v, 1);
            low = a.fma(a, low);
            high = b.fma(b, high);
        }
        if (i < n) {
            FloatVector v = load(x, first(n - i));
            DoubleVector a = widen(v, 0);
            DoubleVector b = widen(v, 1);
            low = a.fma(a, low);
            high = b.fma(b, high);
        }
        return Access.sum(low.add(high).toArray());
    }

    /// Half of the lanes in float64.
    static DoubleVector widen(FloatVector v, int half) {
        return (DoubleVector) v.convertShape(VectorOperators.F2D, F64, half);
    }

    /// Adds the results of tasks in their order.
    static double total(double[] partial) {
        double sum = 0;
        for (double part : partial) {
            sum += part;
        }
        return sum;
    }

    static void addBias(Parallel parallel, Tensor y, Tensor bias) {                                 // y +=
        long row = (long) y.cols() * Float.BYTES;
        Tasks.rows(parallel, y.rows(), y.cols(), (from, to, worker) -> {
            for (int t = from; t < to; t++) {
                addScaled(y.address() + t * row, bias.address(), 1, y.cols());
            }
        });
    }

    static void biasBackward(Parallel parallel, Tensor dBias, Tensor dY) {                          // dBias +=
        ColumnSums.addRows(parallel, dBias, dY.address(), (long) dY.cols() * Float.BYTES, dY.rows());
    }
}
