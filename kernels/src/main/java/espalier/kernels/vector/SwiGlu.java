package espalier.kernels.vector;

import static espalier.kernels.vector.Access.first;
import static espalier.kernels.vector.Access.load;
import static espalier.kernels.vector.Access.store;

import espalier.bindings.NativeMemory;
import espalier.kernels.Tensor;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// SwiGLU with a gate value for each channel. One exponential in each method: with two the compiler stops inlining.
/// Without gates the loops compare addresses, as those of [GemvKernels] do and for their reason.
final class SwiGlu {
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;
    /// Registers that the operands of a row's end are staged in.
    private static final int STAGE = 6;
    private static final FloatVector ONE = FloatVector.broadcast(Lanes.F32, 1);

    private SwiGlu() {}

    /// The logistic function. For large negative `x` the exponential is infinite or nearly so, and the quotient 0.
    private static FloatVector sigmoid(FloatVector x) {
        return ONE.div(VectorMath.exp(x.neg()).add(ONE));
    }

    /// @return bytes of the registers that `n` elements fill
    private static long whole(int n) {
        return n / L * W;
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
        for (long end = y + whole(n); y != end; y += W, gate += W, up += W) {
            FloatVector a = load(gate);
            store(y, a.mul(sigmoid(a)).mul(load(up)));
        }
        if (n % L != 0) {
            forwardRest(y, gate, up, n % L);
        }
    }

    private static void forwardRest(long y, long gate, long up, int n) {
        VectorMask<Float> m = first(n);
        FloatVector a = load(gate, m);
        store(y, a.mul(sigmoid(a)).mul(load(up, m)), m);
    }

    private static void forwardGated(long y, long gate, long up, long z, int n) {
        int i = 0;
        for (; i <= n - L; i += L, y += W, gate += W, up += W, z += W) {
            FloatVector open = load(z);
            FloatVector a = load(gate).mul(open);
            store(y, a.mul(sigmoid(a)).mul(load(up).mul(open)));
        }
        if (i < n) {
            forwardGatedRest(y, gate, up, z, n - i);
        }
    }

    private static void forwardGatedRest(long y, long gate, long up, long z, int n) {
        VectorMask<Float> m = first(n);
        FloatVector open = load(z, m);
        FloatVector a = load(gate, m).mul(open);
        store(y, a.mul(sigmoid(a)).mul(load(up, m).mul(open)), m);
    }

    /// With `a = z gate`, `b = z up`, `s = sigmoid(a)`: `dA = dY b (s + a s (1 - s))`, `dB = dY a s`, `dGate = z dA`,
    /// `dUp = z dB`, `dZ += sum_t (gate dA + up dB)`.
    static void backward(
            Parallel parallel, ColumnSums sums, PackBuffer[] scratch,
            Tensor dGate, Tensor dUp, Tensor dZ, Tensor dY, Tensor gate, Tensor up, Tensor z) {
        if (!z.isPresent() && !dZ.isPresent()) {
            Tasks.flat(parallel, dY.elements(), (offset, count, task) -> {
                sigmoids(dUp.address() + offset, gate.address() + offset, count);
                backward(dGate.address() + offset, dUp.address() + offset, dY.address() + offset,
                        gate.address() + offset, up.address() + offset, count);
            });
            return;
        }
        int n = dY.cols();
        long row = (long) n * Float.BYTES;
        ColumnSums.Row body = (t, sum, worker) -> {
            long offset = t * row;
            long open = z.isPresent() ? z.address() : ones(scratch[worker], n);
            Row operands = new Row(dGate.address() + offset, dUp.address() + offset, sum, dY.address() + offset,
                    gate.address() + offset, up.address() + offset, open);
            backwardGated(scratch[worker], operands, n);
        };
        if (dZ.isPresent()) {
            sums.addTo(dZ, dY.rows(), dY.elements(), body);
        } else {
            sums.run(dY.rows(), dY.cols(), dY.elements(), body);
        }
    }

    /// A row of open gates behind the stage.
    private static long ones(PackBuffer scratch, int n) {
        long ones = scratch.ensure(STAGE * W + (long) n * Float.BYTES) + STAGE * W;
        Elementwise.fill(ones, 1, n);
        return ones;
    }

