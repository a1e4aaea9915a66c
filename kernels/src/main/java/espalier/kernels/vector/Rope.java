package espalier.kernels.vector;

import static espalier.kernels.vector.Access.first;
import static espalier.kernels.vector.Access.load;
import static espalier.kernels.vector.Access.store;

import espalier.kernels.RopeTable;
import espalier.kernels.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// Rotary position embeddings from a table.
final class Rope {
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;

    private Rope() {}

    static void rotate(Parallel parallel, Tensor x, RopeTable table, int[] positions, boolean inverse) { // x =
        long half = (long) table.cos().cols() * Float.BYTES;
        long row = (long) x.cols() * Float.BYTES;
        Tasks.rows(parallel, x.rows(), x.cols(), (from, to, worker) -> {
            for (int t = from; t < to; t++) {
                long cos = table.cos().address() + positions[t] * half;
                long sin = table.sin().address() + positions[t] * half;
                long start = x.address() + t * row;
                for (long head = start; head < start + row; head += 2 * half) {
                    rotate(head, head + half, cos, sin, inverse ? -1 : 1, table.cos().cols());
                }
            }
        });
    }

    private static void rotate(long a, long b, long cos, long sin, float direction, int n) {
        FloatVector sign = FloatVector.broadcast(Lanes.F32, direction);
        int i = 0;
        for (; i <= n - L; i += L, a += W, b += W, cos += W, sin += W) {
            FloatVector u = load(a);
            FloatVector v = load(b);
            FloatVector c = load(cos);
            FloatVector s = load(sin).mul(sign);
            store(a, u.fma(c, v.mul(s).neg()));
            store(b, v.fma(c, u.mul(s)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            FloatVector u = load(a, m);
            FloatVector v = load(b, m);
            FloatVector c = load(cos, m);
            FloatVector s = load(sin, m).mul(sign);
            store(a, u.fma(c, v.mul(s).neg()), m);
            store(b, v.fma(c, u.mul(s)), m);
        }
    }
}
