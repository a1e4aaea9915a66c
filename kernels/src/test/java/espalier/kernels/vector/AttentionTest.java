package espalier.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import espalier.kernels.DType;
import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import espalier.kernels.Tensor;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class AttentionTest {
    private static final HeadMap UNEQUAL = HeadMap.of(new int[] {3, 0, 1, 2}, 10);

    private Threads one;
    private Threads two;

    /// Attention on a number of threads.
    private record Threads(Parallel parallel, Gemm gemm, Attention attention, AttentionBackward backward)
            implements AutoCloseable {
        static Threads of(int count) {
            Parallel parallel = new Parallel(count);
            Gemm gemm = new Gemm(parallel);
            return new Threads(
                    parallel, gemm, new Attention(parallel, gemm), new AttentionBackward(parallel));
        }

        @Override
        public void close() {
            backward.close();
            attention.close();
            gemm.close();
            parallel.close();
        }
    }

    @BeforeAll
    void open() {
        one = Threads.of(1);
        two = Threads.of(2);
    }

    @AfterAll
    void close() {
        one.close();
        two.close();
    }

    private static TestMatrix random(Arena arena, int rows, int cols, long seed) {
        return new TestMatrix(arena, DType.F32, rows, cols, 0, seed);
    }

    private static Tensor tensor(TestMatrix matrix) {
        return new Tensor(matrix.address, matrix.rows, matrix.cols);
    }

    private static void assertClose(String name, TestMatrix actual, double[][] expected, double tolerance) {
        for (int i = 0; i < expected.length; i++) {
            for (int j = 0; j < expected[i].length; j++) {
                if (!(Math.abs(actual.get(i, j) - expected[i][j]) <= tolerance)) {
                    throw new AssertionError("%s[%d, %d] is %s, expected %s +- %s"
                            .formatted(name, i, j, actual.get(i, j), expected[i][j], tolerance));
                }
            }
        }
    }

    private static double[][] doubles(TestMatrix m) {
        double[][] values = new double[m.rows][m.cols];
        for (int i = 0; i < m.rows; i++) {
            for (int j = 0; j < m.cols; j++) {
                values[i][j] = m.get(i, j);
            }
        }
        return values;
    }

    private static double dot(double[] a, int aFrom, double[] b, int bFrom, int n) {
        double sum = 0;
        for (int i = 0; i < n; i++) {
            sum += a[aFrom + i] * b[bFrom + i];
        }
        return sum;
    }

    /// Probabilities of a row over the first `keys` rows of `k`; the log of the sum of exponentials comes last.
    private static double[] probabilities(double[] q, double[][] k, int firstKey, int keys, int head, HeadMap heads) {
        int d = heads.headDim();
        double[] p = new double[keys + 1];
        double max = Double.NEGATIVE_INFINITY;
        for (int j = 0; j < keys; j++) {
            p[j] = dot(q, head * d, k[firstKey + j], heads.kvOfQuery()[head] * d, d) / Math.sqrt(d);
            max = Math.max(max, p[j]);
        }
        double sum = 0;
        for (int j = 0; j < keys; j++) {
            sum += Math.exp(p[j] - max);
        }
        p[keys] = max + Math.log(sum);
        for (int j = 0; j < keys; j++) {
            p[j] = Math.exp(p[j] - p[keys]);
        }
        return p;
    }

    /// Sequences with `past` keys before their query rows, in pages and in one page, on one thread and two.
    private void forward(HeadMap heads, int[] queries, int[] past, int pageRows) {
        int sequences = queries.length;
        int d = heads.headDim();
        int[] queryStart = new int[sequences + 1];
        int[] lengths = new int[sequences];
        for (int s = 0; s < sequences; s++) {
            queryStart[s + 1] = queryStart[s] + queries[s];
            lengths[s] = queries[s] + past[s];
        }
        int tokens = queryStart[sequences];
        try (Arena arena = Arena.ofConfined()) {
            TestMatrix q = random(arena, tokens, heads.heads() * d, 1);
            Tensor[][] k = new Tensor[sequences][];
            Tensor[][] v = new Tensor[sequences][];
            double[][] expected = new double[tokens][heads.heads() * d];
            double[][] expectedLse = new double[tokens][heads.heads()];
            for (int s = 0; s < sequences; s++) {
                TestMatrix keys = random(arena, lengths[s], heads.kvHeads() * d, 10 + s);
                TestMatrix values = random(arena, lengths[s], heads.kvHeads() * d, 20 + s);
                // Larger scores make the softmax peaked, as it is in trained models.
                for (int i = 0; i < keys.rows * keys.cols; i++) {
                    keys.set(i / keys.cols, i % keys.cols, 4 * keys.get(i / keys.cols, i % keys.cols));
                }
                k[s] = pages(keys, pageRows);
                v[s] = pages(values, pageRows);
                reference(expected, expectedLse, doubles(q), doubles(keys), doubles(values),
                        queryStart[s], queries[s], heads);
            }
            KeyValues kv = new KeyValues(queryStart, lengths, pageRows, k, v);
            TestMatrix out = random(arena, tokens, heads.heads() * d, 2);
            TestMatrix lse = random(arena, tokens, heads.heads(), 3);
            one.attention.forward(tensor(out), tensor(lse), tensor(q), kv, heads);
            assertClose("out", out, expected, 2e-6);
            assertClose("lse", lse, expectedLse, 4e-6);
            TestMatrix out2 = random(arena, tokens, heads.heads() * d, 4);
            TestMatrix lse2 = random(arena, tokens, heads.heads(), 5);
            two.attention.forward(tensor(out2), tensor(lse2), tensor(q), kv, heads);
            assertArrayEquals(out.values(), out2.values(), "depends on the number of threads");
            assertArrayEquals(lse.values(), lse2.values(), "depends on the number of threads");
        }
    }

    private static Tensor[] pages(TestMatrix rows, int pageRows) {
        Tensor[] pages = new Tensor[Math.ceilDiv(rows.rows, pageRows)];
        for (int p = 0; p < pages.length; p++) {
            pages[p] = tensor(rows).rowRange(p * pageRows, Math.min(rows.rows, (p + 1) * pageRows));
        }
        return pages;
    }

    private static void reference(
            double[][] out, double[][] lse, double[][] q, double[][] k, double[][] v, int start, int rows,
            HeadMap heads) {
        int d = heads.headDim();
        for (int i = 0; i < rows; i++) {
            int keys = k.length - rows + i + 1;
            for (int h = 0; h < heads.heads(); h++) {
                double[] p = probabilities(q[start + i], k, 0, keys, h, heads);
                lse[start + i][h] = p[keys];
                for (int j = 0; j < keys; j++) {
                    for (int c = 0; c < d; c++) {
                        out[start + i][h * d + c] += p[j] * v[j][heads.kvOfQuery()[h] * d + c];
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 16, 64, 1000})
    void forwardOverPages(int pageRows) {
        forward(UNEQUAL, new int[] {1, 5, 1, 40}, new int[] {0, 0, 33, 27}, pageRows);
        forward(HeadMap.of(new int[] {3, 3, 3}, 64), new int[] {1, 150, 1}, new int[] {200, 0, 0}, pageRows);
    }

    @Test
    void forwardOfManyLengths() {
        for (int n = 1; n < 100; n += 3) {
            forward(UNEQUAL, new int[] {n}, new int[] {n % 2 * 20}, 1 << 20);
        }
    }

    @Test
    void longSequence() {
        forward(HeadMap.of(new int[] {1}, 8), new int[] {30, 2}, new int[] {12_000, 5000}, 2048);
    }

    @Test
    void nothingToDo() {
        forward(UNEQUAL, new int[] {0, 2, 0}, new int[] {0, 0, 4}, 8);
        forward(UNEQUAL, new int[0], new int[0], 8);
        forward(HeadMap.of(new int[] {0, 0}, 8), new int[] {3}, new int[] {0}, 8);
        forward(HeadMap.of(new int[0], 8), new int[] {3}, new int[] {0}, 8);
        backward(HeadMap.of(new int[] {0, 0}, 8), 3);
        backward(HeadMap.of(new int[0], 8), 3);
        backward(UNEQUAL, 0, 1, 0);
        backward(UNEQUAL);
    }

    @Test
    void backwardOfPackedSequences() {
        backward(UNEQUAL, 1, 5, 17, 1, 90);
        backward(HeadMap.of(new int[] {3, 3, 3}, 64), 100, 33);
        backward(HeadMap.of(new int[] {1, 2}, 6), 160);
    }

    /// Gradients of `sum(dOut * out)`, by the textbook formulas in double.
    private void backward(HeadMap heads, int... lengths) {
        int d = heads.headDim();
        int[] starts = new int[lengths.length + 1];
        for (int s = 0; s < lengths.length; s++) {
            starts[s + 1] = starts[s] + lengths[s];
        }
        int tokens = starts[lengths.length];
        int width = heads.heads() * d;
        int kvWidth = heads.kvHeads() * d;
        try (Arena arena = Arena.ofConfined()) {
            TestMatrix q = random(arena, tokens, width, 1);
            TestMatrix k = random(arena, tokens, kvWidth, 2);
            TestMatrix v = random(arena, tokens, kvWidth, 3);
            TestMatrix dOut = random(arena, tokens, width, 4);
            TestMatrix out = random(arena, tokens, width, 5);
            TestMatrix lse = random(arena, tokens, heads.heads(), 6);
            one.attention.forward(tensor(out), tensor(lse), tensor(q),
                    KeyValues.packed(starts, tensor(k), tensor(v)), heads);
            float[][][] results = new float[2][][];
            TestMatrix dQ = null;
            TestMatrix dK = null;
            TestMatrix dV = null;
            for (int t = 0; t < 2; t++) {
                dQ = random(arena, tokens, width, 7 + t);
                dK = random(arena, tokens, kvWidth, 8 + t);
                dV = random(arena, tokens, kvWidth, 9 + t);
                (t == 0 ? one : two).backward.run(tensor(dQ), tensor(dK), tensor(dV), tensor(dOut), tensor(out),
                        tensor(lse), tensor(q), tensor(k), tensor(v), starts, heads);
                results[t] = new float[][] {dQ.values(), dK.values(), dV.values()};
            }
            assertArrayEquals(results[0], results[1], "depends on the number of threads");
            double[][] eQ = new double[tokens][width];
            double[][] eK = new double[tokens][kvWidth];
            double[][] eV = new double[tokens][kvWidth];
            reference(eQ, eK, eV, doubles(dOut), doubles(q), doubles(k), doubles(v), starts, heads);
            assertClose("dQ", dQ, eQ, 1e-5);
            assertClose("dK", dK, eK, 2e-5);
            assertClose("dV", dV, eV, 2e-5);
        }
    }

    private static void reference(
            double[][] dQ, double[][] dK, double[][] dV, double[][] dOut, double[][] q, double[][] k, double[][] v,
            int[] starts, HeadMap heads) {
        int d = heads.headDim();
        for (int s = 0; s + 1 < starts.length; s++) {
            for (int i = starts[s]; i < starts[s + 1]; i++) {
                int keys = i - starts[s] + 1;
                for (int h = 0; h < heads.heads(); h++) {
                    int kvColumn = heads.kvOfQuery()[h] * d;
                    double[] p = probabilities(q[i], k, starts[s], keys, h, heads);
                    double[] dP = new double[keys];
                    double mean = 0;
                    for (int j = 0; j < keys; j++) {
                        dP[j] = dot(dOut[i], h * d, v[starts[s] + j], kvColumn, d);
                        mean += p[j] * dP[j];
                    }
                    for (int j = 0; j < keys; j++) {
                        double dS = p[j] * (dP[j] - mean) / Math.sqrt(d);
                        for (int c = 0; c < d; c++) {
                            dQ[i][h * d + c] += dS * k[starts[s] + j][kvColumn + c];
                            dK[starts[s] + j][kvColumn + c] += dS * q[i][h * d + c];
                            dV[starts[s] + j][kvColumn + c] += p[j] * dOut[i][h * d + c];
                        }
                    }
                }
            }
        }
    }
}
