package espalier.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/// A kernel with more vector operations than the compiler inlines allocates a vector for each one that is left and is
/// several times slower. Allocation shows it, whatever else the machine does; time would not.
///
/// Only what this thread allocates counts, and rounds go on until the compiler has caught up, however busy the machine.
class BoxingTest {
    private static final int TOKENS = 192;
    /// With a tail, so that the tail's code is compiled as well.
    private static final int N = 1543;
    /// A boxed vector in a loop is 6 bytes an element or more; what an operation allocates for each row is below this.
    private static final double BYTES_PER_ELEMENT = 4;
    private static final long SECONDS = 30;

    @Test
    void compiledKernelsDoNotAllocate() {
        ThreadMXBean thread = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        List<String> boxing = new ArrayList<>();
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 1); Scene s = new Scene(ops, 5)) {
            operations(ops, s).forEach((name, operation) -> {
                long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
                double least = Double.POSITIVE_INFINITY;
                while (least > BYTES_PER_ELEMENT && System.nanoTime() < deadline) {
                    long before = thread.getCurrentThreadAllocatedBytes();
                    operation.run();
                    long allocated = thread.getCurrentThreadAllocatedBytes() - before;
                    least = Math.min(least, allocated / ((double) TOKENS * N));
                }
                if (least > BYTES_PER_ELEMENT) {
                    boxing.add("%s allocates %.1f bytes an element".formatted(name, least));
                }
            });
        }
        assertEquals(List.of(), boxing);
    }

    private static Map<String, Runnable> operations(Ops ops, Scene s) {
        Tensor a = s.random(TOKENS, N);
        Tensor b = s.random(TOKENS, N);
        Tensor c = s.random(TOKENS, N);
        Tensor d = s.random(TOKENS, N);
        Tensor y = s.random(TOKENS, N);
        Tensor row = s.random(1, N);
        Tensor sum = s.random(1, N);
        Tensor rstd = s.random(TOKENS, 1);
        Tensor none = Tensor.NONE;
        int[] targets = new int[TOKENS];
        double[] loss = new double[TOKENS];
        Map<String, Runnable> all = new LinkedHashMap<>();
        all.put("fill", () -> ops.fill(y, 1));
        all.put("addScaled", () -> ops.addScaled(y, a, 0.5f));
        all.put("addSquare", () -> ops.addSquare(y, a, 0.5f));
        all.put("sumOfSquares", () -> ops.sumOfSquares(a));
        all.put("addBias", () -> ops.addBias(y, row));
        all.put("biasBackward", () -> ops.biasBackward(sum, a));
        all.put("embedBackward", () -> ops.embedBackward(y, 0, a, targets));
        all.put("rmsNorm", () -> ops.rmsNorm(y, rstd, a, row, 1e-5f, N));
        all.put("rmsNormBackward", () -> ops.rmsNormBackward(y, sum, a, b, row, rstd, N));
        all.put("swiglu", () -> ops.swiglu(y, a, b, none));
        all.put("swiglu gated", () -> ops.swiglu(y, a, b, row));
        all.put("swigluBackward", () -> ops.swigluBackward(y, d, none, a, b, c, none));
        all.put("swigluBackward gated", () -> ops.swigluBackward(y, d, sum, a, b, c, row));
        all.put("gateColumns", () -> ops.gateColumns(y, a, row, 1, false));
        all.put("gateColumns accumulating", () -> ops.gateColumns(y, a, row, 1, true));
        all.put("gateColumnsBackward", () -> ops.gateColumnsBackward(y, sum, a, b, row, 1));
        Dropout key = new Dropout(0.1, 1, 2, 3, 4);
        all.put("dropout", () -> ops.dropout(y, a, key, targets, targets, false));
        all.put("dropout accumulating", () -> ops.dropout(y, a, key, targets, targets, true));
        all.put("crossEntropy", () -> ops.crossEntropy(loss, a, targets, 0));
        all.put("crossEntropy with gradient", () -> ops.crossEntropy(loss, y, targets, 0.5f));
        all.put("logSumExp", () -> ops.logSumExp(loss, a));
        all.put("crossEntropyTile", () -> ops.crossEntropyTile(y, loss, targets, 0, 0.5f));
        all.put("klDivergence", () -> ops.klDivergence(loss, a, b, 2, 0));
        all.put("klDivergence with gradient", () -> ops.klDivergence(loss, y, b, 2, 0.5f));
        all.put("squaredError", () -> ops.squaredError(a, b));
        all.put("squaredErrorBackward", () -> ops.squaredErrorBackward(y, a, b, 0.5f));
        AdamWStep step = new AdamWStep(1e-3, 0.9, 0.999, 1e-8, 0.1, 10, 0.5);
        Tensor second = s.tensor(TOKENS, N, new float[TOKENS * N]);
        all.put("adamW", () -> ops.adamW(y, d, second, a, step));
        RopeTable table = RopeTable.create(ops, s.memory, 1e4, 66, 1);
        Tensor rotated = s.random(TOKENS, 23 * 66);
        all.put("rope", () -> ops.rope(rotated, table, targets, false));
        double[] rowScore = new double[TOKENS];
        double[] colScore = new double[N];
        for (DType type : DType.values()) {
            Weight w = s.weight(TOKENS, N, type);
            all.put("dequantize " + type, () -> ops.dequantize(y, w, 0));
            for (Salience salience : Salience.values()) {
                all.put("reduceSalience " + salience + " " + type,
                        () -> ops.reduceSalience(rowScore, colScore, salience, w, 0, TOKENS, a, b));
            }
        }
        return all;
    }
}
