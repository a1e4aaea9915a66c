package espalier.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import espalier.kernels.DType;
import java.lang.foreign.Arena;
import java.util.Arrays;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GemvTest {
    private Parallel one;
    private Parallel two;
    private Gemv gemv;
    private Gemv shared;

    @BeforeAll
    void open() {
        one = new Parallel(1);
        two = new Parallel(2);
        gemv = new Gemv(one);
        shared = new Gemv(two);
    }

    @AfterAll
    void close() {
        gemv.close();
        shared.close();
        one.close();
        two.close();
    }

    private static void run(Gemv gemv, TestMatrix y, TestMatrix x, TestMatrix w, boolean accumulate) {
        gemv.run(x.rows, w.rows, w.cols, y.address, y.stride, x.address, x.stride, w.address, w.type, accumulate);
    }

    private void check(DType type, int m, int n, int k, int gap, boolean accumulate) {
        try (Arena arena = Arena.ofConfined()) {
            TestMatrix w = new TestMatrix(arena, type, n, k, 0, 1);
            TestMatrix x = new TestMatrix(arena, DType.F32, m, k, gap, 2);
            TestMatrix y = new TestMatrix(arena, DType.F32, m, n, gap, 3);
            TestMatrix twice = new TestMatrix(arena, DType.F32, m, n, gap, 3);
            TestMatrix before = new TestMatrix(arena, DType.F32, m, n, gap, 3);
            run(gemv, y, x, w, accumulate);
            run(shared, twice, x, w, accumulate);
            for (int i = 0; i < m; i++) {
                for (int j = 0; j < n; j++) {
                    double expected = accumulate ? before.get(i, j) : 0;
                    double magnitude = Math.abs(expected);
                    for (int l = 0; l < k; l++) {
                        double product = (double) x.get(i, l) * w.get(j, l);
                        expected += product;
                        magnitude += Math.abs(product);
                    }
                    double tolerance = 6e-8 * (2 + Math.sqrt(k)) * magnitude;
                    if (!(Math.abs(y.get(i, j) - expected) <= tolerance)) {
                        throw new AssertionError("%s m=%d n=%d k=%d: [%d, %d] is %s, expected %s +- %s"
                                .formatted(type, m, n, k, i, j, y.get(i, j), expected, tolerance));
                    }
                }
            }
            assertArrayEquals(y.values(), twice.values(), "depends on the number of threads");
        }
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void allShapes(DType type) {
        for (int k = 0; k <= 70; k++) {
            check(type, 1 + k % 4, 1 + k * 7 % 40, k, k % 3, k % 2 == 0);
        }
        for (int k : new int[] {207, 576, 1024, 1537}) {
            for (int m = 0; m <= 4; m++) {
                check(type, m, 200, k, 0, m == 2);
            }
        }
        check(type, 1, 0, 5, 0, false);
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void aRowDoesNotDependOnTheOthers(DType type) {
        try (Arena arena = Arena.ofConfined()) {
            TestMatrix w = new TestMatrix(arena, type, 31, 333, 0, 1);
            TestMatrix x = new TestMatrix(arena, DType.F32, 4, 333, 0, 2);
            TestMatrix y = new TestMatrix(arena, DType.F32, 4, 31, 0, 3);
            run(gemv, y, x, w, false);
            for (int m = 1; m < 4; m++) {
                TestMatrix fewer = new TestMatrix(arena, DType.F32, m, 31, 0, 4);
                gemv.run(m, 31, 333, fewer.address, 31, x.address, 333, w.address, type, false);
                assertArrayEquals(Arrays.copyOf(y.values(), m * 31), fewer.values(), m + " rows");
            }
        }
    }

    @Test
    void tooManyRowsAreNamed() {
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class, () -> gemv.run(5, 1, 1, 0, 1, 0, 1, 0, DType.F32, false));
        assertEquals("5 rows of x, expected at most 4", e.getMessage());
    }
}
