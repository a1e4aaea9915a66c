package espalier.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.bindings.NativeMemory;
import espalier.kernels.Backends;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GemmTest {
    private static final int[] SIZES = {1, 2, 3, 5, 7, 8, 11, 12, 13, 15, 16, 17, 24, 25, 31, 32, 33, 45, 64, 65, 70};

    /// Forms whose operands are plain matrices.
    static final List<Gemm.Form> PLAIN = List.of(Gemm.Form.NT, Gemm.Form.NN, Gemm.Form.TN);

    private Parallel one;
    private Parallel two;
    private Gemm gemm;
    private Gemm shared;

    @BeforeAll
    void open() {
        one = new Parallel(1);
        two = new Parallel(2);
        gemm = new Gemm(one);
        shared = new Gemm(two);
    }

    @AfterAll
    void close() {
        gemm.close();
        shared.close();
        one.close();
        two.close();
    }

    /// A product, computed and checked element by element against a sum in double.
    private void check(
            Gemm.Form form, DType type, int m, int n, int k, int gap, float alpha, boolean accumulate) {
        try (Arena arena = Arena.ofConfined()) {
            TestMatrix a = left(arena, form, m, k, gap);
            TestMatrix b = right(arena, form, type, n, k, gap);
            TestMatrix c = new TestMatrix(arena, DType.F32, m, n, gap, 3);
            TestMatrix before = new TestMatrix(arena, DType.F32, m, n, gap, 3);
            if (!accumulate) {
                for (int i = 0; i < m * n; i++) {
                    c.set(i / n, i % n, Float.NaN);
                }
            }
            TestMatrix twice = new TestMatrix(arena, DType.F32, m, n, gap, 3);
            run(gemm, form, m, n, k, c, a, b, alpha, accumulate);
            run(shared, form, m, n, k, twice, a, b, alpha, accumulate);
            String name = "%s %s m=%d n=%d k=%d gap=%d alpha=%s accumulate=%s"
                    .formatted(form, type, m, n, k, gap, alpha, accumulate);
            assertTrue(c.gapsUntouched(), () -> name + " wrote between rows");
            for (int i = 0; i < m; i++) {
                for (int j = 0; j < n; j++) {
                    double expected = accumulate ? before.get(i, j) : 0;
                    double magnitude = Math.abs(expected);
                    for (int l = 0; l < k; l++) {
                        double product = alpha * (double) a(form, a, i, l) * b(form, b, l, j);
                        expected += product;
                        magnitude += Math.abs(product);
                    }
                    double tolerance = 6e-8 * (2 + Math.sqrt(k)) * magnitude;
                    float actual = c.get(i, j);
                    if (!(Math.abs(actual - expected) <= tolerance)) {
                        throw new AssertionError("%s: [%d, %d] is %s, expected %s +- %s"
                                .formatted(name, i, j, actual, expected, tolerance));
                    }
                }
            }
            assertArrayEquals(c.values(), twice.values(), () -> name + " depends on the number of threads");
        }
    }

    private static TestMatrix left(Arena arena, Gemm.Form form, int m, int k, int gap) {
        return form == Gemm.Form.TN
                ? new TestMatrix(arena, DType.F32, k, m, gap, 1)
                : new TestMatrix(arena, DType.F32, m, k, gap, 1);
    }

    private static TestMatrix right(Arena arena, Gemm.Form form, DType type, int n, int k, int gap) {
        return form == Gemm.Form.NT
                ? new TestMatrix(arena, type, n, k, gap, 2)
                : new TestMatrix(arena, type, k, n, gap, 2);
    }

    private static float a(Gemm.Form form, TestMatrix a, int i, int l) {
        return form == Gemm.Form.TN ? a.get(l, i) : a.get(i, l);
    }

    private static float b(Gemm.Form form, TestMatrix b, int l, int j) {
        return form == Gemm.Form.NT ? b.get(j, l) : b.get(l, j);
    }

    private static void run(
            Gemm gemm, Gemm.Form form, int m, int n, int k, TestMatrix c, TestMatrix a, TestMatrix b,
            float alpha, boolean accumulate) {
        gemm.run(form, m, n, k, c.address, c.stride, a.address, a.stride, b.address, b.type, b.stride,
                alpha, accumulate);
    }

    @ParameterizedTest
    @EnumSource(value = Gemm.Form.class, names = "PACKED", mode = EnumSource.Mode.EXCLUDE)
    void allSmallShapes(Gemm.Form form) {
        int turn = 0;
        for (int m : SIZES) {
            for (int n : SIZES) {
                // Every k meets every m and n in some pairing; all triples would take minutes.
                int k = SIZES[turn++ % SIZES.length];
                DType type = DType.values()[turn % 3];
                check(form, type, m, n, k, turn % 2 * 3, turn % 5 == 0 ? -0.5f : 1, turn % 7 < 3);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(value = Gemm.Form.class, names = "PACKED", mode = EnumSource.Mode.EXCLUDE)
    void allTermCounts(Gemm.Form form) {
        for (DType type : DType.values()) {
            for (int k = 1; k <= 70; k++) {
                check(form, type, 13, 37, k, k % 3, 1, k % 2 == 0);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {207, 768, 769, 1024, 1541})
    void longSums(int k) {
        for (Gemm.Form form : PLAIN) {
            for (DType type : DType.values()) {
                check(form, type, 26, 50, k, 0, 0.125f, true);
                check(form, type, 3, 33, k, 5, 1, false);
            }
        }
    }

    @Test
    void manyBlocks() {
        for (Gemm.Form form : PLAIN) {
            check(form, DType.BF16, 150, 700, 100, 0, 1, false);
            check(form, DType.F32, 700, 20, 64, 0, 1, true);
        }
        check(Gemm.Form.NT, DType.F32, 4099, 3, 4, 1, 1, false);
        check(Gemm.Form.TN, DType.F32, 4099, 3, 4, 1, 1, false);
    }

    @Test
    void emptyProducts() {
        check(Gemm.Form.NT, DType.F32, 0, 5, 4, 0, 1, false);
        check(Gemm.Form.NN, DType.F32, 5, 0, 4, 0, 1, false);
        check(Gemm.Form.TN, DType.F32, 5, 40, 0, 2, 1, false);
        check(Gemm.Form.NN, DType.F32, 5, 40, 0, 2, 1, true);
    }

    @Test
    void localProductsHaveTheSameBits() {
        try (Arena arena = Arena.ofConfined()) {
            for (Gemm.Form form : PLAIN) {
                int m = 43;
                int n = 300;
                int k = 800;
                TestMatrix a = left(arena, form, m, k, 1);
                TestMatrix b = right(arena, form, DType.F32, n, k, 2);
                TestMatrix c = new TestMatrix(arena, DType.F32, m, n, 3, 3);
                TestMatrix[] local = new TestMatrix[6];
                for (int i = 0; i < local.length; i++) {
                    local[i] = new TestMatrix(arena, DType.F32, m, n, 3, 3);
                }
                run(shared, form, m, n, k, c, a, b, 0.7f, true);
                two.run(local.length, (task, worker) -> shared.local(
                        worker, form, m, n, k, local[task].address, local[task].stride, a.address, a.stride,
                        b.address, DType.F32, b.stride, 0.7f, true));
                for (TestMatrix each : local) {
                    assertArrayEquals(c.values(), each.values());
                }
            }
        }
    }

    @Test
    void everyHalfPrecisionValueIsExact() {
        try (Arena arena = Arena.ofConfined()) {
            int count = 1 << 16;
            TestMatrix one = new TestMatrix(arena, DType.F32, 1, 1, 0, 1);
            one.set(0, 0, 1);
            for (DType type : new DType[] {DType.BF16, DType.F16}) {
                TestMatrix b = new TestMatrix(arena, type, 1, count, 0, 1);
                TestMatrix c = new TestMatrix(arena, DType.F32, 1, count, 0, 1);
                for (int i = 0; i < count; i++) {
                    NativeMemory.ALL.set(
                            ValueLayout.JAVA_SHORT, b.address + 2L * i, (short) i);
                }
                run(gemm, Gemm.Form.NN, 1, count, 1, c, one, b, 1, false);
                for (int i = 0; i < count; i++) {
                    // The sum begins with +0, which turns -0 into +0.
                    assertEquals(b.get(0, i) + 0f, c.get(0, i), type + " " + Integer.toHexString(i));
                }
            }
        }
    }

    @Test
    void negativeSizesAreNamed() {
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class,
                () -> gemm.run(Gemm.Form.NT, 1, -2, 1, 0, 0, 0, 0, 0, DType.F32, 0, 1, false));
        assertEquals("n must not be negative, got -2", e.getMessage());
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void packedOnceGivesTheSameBits(DType type) {
        for (int[] size : new int[][] {{5, 1, 1}, {9, 33, 7}, {32, 70, 65}, {13, 40, 769}, {40, 96, 1601}}) {
            int m = size[0];
            int n = size[1];
            int k = size[2];
            try (Arena arena = Arena.ofShared(); Ops ops = Backends.open(Backends.Choice.VECTOR, 2);
                    Workspace memory = ops.newWorkspace()) {
                TestMatrix w = new TestMatrix(arena, type, n, k, 0, 1);
                TestMatrix x = new TestMatrix(arena, DType.F32, m, k, 0, 2);
                Weight plain = ops.prepare(new StoredMatrix("w", type, n, k, w.memory));
                Weight packed = ops.pack(plain, memory);
                Tensor y = memory.take(m, n);
                Tensor expected = memory.take(m, n);
                Tensor input = new Tensor(x.address, m, k);
                ops.linear(y, input, packed, false);
                ops.linear(expected, input, plain, false);
                ops.linear(y, input, packed, true);
                ops.linear(expected, input, plain, true);
                assertArrayEquals(host(ops, expected), host(ops, y), type + " " + m + " " + n + " " + k);
            }
        }
    }

    private static float[] host(Ops ops, Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.elements())];
        ops.toHost(tensor, values);
        return values;
    }
}
