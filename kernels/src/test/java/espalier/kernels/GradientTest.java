package espalier.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import espalier.kernels.scalar.ScalarOps;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The reference's values against [Forward], and its gradients against central differences of it, all in float64.
class GradientTest {
    private static final double STEP = 1e-5;
    /// F32 results of sums of a few dozen terms of size 1; the differences are good to 1e-9.
    private static final double TOLERANCE = 1e-5;
    private static final int TOKENS = 6;
    private static final int N = 10;

    private final Scene s = new Scene(new ScalarOps(), 20);

    @AfterEach
    void close() {
        s.close();
    }

    private static double[] wide(float[] values) {
        double[] wide = new double[values.length];
        for (int i = 0; i < wide.length; i++) {
            wide[i] = values[i];
        }
        return wide;
    }

    private double[] read(Tensor tensor) {
        return wide(s.host(tensor));
    }

    /// Checks `gradient = d/dx sum(upstream * forward(x))`.
    private static void check(
            String name, double[] gradient, double[] x, double[] upstream, Function<double[], double[]> forward) {
        assertEquals(x.length, gradient.length, name);
        double largest = 0;
        for (int i = 0; i < x.length; i++) {
            double[] moved = x.clone();
            moved[i] = x[i] + STEP;
            double[] above = forward.apply(moved);
            moved[i] = x[i] - STEP;
            double[] below = forward.apply(moved);
            double expected = 0;
            for (int j = 0; j < above.length; j++) {
                expected += upstream[j] * (above[j] - below[j]) / (2 * STEP);
            }
            if (!(Math.abs(gradient[i] - expected) <= TOLERANCE * Math.max(1, Math.abs(expected)))) {
                throw new AssertionError(
                        "%s[%d] is %s, central differences give %s".formatted(name, i, gradient[i], expected));
            }
            largest = Math.max(largest, Math.abs(expected));
        }
        if (!(largest > 0.01)) {
            throw new AssertionError(name + ": gradients near zero test nothing");
        }
    }

    /// What an accumulating operation added to a tensor that held ones.
    private double[] added(Tensor tensor) {
        double[] values = read(tensor);
        for (int i = 0; i < values.length; i++) {
            values[i] -= 1;
        }
        return values;
    }

    private Tensor ones(int rows, int cols) {
        Tensor tensor = s.empty(rows, cols);
        s.ops.fill(tensor, 1);
        return tensor;
    }

    @Test
    void linear() {
        Weight w = s.weight(7, N, DType.F32);
        Tensor x = s.random(TOKENS, N);
        Tensor dY = s.random(TOKENS, 7);
        Tensor wValues = s.empty(7, N);
        s.ops.dequantize(wValues, w, 0);
        Tensor y = s.empty(TOKENS, 7);
        s.ops.linear(y, x, w, false);
        assertArrayEquals(Forward.linear(read(x), read(wValues), TOKENS, N), read(y), TOLERANCE);

        Tensor dX = ones(TOKENS, N);
        s.ops.linearBackward(dX, dY, w, true);
        check("dX", added(dX), read(x), read(dY), v -> Forward.linear(v, read(wValues), TOKENS, N));
        Tensor dW = ones(7, N);
        s.ops.weightGradient(dW, dY, 0, x, true);
        check("dW", added(dW), read(wValues), read(dY), v -> Forward.linear(read(x), v, TOKENS, N));
        Tensor tile = s.empty(3, N);
        s.ops.weightGradient(tile, dY, 2, x, false);
        s.ops.weightGradient(dW, dY, 0, x, false);
        assertArrayEquals(read(dW.rowRange(2, 5)), read(tile));
    }

    @Test
    void products() {
        Tensor a = s.random(4, N);
        Tensor b = s.random(5, N);
        double[] expected = Forward.linear(read(a), read(b), 4, N);
        for (int i = 0; i < expected.length; i++) {
            expected[i] *= 0.5;
        }
        Tensor c = s.empty(4, 5);
        s.ops.matmulNT(c, a, b, 0.5f, false);
        assertArrayEquals(expected, read(c), TOLERANCE);
        s.ops.matmulNN(c, a, transposed(b), 0.5f, false);
        assertArrayEquals(expected, read(c), TOLERANCE);
        s.ops.fill(c, 1);
        s.ops.matmulTN(c, transposed(a), transposed(b), 0.5f, true);
        assertArrayEquals(expected, added(c), TOLERANCE);
    }

