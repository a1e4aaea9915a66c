package espalier.engine.gates;

import espalier.kernels.AdamWStep;
import java.util.Arrays;

/// Adam without weight decay (Kingma and Ba 2015, arXiv:1412.6980) on a vector of the host: betas 0.9 and 0.999, eps
/// 1e-8. It computes in float64 and holds values and moments as F32, so that a run file's F32 tensors bring the same
/// state back.
///
/// `espalier.engine.train.AdamW` steps tensors in a backend's own order of operations, and its rates are not negative;
/// the bits of gates depend on neither backend nor lane width, and multipliers ascend.
final class HostAdam {
    private static final double BETA1 = 0.9;
    private static final double BETA2 = 0.999;
    private static final double EPS = 1e-8;

    private final double rate;
    private final double[] values;
    private final double[] m;
    private final double[] v;
    private long updates;

    /// @param values to begin with, each one of F32; copied
    /// @param rate learning rate, negative for ascent
    HostAdam(double[] values, double rate) {
        this.values = values.clone();
        this.rate = rate;
        this.m = new double[values.length];
        this.v = new double[values.length];
    }

    /// @param gradient as long as the values, finite
    void step(double[] gradient) {
        updates++;
        AdamWStep step = new AdamWStep(rate, BETA1, BETA2, EPS, 0, updates, 1);
        double stepSize = step.stepSize();
        double root = step.rootOfCorrection2();
        for (int i = 0; i < values.length; i++) {
            m[i] = (float) (BETA1 * m[i] + (1 - BETA1) * gradient[i]);
            v[i] = (float) (BETA2 * v[i] + (1 - BETA2) * gradient[i] * gradient[i]);
            values[i] = (float) (values[i] - stepSize * m[i] / (Math.sqrt(v[i]) / root + EPS));
        }
    }

    /// Moves every value into a range whose ends are values of F32.
    void clamp(double least, double most) {
        Arrays.setAll(values, i -> Math.clamp(values[i], least, most));
    }

    /// @return the values themselves, which the next step changes: who reads them does not
    double[] values() {
        return values;
    }

    long updates() {
        return updates;
    }

    /// @return values and moments, without loss
    GateState.Vector state() {
        return new GateState.Vector(floats(values), floats(m), floats(v));
    }

    void restore(String name, long doneUpdates, GateState.Vector state) {
        copy(name, state.values(), values);
        copy(name, state.m(), m);
        copy(name, state.v(), v);
        updates = doneUpdates;
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }

    private static void copy(String name, float[] from, double[] to) {
        if (from.length != to.length) {
            throw new IllegalArgumentException(
                    "the state of %s has %d values, expected %d".formatted(name, from.length, to.length));
        }
        for (int i = 0; i < to.length; i++) {
            if (!Float.isFinite(from[i])) {
                throw new IllegalArgumentException("the state of %s: entry %d is %s".formatted(name, i, from[i]));
            }
        }
        Arrays.setAll(to, i -> from[i]);
    }
}
