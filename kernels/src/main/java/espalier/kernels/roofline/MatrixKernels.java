package espalier.kernels.roofline;

import espalier.kernels.DType;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.roofline.RooflineShape.Projection;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/// The products with a weight. Some rows and columns of each result are compared.
final class MatrixKernels {
    private static final int CHECKED_ROWS = 8;
    private static final int CHECKED_CHANNELS = 32;
    /// A larger gradient is computed in parts, as training does; its first part is measured.
    private static final long GRADIENT_BYTES = 1 << 26;
    private static final int GRADIENT_MULTIPLE = 128;

    private MatrixKernels() {}

    static Kernel linear(Projection of, int tokens, DType type) {
        int inputs = of.inputs();
        int outputs = of.outputs();
        Work work = Work.linear(tokens, inputs, outputs, type);
        return kernel("linear", of, type, tokens, outputs, work, memory -> {
            Tensor x = memory.filled(tokens, inputs, 1);
            Tensor y = memory.take(tokens, outputs);
            List<Weight> weights = memory.weights(type, outputs, inputs);
            return new Kernel.Call(
                    weights.size(),
                    i -> memory.ops().linear(y, x, weights.get(i), false),
                    reference -> {
                        Deviation deviation = new Deviation();
                        int channels = Math.min(outputs, CHECKED_CHANNELS);
                        for (int from : new int[] {0, outputs - channels}) {
                            Weight w = reference.rowsOfFirst(type, inputs, from, channels);
                            Tensor expected = reference.take(1, channels);
                            for (int row : spread(tokens, CHECKED_ROWS)) {
                                Tensor input = reference.of(row(row, inputs, 1), 1, inputs);
                                reference.ops().linear(expected, input, w, false);
                                float[] actual = memory.host(y.rowRange(row, row + 1));
                                deviation.add(
                                        reference.host(expected), Arrays.copyOfRange(actual, from, from + channels));
                            }
                        }
                        return deviation.relative();
                    });
        });
    }

    static Kernel linearBackward(Projection of, int tokens, DType type) {
        int inputs = of.inputs();
        int outputs = of.outputs();
        Work work = Work.linear(tokens, inputs, outputs, type);
        return kernel("linear_backward", of, type, tokens, outputs, work, memory -> {
            Tensor dY = memory.filled(tokens, outputs, 2);
            Tensor dX = memory.take(tokens, inputs);
            List<Weight> weights = memory.weights(type, outputs, inputs);
            return new Kernel.Call(
                    weights.size(),
                    i -> memory.ops().linearBackward(dX, dY, weights.get(i), false),
                    reference -> {
                        Deviation deviation = new Deviation();
                        Weight w = reference.rowsOfFirst(type, inputs, 0, outputs);
                        Tensor expected = reference.take(1, inputs);
                        for (int row : spread(tokens, 2)) {
                            Tensor gradient = reference.of(row(row, outputs, 2), 1, outputs);
                            reference.ops().linearBackward(expected, gradient, w, false);
                            deviation.add(reference.host(expected), memory.host(dX.rowRange(row, row + 1)));
                        }
                        return deviation.relative();
                    });
        });
    }

    static Kernel weightGradient(Projection of, int tokens) {
        int inputs = of.inputs();
        int outputs = gradientRows(inputs, of.outputs());
        Work work = Work.weightGradient(tokens, inputs, outputs);
        return kernel("weight_gradient", of, DType.F32, tokens, outputs, work, memory -> {
            Tensor x = memory.filled(tokens, inputs, 1);
            Tensor dY = memory.filled(tokens, outputs, 2);
            Tensor dW = memory.take(outputs, inputs);
            return new Kernel.Call(
                    1,
                    _ -> memory.ops().weightGradient(dW, dY, 0, x, false),
                    reference -> {
                        Deviation deviation = new Deviation();
                        Tensor sameX = reference.filled(tokens, inputs, 1);
                        Tensor expected = reference.take(1, inputs);
                        for (int output : spread(outputs, CHECKED_ROWS)) {
                            float[] column = new float[tokens];
                            for (int t = 0; t < tokens; t++) {
                                column[t] = Operands.values((long) t * outputs + output, 1, 2)[0];
                            }
                            Tensor gradient = reference.of(column, tokens, 1);
                            reference.ops().weightGradient(expected, gradient, 0, sameX, false);
                            deviation.add(reference.host(expected), memory.host(dW.rowRange(output, output + 1)));
                        }
                        return deviation.relative();
                    });
        });
    }

    /// @return outputs whose gradient is computed at once
    static int gradientRows(int inputs, int outputs) {
        long fitting = GRADIENT_BYTES / (4L * inputs);
        return fitting >= outputs
                ? outputs
                : (int) Math.max(GRADIENT_MULTIPLE, fitting / GRADIENT_MULTIPLE * GRADIENT_MULTIPLE);
    }

    private static Kernel kernel(
            String name, Projection of, DType type, int tokens, int outputs, Work work, Kernel.Setup setup) {
        return new Kernel(
                name, String.join(", ", of.names()), type.name().toLowerCase(Locale.ROOT),
                tokens + "x" + of.inputs() + "x" + outputs, work, setup);
    }

    private static float[] row(int row, int cols, int seed) {
        return Operands.values((long) row * cols, cols, seed);
    }

    /// @return at most `wanted` numbers from 0 to `size - 1`, both included
    static int[] spread(int size, int wanted) {
        int count = Math.min(size, wanted);
        int[] numbers = new int[count];
        for (int i = 0; i < count; i++) {
            numbers[i] = count == 1 ? 0 : (int) ((size - 1L) * i / (count - 1));
        }
        return numbers;
    }
}
