package espalier.kernels.roofline;

import espalier.kernels.AdamWStep;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import java.util.ArrayList;
import java.util.List;

/// The kernels that memory limits. Each has several sets of operands, of which the first is compared as a whole.
final class RowKernels {
    private static final float EPS = 1e-5f;
    private static final AdamWStep STEP = new AdamWStep(0.1, 0.9, 0.95, 1e-8, 0.1, 10, 1);
    /// Logits of more rows than this takes are computed in parts, as the output head does.
    private static final long LOGIT_BYTES = 1 << 26;
    private static final int MOST_PARAMETERS = 1 << 22;

    private RowKernels() {}

    /// What a kernel does with a set of its operands.
    private interface Body {
        void run(Ops ops, Tensor[] operands);
    }

    static Kernel rmsNorm(int tokens, int hidden) {
        int[][] shapes = {{tokens, hidden}, {tokens, 1}, {tokens, hidden}, {1, hidden}};
        return kernel("rms_norm", tokens, hidden, Work.rmsNorm(tokens, hidden), shapes, 1,
                (ops, t) -> ops.rmsNorm(t[0], t[1], t[2], t[3], EPS, hidden));
    }

    static Kernel rmsNormBackward(int tokens, int hidden) {
        int[][] shapes = {{tokens, hidden}, {tokens, hidden}, {tokens, hidden}, {1, hidden}, {tokens, 1}};
        return kernel("rms_norm_backward", tokens, hidden, Work.rmsNormBackward(tokens, hidden), shapes, 1,
                (ops, t) -> ops.rmsNormBackward(t[0], Tensor.NONE, t[1], t[2], t[3], t[4], hidden));
    }

    static Kernel swiglu(int tokens, int ffn) {
        int[][] shapes = {{tokens, ffn}, {tokens, ffn}, {tokens, ffn}};
        return kernel("swiglu", tokens, ffn, Work.swiglu(tokens, ffn), shapes, 1,
                (ops, t) -> ops.swiglu(t[0], t[1], t[2], Tensor.NONE));
    }

    static Kernel swigluBackward(int tokens, int ffn) {
        int[][] shapes = {{tokens, ffn}, {tokens, ffn}, {tokens, ffn}, {tokens, ffn}, {tokens, ffn}};
        return kernel("swiglu_backward", tokens, ffn, Work.swigluBackward(tokens, ffn), shapes, 2,
                (ops, t) -> ops.swigluBackward(t[0], t[1], Tensor.NONE, t[2], t[3], t[4], Tensor.NONE));
    }

    static Kernel crossEntropy(int tokens, int vocab) {
        int rows = Math.clamp(LOGIT_BYTES / (4L * vocab), 1, tokens);
        int[] targets = new int[rows];
        for (int i = 0; i < rows; i++) {
            targets[i] = (int) (7919L * i % vocab);
        }
        double[] loss = new double[rows];
        return kernel("cross_entropy", rows, vocab, Work.crossEntropy(rows, vocab), new int[][] {{rows, vocab}}, 1,
                (ops, t) -> ops.crossEntropy(loss, t[0], targets, 1));
    }

    static Kernel adamW(int rows, int cols) {
        int some = Math.clamp(MOST_PARAMETERS / cols, 1, rows);
        int[][] shapes = {{some, cols}, {some, cols}, {some, cols}, {some, cols}};
        // The second moment is a mean of squares, so it cannot start with random signs.
        Body start = (ops, t) -> ops.fill(t[2], 1);
        return kernel("adamw", some, cols, Work.adamW((long) some * cols), shapes, 3, start,
                (ops, t) -> ops.adamW(t[0], t[1], t[2], t[3], STEP));
    }

    private static Kernel kernel(
            String name, int rows, int cols, Work work, int[][] shapes, int results, Body body) {
        return kernel(name, rows, cols, work, shapes, results, (_, _) -> {}, body);
    }

    /// @param results how many of the operands, from the first, are written and compared
    /// @param start what is done to the operands, which are random numbers, before the first run
    private static Kernel kernel(
            String name, int rows, int cols, Work work, int[][] shapes, int results, Body start, Body body) {
        return new Kernel(name, "", "f32", rows + "x" + cols, work, memory -> {
            List<Tensor[]> sets = new ArrayList<>();
            int count = memory.sets(work.bytes());
            while (sets.size() < count) {
                sets.add(operands(memory, shapes, start));
            }
            return new Kernel.Call(count, i -> body.run(memory.ops(), sets.get(i)), reference -> {
                Tensor[] expected = operands(reference, shapes, start);
                body.run(reference.ops(), expected);
                double error = 0;
                for (int i = 0; i < results; i++) {
                    Deviation deviation = new Deviation()
                            .add(reference.host(expected[i]), memory.host(sets.getFirst()[i]));
                    error = Math.max(error, deviation.relative());
                }
                return error;
            });
        });
    }

    private static Tensor[] operands(Operands memory, int[][] shapes, Body start) {
        Tensor[] operands = new Tensor[shapes.length];
        for (int i = 0; i < shapes.length; i++) {
            operands[i] = memory.filled(shapes[i][0], shapes[i][1], i);
        }
        start.run(memory.ops(), operands);
        return operands;
    }
}