    /// Addresses of one row's operands; `sums` is padded to whole registers.
    private record Row(long dGate, long dUp, long sums, long dY, long gate, long up, long z) {
        /// The last `count` columns, fewer than a register, copied to `stage`; gradients go there too.
        Row rest(long stage, int from, int count) {
            long offset = (long) from * Float.BYTES;
            Elementwise.fill(stage, 0, STAGE * L);
            copy(stage, dY + offset, count);
            copy(stage + W, gate + offset, count);
            copy(stage + 2 * W, up + offset, count);
            copy(stage + 3 * W, z + offset, count);
            return new Row(stage + 4 * W, stage + 5 * W, sums + offset, stage, stage + W, stage + 2 * W, stage + 3 * W);
        }

        private static void copy(long to, long from, int count) {
            MemorySegment.copy(NativeMemory.ALL, from, NativeMemory.ALL, to, (long) count * Float.BYTES);
        }
    }

    /// Whole registers where they lie, then what is left, staged. The kernel is in two passes, called from one place
    /// and without a masked copy: in one, its vector operations are more than the compiler inlines.
    private static void backwardGated(PackBuffer scratch, Row row, int n) {
        int whole = n / L * L;
        for (int done = 0; done < n; ) {
            int left = n - done;
            boolean staged = left < L;
            Row part = staged ? row.rest(scratch.ensure(STAGE * W), done, left) : row;
            sigmoids(part.dUp, part.gate, part.z, staged ? L : whole);
            backwardGated(
                    part.dGate, part.dUp, part.sums, part.dY, part.gate, part.up, part.z, staged ? L : whole);
            if (staged) {
                Row.copy(row.dGate + (long) done * Float.BYTES, part.dGate, left);
                Row.copy(row.dUp + (long) done * Float.BYTES, part.dUp, left);
            }
            done += staged ? left : whole;
        }
    }

    private static void sigmoids(long y, long gate, long z, int n) {
        for (int i = 0; i < n; i += L, y += W, gate += W, z += W) {
            store(y, sigmoid(load(gate).mul(load(z))));
        }
    }

    /// Finds the sigmoids in `dUp`.
    private static void backwardGated(
            long dGate, long dUp, long sums, long dY, long gate, long up, long z, int n) {
        for (int i = 0; i < n; i += L, dGate += W, dUp += W, sums += W, dY += W, gate += W, up += W, z += W) {
            FloatVector open = load(z);
            FloatVector g = load(gate);
            FloatVector u = load(up);
            FloatVector s = load(dUp);
            FloatVector silu = g.mul(open).mul(s);
            FloatVector d = load(dY);
            FloatVector dA = d.mul(u.mul(open)).mul(ONE.sub(s).fma(silu, s));
            FloatVector dB = d.mul(silu);
            store(dUp, dB.mul(open));
            store(dGate, dA.mul(open));
            store(sums, g.fma(dA, u.fma(dB, load(sums))));
        }
    }

    private static void sigmoids(long y, long gate, int n) {
        for (long end = y + whole(n); y != end; y += W, gate += W) {
            store(y, sigmoid(load(gate)));
        }
        if (n % L != 0) {
            sigmoidsRest(y, gate, n % L);
        }
    }

    private static void sigmoidsRest(long y, long gate, int n) {
        VectorMask<Float> m = first(n);
        store(y, sigmoid(load(gate, m)), m);
    }

    /// Finds the sigmoids in `dUp`.
    private static void backward(long dGate, long dUp, long dY, long gate, long up, int n) {
        for (long end = dGate + whole(n); dGate != end; dGate += W, dUp += W, dY += W, gate += W, up += W) {
            FloatVector s = load(dUp);
            FloatVector silu = load(gate).mul(s);
            FloatVector d = load(dY);
            store(dUp, d.mul(silu));
            store(dGate, d.mul(load(up)).mul(ONE.sub(s).fma(silu, s)));
        }
        if (n % L != 0) {
            VectorMask<Float> m = first(n % L);
            FloatVector s = load(dUp, m);
            FloatVector silu = load(gate, m).mul(s);
            FloatVector d = load(dY, m);
            store(dUp, d.mul(silu), m);
            store(dGate, d.mul(load(up, m)).mul(ONE.sub(s).fma(silu, s)), m);
        }
    }
}
