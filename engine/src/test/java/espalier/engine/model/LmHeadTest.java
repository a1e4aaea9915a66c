package espalier.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.testing.Compare;
import espalier.engine.testing.RandomModel;
import espalier.kernels.Backends;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Cross-entropy of batches in which all, some or none of the tokens have a target.
class LmHeadTest {
    private static final int VOCAB = 11;
    private static final int HIDDEN = 5;
    /// More than two chunks.
    private static final int TOKENS = 1200;
    private static final float SCALE = 0.5f;

    private static float[] values(int length, int stream) {
        Philox philox = new Philox(1, stream);
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = (float) philox.gaussian(i);
        }
        return values;
    }

    private static int[] targets(IntUnaryOperator target) {
        int[] targets = new int[TOKENS];
        Arrays.setAll(targets, target);
        return targets;
    }

    /// An lm_head with its input in a backend's memory; gradients start as NaN.
    private static final class Scene implements AutoCloseable {
        final Ops ops;
        final Arena arena = Arena.ofShared();
        final Workspace ws;
        final float[] weight = values(VOCAB * HIDDEN, 1);
        final float[] normed = values(TOKENS * HIDDEN, 2);
        final LmHead head;
        final Hidden hidden;
        final Tensor dNormed;

        Scene(Ops ops) {
            this.ops = ops;
            ws = ops.newWorkspace();
            MemorySegment memory = arena.allocate((long) weight.length * Float.BYTES, 64);
            MemorySegment.copy(weight, 0, memory, ValueLayout.JAVA_FLOAT, 0, weight.length);
            head = new LmHead(ops.prepare(new StoredMatrix("lm_head", DType.F32, VOCAB, HIDDEN, memory)), ops);
            Tensor x = ws.take(TOKENS, HIDDEN);
            ops.fromHost(normed, x);
            hidden = new Hidden(Batch.of(new int[TOKENS]), x, Tensor.NONE, List.of(), List.of());
            dNormed = ws.take(TOKENS, HIDDEN);
            ops.fill(dNormed, Float.NaN);
        }

        TokenLosses lossBackward(int[] targets) {
            long mark = ws.mark();
            TokenLosses losses = head.lossBackward(dNormed, hidden, targets, SCALE, ws);
            assertEquals(mark, ws.mark());
            return losses;
        }

        float[] gradient() {
            return RandomModel.host(ops, dNormed);
        }

        @Override
        public void close() {
            ws.close();
            arena.close();
        }
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void someTargets(Backends.Choice choice) {
        int[] targets = targets(t -> t % 3 == 1 || t > 700 && t < 1000 ? -1 : t % VOCAB);
        int count = (int) Arrays.stream(targets).filter(target -> target >= 0).count();
        assertTrue(count > 512 && count < TOKENS);
        try (Ops ops = Backends.open(choice, 2); Scene s = new Scene(ops)) {
            float[] gradient = new float[TOKENS * HIDDEN];
            double[] expected = new double[TOKENS];
            for (int t = 0; t < TOKENS; t++) {
                if (targets[t] >= 0) {
                    expected[t] = row(s, t, targets[t], gradient);
                }
            }
            TokenLosses losses = s.lossBackward(targets);
            float[] actual = s.gradient();
            assertArrayEquals(expected, losses.values(), 1e-5);
            assertEquals(count, losses.count());
            assertEquals(Arrays.stream(expected).sum(), losses.sum(), 1e-3);
            Compare.assertClose("dNormed", gradient, actual, 1e-6);
            for (int t = 0; t < TOKENS; t++) {
                if (targets[t] < 0) {
                    assertEquals(0, losses.values()[t]);
                    assertArrayEquals(new float[HIDDEN], Arrays.copyOfRange(actual, t * HIDDEN, (t + 1) * HIDDEN));
                }
            }
            assertArrayEquals(losses.values(), s.head.loss(s.hidden, targets, s.ws).values());
        }
    }

    /// The loss of a row in float64, whose gradient goes to its place.
    private static double row(Scene s, int t, int target, float[] gradient) {
        double[] logits = new double[VOCAB];
        double sum = 0;
        for (int v = 0; v < VOCAB; v++) {
            for (int c = 0; c < HIDDEN; c++) {
                logits[v] += (double) s.normed[t * HIDDEN + c] * s.weight[v * HIDDEN + c];
            }
            sum += Math.exp(logits[v]);
        }
        for (int c = 0; c < HIDDEN; c++) {
            double d = 0;
            for (int v = 0; v < VOCAB; v++) {
                d += (Math.exp(logits[v]) / sum - (v == target ? 1 : 0)) * s.weight[v * HIDDEN + c];
            }
            gradient[t * HIDDEN + c] = (float) (SCALE * d);
        }
        return Math.log(sum) - logits[target];
    }

    /// The bits are those of the operations over all rows in chunks.
    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void allTargets(Backends.Choice choice) {
        int[] targets = targets(t -> t % VOCAB);
        try (Ops ops = Backends.open(choice, 2); Scene s = new Scene(ops)) {
            double[] expected = new double[TOKENS];
            s.head.forEachChunk(s.hidden.normed(), s.ws, (from, logits) -> {
                int to = from + logits.rows();
                double[] chunk = new double[logits.rows()];
                ops.crossEntropy(chunk, logits, Arrays.copyOfRange(targets, from, to), SCALE);
                System.arraycopy(chunk, 0, expected, from, chunk.length);
                ops.linearBackward(s.dNormed.rowRange(from, to), logits, s.head.weight(), false);
            });
            float[] gradient = s.gradient();
            ops.fill(s.dNormed, Float.NaN);
            TokenLosses losses = s.lossBackward(targets);
            assertArrayEquals(expected, losses.values());
            assertArrayEquals(gradient, s.gradient());
            assertEquals(TOKENS, losses.count());
        }
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void noTargets(Backends.Choice choice) {
        try (Ops ops = Backends.open(choice, 2); Scene s = new Scene(ops)) {
            TokenLosses losses = s.lossBackward(targets(t -> -1));
            assertArrayEquals(new double[TOKENS], losses.values());
            assertEquals(0, losses.count());
            assertEquals(0, losses.sum());
            assertArrayEquals(new float[TOKENS * HIDDEN], s.gradient());
        }
    }

    @Test
    void rowsWithoutATargetDoNotReachTheVocabulary() {
        AtomicInteger rows = new AtomicInteger();
        try (Ops scalar = Backends.open(Backends.Choice.SCALAR, 1);
                Ops counting = counting(scalar, rows);
                Scene s = new Scene(counting)) {
            s.lossBackward(targets(t -> t % 4 == 0 ? 1 : -1));
            assertEquals(2 * TOKENS / 4, rows.get());
            s.lossBackward(targets(t -> 1));
            assertEquals(2 * TOKENS / 4 + 2 * TOKENS, rows.get());
        }
    }

    /// Counts the rows of products with weights, forward and backward.
    private static Ops counting(Ops ops, AtomicInteger rows) {
        return (Ops) Proxy.newProxyInstance(Ops.class.getClassLoader(), new Class<?>[] {Ops.class},
                (proxy, method, arguments) -> {
                    if (method.getName().startsWith("linear")) {
                        rows.addAndGet(((Tensor) arguments[0]).rows());
                    }
                    try {
                        return method.invoke(ops, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }

    @Test
    void anotherNumberOfTargetsIsRefused() {
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1); Scene s = new Scene(ops)) {
            assertEquals("targets has 7 entries, expected 1200",
                    assertThrows(IllegalArgumentException.class, () -> s.lossBackward(new int[7])).getMessage());
        }
    }
}