    private Tensor transposed(Tensor x) {
        float[] values = s.host(x);
        float[] turned = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            turned[i % x.cols() * x.rows() + i / x.cols()] = values[i];
        }
        return s.tensor(x.cols(), x.rows(), turned);
    }

    /// The pruned model's divisor is the width before pruning.
    @ParameterizedTest
    @ValueSource(ints = {N, 2 * N})
    void rmsNorm(int divisor) {
        Tensor x = s.random(TOKENS, N);
        Tensor weight = s.random(1, N);
        Tensor y = s.empty(TOKENS, N);
        Tensor rstd = s.empty(TOKENS, 1);
        s.ops.rmsNorm(y, rstd, x, weight, 0.01f, divisor);
        assertArrayEquals(Forward.rmsNorm(read(x), read(weight), 0.01f, divisor), read(y), TOLERANCE);

        Tensor dY = s.random(TOKENS, N);
        Tensor dX = ones(TOKENS, N);
        Tensor dWeight = ones(1, N);
        s.ops.rmsNormBackward(dX, dWeight, dY, x, weight, rstd, divisor);
        check("dX", added(dX), read(x), read(dY), v -> Forward.rmsNorm(v, read(weight), 0.01f, divisor));
        check("dWeight", added(dWeight), read(weight), read(dY), v -> Forward.rmsNorm(read(x), v, 0.01f, divisor));
    }

    @Test
    void rope() {
        int[] positions = {0, 1, 5, 6, 11, 3};
        RopeTable table = RopeTable.create(s.ops, s.memory, 100, 6, 12);
        Tensor x = s.random(TOKENS, 12);
        Tensor y = s.tensor(TOKENS, 12, s.host(x));
        s.ops.rope(y, table, positions, false);
        assertArrayEquals(Forward.rope(read(x), positions, 100, 6), read(y), TOLERANCE);

        Tensor dY = s.random(TOKENS, 12);
        Tensor dX = s.tensor(TOKENS, 12, s.host(dY));
        s.ops.rope(dX, table, positions, true);
        check("dX", read(dX), read(x), read(dY), v -> Forward.rope(v, positions, 100, 6));
    }

    @Test
    void attention() {
        HeadMap heads = HeadMap.of(new int[] {2, 0, 1}, 4);
        int[] starts = {0, 2, 2, TOKENS};
        Tensor q = s.random(TOKENS, 12);
        Tensor k = s.random(TOKENS, 12);
        Tensor v = s.random(TOKENS, 12);
        Tensor out = s.empty(TOKENS, 12);
        Tensor lse = s.empty(TOKENS, 3);
        s.ops.attention(out, lse, q, KeyValues.packed(starts, k, v), heads);
        assertArrayEquals(Forward.attention(read(q), read(k), read(v), starts, heads), read(out), TOLERANCE);

        Tensor dOut = s.random(TOKENS, 12);
        Tensor dQ = s.empty(TOKENS, 12);
        Tensor dK = s.empty(TOKENS, 12);
        Tensor dV = s.empty(TOKENS, 12);
        s.ops.attentionBackward(dQ, dK, dV, dOut, out, lse, q, k, v, starts, heads);
        check("dQ", read(dQ), read(q), read(dOut), x -> Forward.attention(x, read(k), read(v), starts, heads));
        check("dK", read(dK), read(k), read(dOut), x -> Forward.attention(read(q), x, read(v), starts, heads));
        check("dV", read(dV), read(v), read(dOut), x -> Forward.attention(read(q), read(k), x, starts, heads));
    }

    @Test
    void swiglu() {
        Tensor gate = s.random(TOKENS, N);
        Tensor up = s.random(TOKENS, N);
        Tensor z = s.random(1, N);
        Tensor y = s.empty(TOKENS, N);
        s.ops.swiglu(y, gate, up, z);
        assertArrayEquals(Forward.swiglu(read(gate), read(up), read(z)), read(y), TOLERANCE);

        Tensor dY = s.random(TOKENS, N);
        Tensor dGate = s.empty(TOKENS, N);
        Tensor dUp = s.empty(TOKENS, N);
        Tensor dZ = ones(1, N);
        s.ops.swigluBackward(dGate, dUp, dZ, dY, gate, up, z);
        check("dGate", read(dGate), read(gate), read(dY), v -> Forward.swiglu(v, read(up), read(z)));
        check("dUp", read(dUp), read(up), read(dY), v -> Forward.swiglu(read(gate), v, read(z)));
        check("dZ", added(dZ), read(z), read(dY), v -> Forward.swiglu(read(gate), read(up), v));
    }

    @Test
    void gateColumns() {
        Tensor x = s.random(TOKENS, N);
        Tensor z = s.random(1, N / 2);
        Tensor y = s.empty(TOKENS, N);
        s.ops.gateColumns(y, x, z, 2, false);
        assertArrayEquals(Forward.gateColumns(read(x), read(z), 2), read(y), TOLERANCE);

        Tensor dY = s.random(TOKENS, N);
        Tensor dX = s.empty(TOKENS, N);
        Tensor dZ = ones(1, N / 2);
        s.ops.gateColumnsBackward(dX, dZ, dY, x, z, 2);
        check("dX", read(dX), read(x), read(dY), v -> Forward.gateColumns(v, read(z), 2));
        check("dZ", added(dZ), read(z), read(dY), v -> Forward.gateColumns(read(x), v, 2));
    }

    @Test
    void crossEntropy() {
        int[] targets = {3, -1, 0, 9, 9, 5};
        Tensor logits = s.random(TOKENS, N);
        double[] x = read(logits);
        double[] loss = new double[TOKENS];
        s.ops.crossEntropy(loss, logits, targets, 0.5f);
        assertArrayEquals(Forward.crossEntropy(x, targets), loss, 1e-12);
        double[] upstream = {0.5, 0.5, 0.5, 0.5, 0.5, 0.5};
        check("logits", read(logits), x, upstream, v -> Forward.crossEntropy(v, targets));
    }

    @Test
    void klDivergence() {
        Tensor student = s.random(TOKENS, N);
        double[] x = read(student);
        Tensor teacher = s.random(TOKENS, N);
        double[] loss = new double[TOKENS];
        s.ops.klDivergence(loss, student, teacher, 0.5f, 2);
        assertArrayEquals(Forward.klDivergence(x, read(teacher), N, 0.5), loss, 1e-12);
        double[] upstream = {2, 2, 2, 2, 2, 2};
        check("student", read(student), x, upstream, v -> Forward.klDivergence(v, read(teacher), N, 0.5));
    }

    @Test
    void squaredError() {
        Tensor student = s.tensor(1, 4, 1, 0, -2, -0f);
        Tensor teacher = s.tensor(1, 4, 3, 5, -1, 7);
        assertEquals(new SquaredError(5, 2), s.ops.squaredError(student, teacher));
        Tensor dStudent = ones(1, 4);
        s.ops.squaredErrorBackward(dStudent, student, teacher, 0.5f);
        assertArrayEquals(new double[] {-2, 0, -1, 0}, added(dStudent));
    }

    @Test
    void embeddingAndBias() {
        Tensor dY = s.tensor(3, 2, 1, 2, 3, 4, 5, 6);
        Tensor dTable = ones(2, 2);
        s.ops.embedBackward(dTable, 4, dY, new int[] {5, 0, 5});
        assertArrayEquals(new double[] {0, 0, 6, 8}, added(dTable));
        Tensor dBias = ones(1, 2);
        s.ops.biasBackward(dBias, dY);
        assertArrayEquals(new double[] {9, 12}, added(dBias));
    }
}
