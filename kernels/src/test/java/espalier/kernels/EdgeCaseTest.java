package espalier.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Extreme numbers, absent arguments, shared memory and closed mappings, on every backend.
class EdgeCaseTest {
    /// A width with a tail at every lane count.
    private static final int N = 37;

    private static Scene open(Backends.Choice choice) {
        return new Scene(Backends.open(choice, 2), 30);
    }

    private static float[] row(float fill, int at, float value) {
        float[] row = new float[N];
        Arrays.fill(row, fill);
        row[at] = value;
        return row;
    }

    private static double crossEntropy(Ops ops, Scene s, float[] logits, int target) {
        double[] loss = new double[1];
        Tensor x = s.tensor(1, logits.length, logits);
        ops.crossEntropy(loss, x, new int[] {target}, 0);
        double[] again = new double[1];
        ops.crossEntropy(again, x, new int[] {target}, 1);
        assertEquals(loss[0], again[0], "the gradient changes the loss");
        return loss[0];
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void crossEntropyOfExtremeLogits(Backends.Choice choice) {
        try (Scene s = open(choice); Ops ops = s.ops) {
            float infinity = Float.POSITIVE_INFINITY;
            for (int at : new int[] {0, 16, N - 1}) {
                assertEquals(0, crossEntropy(ops, s, row(-3e38f, at, 3e38f), at));
                assertEquals(Math.log(N), crossEntropy(ops, s, row(3e38f, at, 3e38f), at), 1e-6);
                assertEquals(0, crossEntropy(ops, s, row(-infinity, at, 5), at));
                assertEquals(infinity, crossEntropy(ops, s, row(1, at, -infinity), at));
                assertEquals(200, crossEntropy(ops, s, row(-200, at, 0), (at + 1) % N), 1e-6);
                assertTrue(Double.isNaN(crossEntropy(ops, s, row(1, at, Float.NaN), 5)), "NaN at " + at);
                assertTrue(Double.isNaN(crossEntropy(ops, s, row(1, at, infinity), 5)), "infinity at " + at);
            }
            assertTrue(Double.isNaN(crossEntropy(ops, s, row(-infinity, 0, -infinity), 5)), "all -infinity");
        }
    }

    /// Both backends copy rows by the same code, so the contract tests cannot say whether it copies the right ones.
    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void gatherPicksRowsAndScatterPutsThemBack(Backends.Choice choice) {
        try (Scene s = open(choice); Ops ops = s.ops) {
            Tensor x = s.tensor(3, 2, 1, 2, 3, 4, 5, 6);
            Tensor picked = s.empty(4, 2);
            ops.gatherRows(picked, x, new int[] {2, 0, 2, 1});
            assertArrayEquals(new float[] {5, 6, 1, 2, 5, 6, 3, 4}, s.host(picked));
            Tensor y = s.tensor(4, 2, 7, 7, 7, 7, 7, 7, 7, 7);
            ops.scatterRows(y, x, new int[] {3, 0, 2});
            assertArrayEquals(new float[] {3, 4, 7, 7, 5, 6, 1, 2}, s.host(y));
            ops.scatterRows(y, s.empty(0, 2), new int[0]);
            assertArrayEquals(new float[] {3, 4, 7, 7, 5, 6, 1, 2}, s.host(y));
            s.checkGuards();
        }
    }

    /// Likewise.
    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void gatherPicksColumnsAndScatterPutsThemBack(Backends.Choice choice) {
        try (Scene s = open(choice); Ops ops = s.ops) {
            Tensor x = s.tensor(2, 3, 1, 2, 3, 4, 5, 6);
            Tensor picked = s.empty(2, 4);
            ops.gatherColumns(picked, x, new int[] {2, 0, 2, 1});
            assertArrayEquals(new float[] {3, 1, 3, 2, 6, 4, 6, 5}, s.host(picked));
            Tensor y = s.tensor(2, 4, 7, 7, 7, 7, 7, 7, 7, 7);
            ops.scatterColumns(y, x, new int[] {3, 0, 2});
            assertArrayEquals(new float[] {2, 7, 3, 1, 5, 7, 6, 4}, s.host(y));
            s.checkGuards();
        }
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void gatherPicksPartsOfAWeight(Backends.Choice choice) {
        try (Scene s = open(choice); Ops ops = s.ops) {
            int[] rows = {4, 0, 4};
            int[] cols = IntStream.concat(IntStream.of(36, 36, 1), IntStream.range(2, 36)).toArray();
            for (DType type : DType.values()) {
                Weight w = s.weight(5, N, type);
                Tensor whole = s.empty(5, N);
                ops.dequantize(whole, w, 0);
                float[] values = s.host(whole);
                float[] expected = new float[rows.length * cols.length];
                for (int i = 0; i < expected.length; i++) {
                    expected[i] = values[rows[i / cols.length] * N + cols[i % cols.length]];
                }
                Weight picked = ops.gather(w, rows, cols, s.memory);
                Tensor y = s.empty(rows.length, cols.length);
                ops.dequantize(y, picked, 0);
                assertArrayEquals(expected, s.host(y), type + "");
                assertEquals(0, ops.gather(w, new int[0], cols, s.memory).rows());
                assertEquals(0, ops.gather(w, rows, new int[0], s.memory).cols());
            }
            s.checkGuards();
        }
    }

    private static double logSumExp(Ops ops, Scene s, float[] logits) {
        double[] logSum = new double[1];
        ops.logSumExp(logSum, s.tensor(1, logits.length, logits));
        return logSum[0];
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void logSumExpOfExtremeLogits(Backends.Choice choice) {
        try (Scene s = open(choice); Ops ops = s.ops) {
            float infinity = Float.POSITIVE_INFINITY;
            for (int at : new int[] {0, 16, N - 1}) {
                assertEquals(3e38f, logSumExp(ops, s, row(-3e38f, at, 3e38f)));
                assertEquals(3e38f, logSumExp(ops, s, row(3e38f, at, 3e38f)));
                assertEquals(5, logSumExp(ops, s, row(-infinity, at, 5)));
                assertEquals(1 + Math.log(N - 1), logSumExp(ops, s, row(1, at, -infinity)), 1e-6);
                assertTrue(Double.isNaN(logSumExp(ops, s, row(1, at, Float.NaN))), "NaN at " + at);
                assertTrue(Double.isNaN(logSumExp(ops, s, row(1, at, infinity))), "infinity at " + at);
            }
        }
    }

    /// The whole vocabulary at once and its tiles: the same gradient to rounding, also where the log of a row's sum is
    /// far beyond what F32 can hold to a unit.
    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void tilesOfCrossEntropyGiveItsGradient(Backends.Choice choice) {
        float scale = 0.25f;
        int tokens = 9;
        int[] cuts = {0, 1, 16, 70, 207};
        try (Scene s = open(choice); Ops ops = s.ops) {
            for (float size : new float[] {0.1f, 1, 1e3f, 1e6f}) {
                int vocab = cuts[cuts.length - 1];
                float[] logits = OpCases.wideHost(s, tokens, vocab, size);
                int[] targets = OpCases.targets(s, tokens, vocab);
                double[] logSum = new double[tokens];
                Tensor whole = s.tensor(tokens, vocab, logits);
                ops.logSumExp(logSum, whole);
                assertArrayEquals(logits, s.host(whole), "logSumExp leaves the logits as they are");
                ops.crossEntropy(new double[tokens], whole, targets, scale);
                for (int i = 0; i + 1 < cuts.length; i++) {
                    Tensor tile = s.columns(tokens, vocab, logits, cuts[i], cuts[i + 1]);
                    ops.crossEntropyTile(tile, logSum, targets, cuts[i], scale);
                    Tensor expected = s.columns(tokens, vocab, s.host(whole), cuts[i], cuts[i + 1]);
                    assertArrayEquals(s.host(expected), s.host(tile), 4e-7f * scale, size + " from " + cuts[i]);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void divergenceOfExtremeLogits(Backends.Choice choice) {
        try (Scene s = open(choice); Ops ops = s.ops) {
            float infinity = Float.POSITIVE_INFINITY;
            float[] masked = row(1, 3, -infinity);
            float[] plain = s.randomHost(N);
            assertEquals(0, divergence(ops, s, plain, plain));
            assertEquals(Math.log(N / (N - 1.0)), divergence(ops, s, row(1, 0, 1), masked), 1e-6);
            assertEquals(0, divergence(ops, s, masked, masked));
            assertEquals(infinity, divergence(ops, s, masked, row(1, 0, 1)));
            assertEquals(0, divergence(ops, s, row(-3e38f, 2, 3e38f), row(-3e38f, 2, 3e38f)));
            for (int at : new int[] {0, 16, N - 1}) {
                assertTrue(Double.isNaN(divergence(ops, s, row(1, at, Float.NaN), plain)));
                assertTrue(Double.isNaN(divergence(ops, s, plain, row(1, at, Float.NaN))));
            }
        }
    }

    private static double divergence(Ops ops, Scene s, float[] student, float[] teacher) {
        double[] loss = new double[1];
        ops.klDivergence(loss, s.tensor(1, N, student), s.tensor(1, N, teacher), 2, 0.5f);
        return loss[0];
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void siluDoesNotOverflow(Backends.Choice choice) {
        try (Scene s = open(choice); Ops ops = s.ops) {
            float[] large = new float[N];
            for (int i = 0; i < N; i++) {
                large[i] = i % 2 == 0 ? (float) Math.pow(10, i) : -(float) Math.pow(10, i);
            }
            Tensor gate = s.tensor(1, N, large);
            Tensor one = s.empty(1, N);
            ops.fill(one, 1);
            Tensor y = s.empty(1, N);
            ops.swiglu(y, gate, one, Tensor.NONE);
            Tensor dGate = s.empty(1, N);
            Tensor dUp = s.empty(1, N);
            ops.swigluBackward(dGate, dUp, Tensor.NONE, one, gate, one, Tensor.NONE);
            for (int i = 2; i < N; i++) {
                float expected = i % 2 == 0 ? large[i] : 0;
                assertEquals(expected, s.host(y)[i], 1e-6f * Math.abs(expected), "y " + large[i]);
                assertEquals(expected, s.host(dUp)[i], 1e-6f * Math.abs(expected), "dUp " + large[i]);
                assertEquals(i % 2 == 0 ? 1 : 0, s.host(dGate)[i], 1e-6f, "dGate " + large[i]);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void nanIsNotHiddenFromSums(Backends.Choice choice) {
        try (Scene s = open(choice); Ops ops = s.ops) {
            for (int at : new int[] {0, 16, N - 1}) {
                Tensor x = s.tensor(1, N, row(1, at, Float.NaN));
                Tensor y = s.empty(1, N);
                Tensor rstd = s.empty(1, 1);
                assertTrue(Double.isNaN(ops.sumOfSquares(x)));
                assertTrue(Double.isNaN(ops.squaredError(x, s.random(1, N)).sum()));
                assertTrue(Double.isNaN(ops.squaredError(s.tensor(1, N, row(1, 0, 1)), x).sum()));
                ops.rmsNorm(y, rstd, x, s.random(1, N), 1e-5f, N);
                assertTrue(Float.isNaN(s.host(rstd)[0]));
            }
            Tensor hidden = s.tensor(1, N, row(1, 4, Float.NaN));
            assertEquals(new SquaredError(0, N - 1), ops.squaredError(s.tensor(1, N, row(1, 4, 0)), hidden),
                    "a channel that is masked does not count, whatever the teacher says");
        }
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void sumOfSquaresIsAccumulatedInFloat64(Backends.Choice choice) {
        try (Scene s = open(choice); Ops ops = s.ops) {
            Tensor x = s.empty(1000, 1001);
            ops.fill(x, 0.1f);
            double expected = 1_001_000 * ((double) 0.1f * 0.1f);
            assertEquals(expected, ops.sumOfSquares(x), 1e-11 * expected);
        }
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void everyBfloat16AndBinary16IsConvertedExactly(Backends.Choice choice) {
        try (Scene s = open(choice); Ops ops = s.ops; Arena arena = Arena.ofShared()) {
            var data = arena.allocate(2L << 16, 64);
            for (int i = 0; i < 1 << 16; i++) {
                data.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) i);
            }
            Tensor y = s.empty(256, 256);
            ops.dequantize(y, ops.prepare(new StoredMatrix("w", DType.BF16, 256, 256, data)), 0);
            float[] bf16 = s.host(y);
            ops.dequantize(y, ops.prepare(new StoredMatrix("w", DType.F16, 256, 256, data)), 0);
            float[] f16 = s.host(y);
            for (int i = 0; i < 1 << 16; i++) {
                assertEquals(i << 16, Float.floatToRawIntBits(bf16[i]));
                // Compares NaN as NaN, and zeros with their sign.
                assertEquals(Float.float16ToFloat((short) i), f16[i]);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void outputsMayShareMemoryWhereTheContractSaysSo(Backends.Choice choice) {
        try (Scene s = open(choice); Ops ops = s.ops) {
            Tensor dY = s.random(19, N);
            Tensor gate = s.random(19, N);
            Tensor up = s.random(19, N);
            Tensor z = s.random(1, N);
            for (Tensor open : List.of(z, Tensor.NONE)) {
                Tensor dGate = s.empty(19, N);
                Tensor dUp = s.empty(19, N);
                ops.swigluBackward(dGate, dUp, Tensor.NONE, dY, gate, up, open);
                Tensor shared = s.tensor(19, N, s.host(dY));
                Tensor dUp2 = s.empty(19, N);
                ops.swigluBackward(shared, dUp2, Tensor.NONE, shared, gate, up, open);
                assertArrayEquals(s.host(dGate), s.host(shared));
                assertArrayEquals(s.host(dUp), s.host(dUp2));
            }
            for (boolean accumulate : new boolean[] {false, true}) {
                Tensor y = s.tensor(19, N, s.host(dY));
                ops.gateColumns(y, dY, z, 1, accumulate);
                Tensor shared = s.tensor(19, N, s.host(dY));
                ops.gateColumns(shared, shared, z, 1, accumulate);
                assertArrayEquals(s.host(y), s.host(shared));
            }
            Tensor dX = s.empty(19, N);
            ops.gateColumnsBackward(dX, Tensor.NONE, dY, gate, z, 1);
            Tensor shared = s.tensor(19, N, s.host(dY));
            Tensor dZ = s.random(1, N);
            ops.gateColumnsBackward(shared, dZ, shared, gate, z, 1);
            assertArrayEquals(s.host(dX), s.host(shared));
        }
    }

    /// The gradient of a gate that is open can be asked for without a row of ones.
    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void absentGatesAreOpen(Backends.Choice choice) {
        try (Scene s = open(choice); Ops ops = s.ops) {
            Tensor gate = s.random(5, N);
            Tensor up = s.random(5, N);
            Tensor dY = s.random(5, N);
            Tensor ones = s.empty(1, N);
            ops.fill(ones, 1);
            float[][] results = new float[2][];
            for (int i = 0; i < 2; i++) {
                Tensor dZ = s.empty(1, N);
                ops.fill(dZ, 0);
                ops.swigluBackward(s.empty(5, N), s.empty(5, N), dZ, dY, gate, up, i == 0 ? Tensor.NONE : ones);
                results[i] = s.host(dZ);
            }
            assertArrayEquals(results[0], results[1]);
        }
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void aWeightIsNotReadAfterItsMappingIsClosed(Backends.Choice choice) {
        try (Scene s = open(choice); Ops ops = s.ops) {
            Weight w;
            try (Arena arena = Arena.ofShared()) {
                w = ops.prepare(new StoredMatrix("q_proj", DType.F32, 2, 3, arena.allocate(24, 4)));
            }
            Tensor narrow = s.random(1, 2);
            Tensor wide = s.random(1, 3);
            Tensor g = s.random(2, 3);
            List<Runnable> uses = List.of(
                    () -> ops.dequantize(s.empty(2, 3), w, 0),
                    () -> ops.embed(wide, w, new int[] {0}),
                    () -> ops.linear(narrow, wide, w, false),
                    () -> ops.linearBackward(wide, narrow, w, false),
                    () -> ops.reduceSalience(new double[2], new double[3], Salience.VECTOR, w, 0, 2, g, Tensor.NONE));
            for (Runnable use : uses) {
                var error = assertThrows(IllegalStateException.class, use::run);
                assertEquals("q_proj is used after its checkpoint was closed", error.getMessage());
            }
        }
    }
}
