package espalier.kernels.vector;

import static espalier.kernels.vector.Access.first;
import static espalier.kernels.vector.Access.load;
import static espalier.kernels.vector.Access.store;

import espalier.kernels.Tensor;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// SwiGLU with a gate value for each channel.
final class SwiGlu {
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;
    private static final FloatVector ONE = FloatVector.broadcast(Lanes.F32, 1);

    private SwiGlu() {}

    /// The logistic function. For large negative `x` the exponential is infinite or nearly so, and the quotient 0.
    private static FloatVector sigmoid(FloatVector x) {
        return ONE.div(VectorMath.exp(x.neg()).add(ONE));
    }

    static void forward(Parallel parallel, Tensor y, Tensor gate, Tensor up, Tensor z) {            // y =
        if (!z.isPresent()) {
            Tasks.flat(parallel, y.elements(), (offset, count, task) ->
                    forward(y.address() + offset, gate.address() + offset, up.address() + offset, count));
            return;
        }
        long row = (long) y.cols() * Float.BYTES;
        Tasks.rows(parallel, y.rows(), y.cols(), (from, to, worker) -> {
            for (int t = from; t < to; t++) {
                forwardGated(
                        y.address() + t * row, gate.address() + t * row, up.address() + t * row, z.address(), y.cols());
            }
        });
    }

    private static void forward(long y, long gate, long up, int n) {
        int i = 0;
        for (; i <= n - L; i += L, y += W, gate += W, up += W) {
            FloatVector a = load(gate);
            store(y, a.mul(sigmoid(a)).mul(load(up)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            FloatVector a = load(gate, m);
            store(y, a.mul(sigmoid(a)).mul(load(up, m)), m);
        }
    }

    private static void forwardGated(long y, long gate, long up, long z, int n) {
        int i = 0;
        for (; i <= n - L; i += L, y += W, gate += W, up += W, z += W) {
            FloatVector open = load(z);
            FloatVector a = load(gate).mul(open);
            store(y, a.mul(sigmoid(a)).mul(load(up).mul(open)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            FloatVector open = load(z, m);
            FloatVector a = load(gate, m).mul(open);
            store(y, a.mul(sigmoid(a)).mul(load(up, m).mul(open)), m);
        }
    }

    /// With `a = z gate`, `b = z up`, `s = sigmoid(a)`: `dA = dY b (s + a s (1 - s))`, `dB = dY a s`, `dGate = z dA`,
    /// `dUp = z dB`, `dZ += sum_t (gate dA + up dB)`.
    static void backward(
            Parallel parallel, Tensor dGate, Tensor dUp, Tensor dZ, Tensor dY, Tensor gate, Tensor up, Tensor z) {
        if (!z.isPresent() && !dZ.isPresent()) {
            Tasks.flat(parallel, dY.elements(), (offset, count, task) -> backward(
                    dGate.address() + offset, dUp.address() + offset, dY.address() + offset,
                    gate.address() + offset, up.address() + offset, count));
            return;
        }
        Tasks.columns(parallel, dY.rows(), dY.cols(), (from, to, worker) -> {
            float[] open = new float[Tasks.COLUMNS];
            for (int c = from; c < to; c++) {
                open[c - from] = z.isPresent() ? Access.get(z.address() + (long) c * Float.BYTES) : 1;
            }
            float[] sums = new float[Tasks.COLUMNS];
            for (int t = 0; t < dY.rows(); t++) {
                long offset = ((long) t * dY.cols() + from) * Float.BYTES;
                backwardGated(
                        dGate.address() + offset, dUp.address() + offset, dY.address() + offset,
                        gate.address() + offset, up.address() + offset, open, sums, to - from);
                if ((t + 1) % Tasks.CHUNK == 0 || t == dY.rows() - 1) {
                    flush(dZ, from, to, sums);
                }
            }
        });
    }

    /// Adds the sums of a chunk of tokens to the gate's gradient, where one is wanted, and clears them.
    private static void flush(Tensor dZ, int from, int to, float[] sums) {
        for (int c = from; c < to && dZ.isPresent(); c++) {
            long address = dZ.address() + (long) c * Float.BYTES;
            Access.set(address, Access.get(address) + sums[c - from]);
        }
        Arrays.fill(sums, 0);
    }

    private static void backward(long dGate, long dUp, long dY, long gate, long up, int n) {
        int i = 0;
        for (; i <= n - L; i += L, dGate += W, dUp += W, dY += W, gate += W, up += W) {
            FloatVector a = load(gate);
            FloatVector s = sigmoid(a);
            FloatVector silu = a.mul(s);
            FloatVector d = load(dY);
            FloatVector slope = ONE.sub(s).fma(silu, s);
            FloatVector b = load(up);
            store(dUp, d.mul(silu));
            store(dGate, d.mul(b).mul(slope));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            FloatVector a = load(gate, m);
            FloatVector s = sigmoid(a);
            FloatVector silu = a.mul(s);
            FloatVector d = load(dY, m);
            FloatVector slope = ONE.sub(s).fma(silu, s);
            FloatVector b = load(up, m);
            store(dUp, d.mul(silu), m);
            store(dGate, d.mul(b).mul(slope), m);
        }
    }

    /// Every operand has at least `n` columns; `open` and `sums` have a whole number of registers.
    private static void backwardGated(
            long dGate, long dUp, long dY, long gate, long up, float[] open, float[] sums, int n) {
        int i = 0;
        for (; i <= n - L; i += L, dGate += W, dUp += W, dY += W, gate += W, up += W) {
            FloatVector z = FloatVector.fromArray(Lanes.F32, open, i);
            FloatVector g = load(gate);
            FloatVector u = load(up);
            FloatVector a = g.mul(z);
            FloatVector s = sigmoid(a);
            FloatVector silu = a.mul(s);
            FloatVector d = load(dY);
            FloatVector dA = d.mul(u.mul(z)).mul(ONE.sub(s).fma(silu, s));
            FloatVector dB = d.mul(silu);
            store(dUp, dB.mul(z));
            store(dGate, dA.mul(z));
            g.fma(dA, u.fma(dB, FloatVector.fromArray(Lanes.F32, sums, i))).intoArray(sums, i);
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            FloatVector z = FloatVector.fromArray(Lanes.F32, open, i);
            FloatVector g = load(gate, m);
            FloatVector u = load(up, m);
            FloatVector a = g.mul(z);
            FloatVector s = sigmoid(a);
            FloatVector silu = a.mul(s);
            FloatVector d = load(dY, m);
            FloatVector dA = d.mul(u.mul(z)).mul(ONE.sub(s).fma(silu, s));
            FloatVector dB = d.mul(silu);
            store(dUp, dB.mul(z), m);
            store(dGate, dA.mul(z), m);
            g.fma(dA, u.fma(dB, FloatVector.fromArray(Lanes.F32, sums, i))).intoArray(sums, i);
        }
    }
}
