package espalier.bench;

import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.Arrays;

/// Operands of benchmarks: sizes from a parameter's text, random numbers that depend on a seed alone, and the
/// comparison of answers.
final class Shape {
    private Shape() {}

    /// @param text such as `64x1536`
    /// @param count numbers expected
    static int[] parse(String text, int count) {
        int[] numbers = Arrays.stream(text.split("x")).mapToInt(Integer::parseInt).toArray();
        if (numbers.length != count) {
            throw new IllegalArgumentException("shape is " + text + ", expected " + count + " numbers with x between");
        }
        return numbers;
    }

    static Ops vector(int threads) {
        return Backends.open(Backends.Choice.VECTOR, threads);
    }

    static Ops scalar() {
        return Backends.open(Backends.Choice.SCALAR, 1);
    }

    /// Numbers in `-1 .. 1`.
    static Tensor random(Ops ops, Workspace memory, int rows, int cols, long seed) {
        return filled(ops, memory, rows, cols, seed, 2, -1);
    }

    /// Numbers in `0 .. 1`.
    static Tensor positive(Ops ops, Workspace memory, int rows, int cols, long seed) {
        return filled(ops, memory, rows, cols, seed, 1, 0);
    }

    private static Tensor filled(Ops ops, Workspace memory, int rows, int cols, long seed, float scale, float shift) {
        Philox random = new Philox(seed, 0);
        float[] values = new float[Math.multiplyExact(rows, cols)];
        for (int i = 0; i < values.length; i++) {
            values[i] = scale * random.uniformFloat(i) + shift;
        }
        Tensor tensor = memory.take(rows, cols);
        ops.fromHost(values, tensor);
        return tensor;
    }

    static float[] host(Ops ops, Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.elements())];
        ops.toHost(tensor, values);
        return values;
    }

    /// @param tolerance absolute, for answers near 1
    static void assertClose(String name, float[] expected, float[] actual, double tolerance) {
        for (int i = 0; i < expected.length; i++) {
            double allowed = tolerance * Math.max(1, Math.abs(expected[i]));
            if (!(Math.abs(actual[i] - expected[i]) <= allowed)) {
                throw new AssertionError("%s: element %d is %s, expected %s +- %s"
                        .formatted(name, i, actual[i], expected[i], allowed));
            }
        }
    }
}
