package espalier.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import espalier.bindings.NativeMemory;
import espalier.kernels.DType;
import espalier.kernels.Tensor;
import espalier.kernels.cpu.CpuWeight;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GemmOpsTest {
    private static final int OUTPUTS = 37;
    private static final int INPUTS = 21;

    private final Arena arena = Arena.ofConfined();
    private Parallel parallel;
    private GemmOps ops;

    @BeforeEach
    void open() {
        parallel = new Parallel(2);
        ops = new GemmOps(parallel);
    }

    @AfterEach
    void close() {
        ops.close();
        parallel.close();
        arena.close();
    }

    /// One term of a sum.
    private interface Term {
        double of(int i, int j, int l);
    }

    private static void check(String name, TestMatrix actual, TestMatrix before, int terms, Term term) {
        for (int i = 0; i < actual.rows; i++) {
            for (int j = 0; j < actual.cols; j++) {
                double expected = before.get(i, j);
                for (int l = 0; l < terms; l++) {
                    expected += term.of(i, j, l);
                }
                if (!(Math.abs(actual.get(i, j) - expected) <= 1e-5)) {
                    throw new AssertionError("%s: [%d, %d] is %s, expected %s"
                            .formatted(name, i, j, actual.get(i, j), expected));
                }
            }
        }
    }

    private TestMatrix random(int rows, int cols, long seed) {
        return new TestMatrix(arena, DType.F32, rows, cols, 0, seed);
    }

    private static Tensor tensor(TestMatrix matrix) {
        return new Tensor(matrix.address, matrix.rows, matrix.cols);
    }

    private static CpuWeight weight(TestMatrix m) {
        return new CpuWeight("w", m.type, m.rows, m.cols, m.address,
                NativeMemory.ALL.asSlice(m.address, (long) m.rows * m.cols * m.type.bytes()));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 4, 5, 30})
    void productsWithAWeight(int tokens) {
        for (DType type : DType.values()) {
            TestMatrix w = new TestMatrix(arena, type, OUTPUTS, INPUTS, 0, 1);
            TestMatrix x = random(tokens, INPUTS, 2);
            TestMatrix dY = random(tokens, OUTPUTS, 3);
            TestMatrix y = random(tokens, OUTPUTS, 4);
            ops.linear(tensor(y), tensor(x), weight(w), true);
            check("linear", y, random(tokens, OUTPUTS, 4), INPUTS, (i, j, l) -> (double) x.get(i, l) * w.get(j, l));
            TestMatrix dX = random(tokens, INPUTS, 5);
            ops.linearBackward(tensor(dX), tensor(dY), weight(w), true);
            check("linearBackward", dX, random(tokens, INPUTS, 5), OUTPUTS,
                    (i, j, l) -> (double) dY.get(i, l) * w.get(l, j));
            TestMatrix dW = random(11, INPUTS, 6);
            ops.weightGradient(tensor(dW), tensor(dY), 26, tensor(x), true);
            check("weightGradient", dW, random(11, INPUTS, 6), tokens,
                    (i, j, l) -> (double) dY.get(l, 26 + i) * x.get(l, j));
        }
    }

    @Test
    void productsOfTensors() {
        TestMatrix a = random(13, 7, 1);
        TestMatrix b = random(19, 7, 2);
        TestMatrix c = random(13, 19, 3);
        ops.matmulNT(tensor(c), tensor(a), tensor(b), 0.5f, true);
        check("NT", c, random(13, 19, 3), 7, (i, j, l) -> 0.5 * a.get(i, l) * b.get(j, l));
        TestMatrix d = random(7, 19, 4);
        TestMatrix e = random(13, 19, 3);
        ops.matmulNN(tensor(e), tensor(a), tensor(d), -2, true);
        check("NN", e, random(13, 19, 3), 7, (i, j, l) -> -2.0 * a.get(i, l) * d.get(l, j));
        TestMatrix f = random(13, 19, 5);
        TestMatrix g = random(7, 19, 6);
        ops.matmulTN(tensor(g), tensor(a), tensor(f), 1, true);
        check("TN", g, random(7, 19, 6), 13, (i, j, l) -> (double) a.get(l, i) * f.get(l, j));
    }

    private static void assertRefused(String message, Executable call) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, call).getMessage());
    }

    @Test
    void wrongShapesAreNamed() {
        CpuWeight w = weight(random(OUTPUTS, INPUTS, 1));
        Tensor x = new Tensor(0, 2, INPUTS);
        Tensor y = new Tensor(0, 2, OUTPUTS);
        assertRefused("x has shape [2, 20], expected [2, 21]", () -> ops.linear(y, new Tensor(0, 2, 20), w, false));
        assertRefused("y has shape [2, 21], expected [2, 37]", () -> ops.linear(x, x, w, false));
        assertRefused("dX has shape [2, 37], expected [2, 21]", () -> ops.linearBackward(y, y, w, false));
        assertRefused("dY has shape [2, 21], expected [2, 37]", () -> ops.linearBackward(x, x, w, false));
        Tensor dW = new Tensor(0, 5, INPUTS);
        assertRefused("outputs 33 to 38 of dY with 37 columns", () -> ops.weightGradient(dW, y, 33, x, false));
        assertRefused("outputs -1 to 4 of dY with 37 columns", () -> ops.weightGradient(dW, y, -1, x, false));
        assertRefused("b has shape [2, 37], expected [2, 21]", () -> ops.matmulNT(x, x, y, 1, false));
        assertRefused("b has shape [2, 37], expected [21, 37]", () -> ops.matmulNN(x, x, y, 1, false));
        assertRefused("c has shape [2, 21], expected [21, 37]", () -> ops.matmulTN(x, x, y, 1, false));
    }
}
