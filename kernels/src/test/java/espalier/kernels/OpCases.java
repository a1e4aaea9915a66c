package espalier.kernels;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/// Every operation of the contract with its options, at a size: what the contract tests run on each backend.
final class OpCases {
    /// Widths that leave every kind of tail, and a few numbers of tokens.
    static final int[][] SIZES = {
        {5, 1}, {4, 7}, {3, 8}, {1, 13}, {2, 15}, {3, 16}, {2, 17}, {1, 31}, {2, 33}, {17, 64}, {37, 207}, {35, 1024},
        {1, 4098}, {0, 16}, {3, 0}, {0, 0}
    };

    private OpCases() {}

    /// Runs one operation and puts what it wrote into the scene.
    @FunctionalInterface
    interface Body {
        void run(Scene s, int tokens, int n);
    }

    /// @param name says which operation and option
    /// @param body runs it
    record OpCase(String name, Body body) {
        @Override
        public String toString() {
            return name;
        }

        Scene run(Ops ops, int tokens, int n) {
            Scene scene = new Scene(ops, name.hashCode() * 31L + tokens * 100_003L + n);
            body.run(scene, tokens, n);
            scene.checkGuards();
            return scene;
        }
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        elementwise(cases);
        weights(cases);
        matrices(cases);
        norms(cases);
        attention(cases);
        gates(cases);
        dropout(cases);
        losses(cases);
        importance(cases);
        optimiser(cases);
        return cases;
    }

    private static void elementwise(List<OpCase> cases) {
        cases.add(new OpCase("fill", (s, tokens, n) -> {
            Tensor y = s.empty(tokens, n);
            s.ops.fill(y, -2.5f);
            s.output("y", y, 1);
        }));
        cases.add(new OpCase("copy", (s, tokens, n) -> {
            Tensor y = s.empty(tokens, n);
            s.ops.copy(y, s.random(tokens, n));
            s.output("y", y, 1);
        }));
        cases.add(new OpCase("gatherRows", (s, tokens, n) -> {
            Tensor y = s.empty(2 * tokens, n);
            s.ops.gatherRows(y, s.random(tokens, n), s.belowMany(2 * tokens, tokens));
            s.output("y", y, 0);
        }));
        cases.add(new OpCase("scatterRows", (s, tokens, n) -> {
            Tensor y = s.random(2 * tokens, n);
            s.ops.scatterRows(y, s.random(tokens, n), IntStream.range(0, tokens).map(i -> 2 * i + i % 2).toArray());
            s.output("y", y, 0);
        }));
        cases.add(new OpCase("gatherColumns", (s, tokens, n) -> {
            Tensor y = s.empty(tokens, 2 * n);
            s.ops.gatherColumns(y, s.random(tokens, n), s.belowMany(2 * n, n));
            s.output("y", y, 0);
        }));
        cases.add(new OpCase("scatterColumns", (s, tokens, n) -> {
            Tensor y = s.random(tokens, 2 * n);
            s.ops.scatterColumns(y, s.random(tokens, n), IntStream.range(0, n).map(i -> 2 * i + i % 2).toArray());
            s.output("y", y, 0);
        }));
        cases.add(new OpCase("addScaled", (s, tokens, n) -> {
            Tensor y = s.random(tokens, n);
            s.ops.addScaled(y, s.random(tokens, n), 0.7f);
            s.output("y", y, 1);
        }));
        cases.add(new OpCase("addSquare", (s, tokens, n) -> {
            Tensor y = s.random(tokens, n);
            s.ops.addSquare(y, s.random(tokens, n), 0.3f);
            s.output("y", y, 1);
        }));
        cases.add(new OpCase("sumOfSquares", (s, tokens, n) -> {
            s.output("sum", new double[] {s.ops.sumOfSquares(s.random(tokens, n))}, 1);
        }));
        cases.add(new OpCase("addBias", (s, tokens, n) -> {
            Tensor y = s.random(tokens, n);
            s.ops.addBias(y, s.random(1, n));
            s.output("y", y, 1);
        }));
        cases.add(new OpCase("biasBackward", (s, tokens, n) -> {
            Tensor dBias = s.random(1, n);
            s.ops.biasBackward(dBias, s.random(tokens, n));
            s.output("dBias", dBias, tokens);
        }));
    }

    private static void weights(List<OpCase> cases) {
        for (DType type : DType.values()) {
            cases.add(new OpCase("dequantize " + type, (s, tokens, n) -> {
                Weight w = s.weight(tokens + 3, n, type);
                Tensor y = s.empty(tokens, n);
                s.ops.dequantize(y, w, 2);
                s.output("y", y, 0);
            }));
            cases.add(new OpCase("gather " + type, (s, tokens, n) -> {
                int rows = tokens + 3;
                gathered(s, "single columns", s.weight(rows, n, type), s.belowMany(2 * tokens, rows), n == 0
                        ? new int[0]
                        : s.belowMany(n, n));
                gathered(s, "runs", s.weight(rows, n + 70, type), s.belowMany(2 * tokens, rows), IntStream.concat(
                        IntStream.range(2, n + 20), IntStream.range(n + 30, n + 69)).toArray());
            }));
            cases.add(new OpCase("embed " + type, (s, tokens, n) -> {
                Weight table = s.weight(11, n, type);
                Tensor y = s.empty(tokens, n);
                s.ops.embed(y, table, s.belowMany(tokens, 11));
                s.output("y", y, 0);
            }));
            for (boolean accumulate : new boolean[] {false, true}) {
                cases.add(new OpCase("linear " + type + " " + accumulate, (s, tokens, n) -> {
                    Weight w = s.weight(Math.min(n, 77), n, type);
                    Tensor y = output(s, tokens, w.rows(), accumulate);
                    s.ops.linear(y, s.random(tokens, n), w, accumulate);
                    s.output("y", y, n);
                }));
                cases.add(new OpCase("linearBackward " + type + " " + accumulate, (s, tokens, n) -> {
                    Weight w = s.weight(Math.min(n, 77), n, type);
                    Tensor dX = output(s, tokens, n, accumulate);
                    s.ops.linearBackward(dX, s.random(tokens, w.rows()), w, accumulate);
                    s.output("dX", dX, w.rows());
                }));
            }
        }
        cases.add(new OpCase("embedBackward", (s, tokens, n) -> {
            Tensor dTable = s.random(6, n);
            s.ops.embedBackward(dTable, 2, s.random(tokens, n), s.belowMany(tokens, 11));
            s.output("dTable", dTable, tokens);
        }));
    }

    private static void gathered(Scene s, String name, Weight w, int[] rows, int[] cols) {
        Weight picked = s.ops.gather(w, rows, cols, s.memory);
        Tensor y = s.empty(rows.length, cols.length);
        s.ops.dequantize(y, picked, 0);
        s.output(name, y, 0);
    }

    private static Tensor output(Scene s, int rows, int cols, boolean accumulate) {
        return accumulate ? s.random(rows, cols) : s.empty(rows, cols);
    }

    private static void matrices(List<OpCase> cases) {
        for (boolean accumulate : new boolean[] {false, true}) {
            cases.add(new OpCase("weightGradient " + accumulate, (s, tokens, n) -> {
                Tensor dW = output(s, 5, n, accumulate);
                s.ops.weightGradient(dW, s.random(tokens, 9), 3, s.random(tokens, n), accumulate);
                s.output("dW", dW, tokens);
            }));
            cases.add(new OpCase("matmulNT " + accumulate, (s, tokens, n) -> {
                Tensor c = output(s, tokens, 19, accumulate);
                s.ops.matmulNT(c, s.random(tokens, n), s.random(19, n), 0.5f, accumulate);
                s.output("c", c, n);
            }));
            cases.add(new OpCase("matmulNN " + accumulate, (s, tokens, n) -> {
                Tensor c = output(s, tokens, n, accumulate);
                s.ops.matmulNN(c, s.random(tokens, 19), s.random(19, n), 0.5f, accumulate);
                s.output("c", c, 19);
            }));
            cases.add(new OpCase("matmulTN " + accumulate, (s, tokens, n) -> {
                Tensor c = output(s, 19, n, accumulate);
                s.ops.matmulTN(c, s.random(tokens, 19), s.random(tokens, n), 0.5f, accumulate);
                s.output("c", c, tokens);
            }));
        }
    }

    private static void norms(List<OpCase> cases) {
        cases.add(new OpCase("rmsNorm", (s, tokens, n) -> {
            Tensor y = s.empty(tokens, n);
            Tensor rstd = s.empty(tokens, 1);
            s.ops.rmsNorm(y, rstd, s.random(tokens, n), s.random(1, n), 1e-5f, n + 3);
            s.output("y", y, n);
            s.output("rstd", rstd, n);
        }));
        for (boolean weightGradient : new boolean[] {true, false}) {
            cases.add(new OpCase("rmsNormBackward " + weightGradient, (s, tokens, n) -> {
                Tensor dX = s.random(tokens, n);
                Tensor dWeight = weightGradient ? s.random(1, n) : Tensor.NONE;
                Tensor rstd = s.random(tokens, 1);
                s.ops.rmsNormBackward(
                        dX, dWeight, s.random(tokens, n), s.random(tokens, n), s.random(1, n), rstd, n + 3);
                s.output("dX", dX, n);
                if (weightGradient) {
                    s.output("dWeight", dWeight, tokens);
                }
            }));
        }
    }

    /// Here `n` gives the number of positions or heads, so that it stays small.
    private static void attention(List<OpCase> cases) {
        for (boolean inverse : new boolean[] {false, true}) {
            cases.add(new OpCase("rope " + inverse, (s, tokens, n) -> {
                int headDim = 2 * Math.clamp(n, 1, 40);
                RopeTable table = RopeTable.create(s.ops, s.memory, 10_000, headDim, 64);
                Tensor x = s.random(tokens, Math.min(n, 3) * headDim);
                s.ops.rope(x, table, s.belowMany(tokens, 64), inverse);
                s.output("x", x, 1);
            }));
        }
        cases.add(new OpCase("attention packed", (s, tokens, n) -> {
            HeadMap heads = headsFor(n);
            int[] starts = {0, tokens / 3, tokens / 3, tokens};
            Tensor q = s.random(tokens, heads.heads() * heads.headDim());
            Tensor k = s.random(tokens, heads.kvHeads() * heads.headDim());
            Tensor v = s.random(tokens, heads.kvHeads() * heads.headDim());
            Tensor out = s.empty(tokens, q.cols());
            Tensor lse = s.empty(tokens, heads.heads());
            s.ops.attention(out, lse, q, KeyValues.packed(starts, k, v), heads);
            s.output("out", out, tokens);
            s.output("lse", lse, tokens);
            Tensor dQ = s.empty(tokens, q.cols());
            Tensor dK = s.empty(tokens, k.cols());
            Tensor dV = s.empty(tokens, k.cols());
            s.ops.attentionBackward(
                    dQ, dK, dV, s.random(tokens, q.cols()), out, lse, q, k, v, starts, heads);
            s.output("dQ", dQ, tokens * heads.headDim());
            s.output("dK", dK, tokens * heads.headDim());
            s.output("dV", dV, tokens * heads.headDim());
        }));
        cases.add(new OpCase("attention paged", (s, tokens, n) -> {
            HeadMap heads = headsFor(n);
            int width = heads.kvHeads() * heads.headDim();
            int pageRows = 8;
            int[] starts = {0, tokens / 2, tokens};
            int[] lengths = {tokens / 2 + 19, tokens - tokens / 2};
            Tensor[][] keys = new Tensor[2][];
            Tensor[][] values = new Tensor[2][];
            for (int i = 0; i < 2; i++) {
                int pages = Math.ceilDiv(lengths[i], pageRows);
                keys[i] = new Tensor[pages];
                values[i] = new Tensor[pages];
                for (int p = 0; p < pages; p++) {
                    keys[i][p] = s.random(pageRows, width);
                    values[i][p] = s.random(pageRows, width);
                }
            }
            Tensor q = s.random(tokens, heads.heads() * heads.headDim());
            Tensor out = s.empty(tokens, q.cols());
            Tensor lse = s.empty(tokens, heads.heads());
            s.ops.attention(out, lse, q, new KeyValues(starts, lengths, pageRows, keys, values), heads);
            s.output("out", out, tokens + 19);
            s.output("lse", lse, tokens + 19);
        }));
    }

    private static HeadMap headsFor(int n) {
        int headDim = 2 * Math.clamp(n, 1, 36);
        return n == 0 ? HeadMap.of(new int[0], 2) : HeadMap.of(new int[] {2, 0, 1 + n % 3}, headDim);
    }

    private static void gates(List<OpCase> cases) {
        for (boolean gated : new boolean[] {false, true}) {
            cases.add(new OpCase("swiglu gated=" + gated, (s, tokens, n) -> {
                Tensor y = s.empty(tokens, n);
                s.ops.swiglu(y, wide(s, tokens, n), s.random(tokens, n), gated ? s.random(1, n) : Tensor.NONE);
                s.output("y", y, 8);
            }));
            cases.add(new OpCase("swiglu over the range of exp gated=" + gated, (s, tokens, n) -> {
                Tensor y = s.empty(tokens, n);
                Tensor gate = ramp(s, tokens, n, -90, 105);
                s.ops.swiglu(y, gate, s.random(tokens, n), gated ? s.random(1, n) : Tensor.NONE);
                s.output("y", y, 8);
            }));
            for (boolean gateGradient : new boolean[] {false, true}) {
                cases.add(new OpCase("swigluBackward gated=" + gated + " dZ=" + gateGradient, (s, tokens, n) -> {
                    Tensor gate = wide(s, tokens, n);
                    Tensor dGate = s.random(tokens, n);
                    Tensor dUp = s.empty(tokens, n);
                    Tensor dZ = gateGradient ? s.random(1, n) : Tensor.NONE;
                    Tensor z = gated ? s.random(1, n) : Tensor.NONE;
                    s.ops.swigluBackward(dGate, dUp, dZ, dGate, gate, s.random(tokens, n), z);
                    s.output("dGate", dGate, 8);
                    s.output("dUp", dUp, 8);
                    if (gateGradient) {
                        s.output("dZ", dZ, tokens * 30);
                    }
                }));
            }
        }
        for (int width : new int[] {1, 2, 18}) {
            for (boolean accumulate : new boolean[] {false, true}) {
                cases.add(new OpCase("gateColumns width=" + width + " " + accumulate, (s, tokens, n) -> {
                    Tensor x = s.random(tokens, n / width * width);
                    s.ops.gateColumns(x, x, s.random(1, n / width), width, accumulate);
                    s.output("y", x, 1);
                }));
            }
            for (boolean gateGradient : new boolean[] {false, true}) {
                cases.add(new OpCase("gateColumnsBackward width=" + width + " " + gateGradient, (s, tokens, n) -> {
                    Tensor dX = s.random(tokens, n / width * width);
                    Tensor dZ = gateGradient ? s.random(1, n / width) : Tensor.NONE;
                    s.ops.gateColumnsBackward(
                            dX, dZ, dX, s.random(tokens, dX.cols()), s.random(1, n / width), width);
                    s.output("dX", dX, 1);
                    if (gateGradient) {
                        s.output("dZ", dZ, tokens * width);
                    }
                }));
            }
        }
    }

    /// Numbers that ascend evenly.
    private static Tensor ramp(Scene s, int rows, int cols, float from, float to) {
        float[] values = new float[rows * cols];
        for (int i = 0; i < values.length; i++) {
            values[i] = from + (to - from) * i / values.length;
        }
        return s.tensor(rows, cols, values);
    }

    /// Numbers between -30 and 30.
    private static Tensor wide(Scene s, int rows, int cols) {
        return s.tensor(rows, cols, wideHost(s, rows, cols, 1));
    }

    /// Numbers between -30 and 30, times `size`.
    static float[] wideHost(Scene s, int rows, int cols, float size) {
        float[] values = s.randomHost(rows * cols);
        for (int i = 0; i < values.length; i++) {
            values[i] *= 30 * size;
        }
        return values;
    }

    /// Exactly: the scalar backend says which bits the others must have.
    private static void dropout(List<OpCase> cases) {
        for (boolean accumulate : new boolean[] {false, true}) {
            cases.add(new OpCase("dropout " + accumulate, (s, tokens, n) -> {
                Dropout key = new Dropout(0.3, 11, 5, 3, 2);
                Tensor y = output(s, tokens, n, accumulate);
                int[] batchRows = s.belowMany(tokens, Dropout.MOST_BATCH_ROWS);
                s.ops.dropout(y, s.random(tokens, n), key, batchRows, s.belowMany(tokens, 4096), accumulate);
                s.output("y", y, 0);
            }));
        }
    }

    private static void losses(List<OpCase> cases) {
        for (float scale : new float[] {0, 0.25f}) {
            cases.add(new OpCase("crossEntropy scale=" + scale, (s, tokens, n) -> {
                Tensor logits = wide(s, tokens, n);
                int[] targets = targets(s, tokens, n);
                double[] loss = new double[tokens];
                s.ops.crossEntropy(loss, logits, targets, scale);
                s.output("loss", loss, 8);
                s.output("logits", logits, 8);
            }));
            cases.add(new OpCase("klDivergence scale=" + scale, (s, tokens, n) -> {
                int vocab = Math.max(1, n);
                Tensor student = wide(s, tokens, vocab);
                double[] loss = new double[tokens];
                s.ops.klDivergence(loss, student, wide(s, tokens, vocab), 1.7f, scale);
                s.output("loss", loss, 100);
                s.output("student", student, 30);
            }));
        }
        for (float size : new float[] {1, 1e4f}) {
            cases.add(new OpCase("logSumExp size=" + size, (s, tokens, n) -> {
                double[] logSum = new double[tokens];
                s.ops.logSumExp(logSum, s.tensor(tokens, n, wideHost(s, tokens, n, size)));
                s.output("logSum", logSum, 8);
            }));
            cases.add(new OpCase("crossEntropyTile size=" + size, (s, tokens, n) -> {
                float[] logits = wideHost(s, tokens, n, size);
                double[] logSum = new double[tokens];
                s.ops.logSumExp(logSum, s.tensor(tokens, n, logits));
                int[] targets = targets(s, tokens, n);
                int[] cuts = {0, n / 3, n - n / 4, n};
                for (int i = 0; i + 1 < cuts.length; i++) {
                    Tensor tile = s.columns(tokens, n, logits, cuts[i], cuts[i + 1]);
                    s.ops.crossEntropyTile(tile, logSum, targets, cuts[i], 0.25f);
                    s.output("columns " + cuts[i] + " to " + cuts[i + 1], tile, 8);
                }
            }));
        }
        cases.add(new OpCase("squaredError", (s, tokens, n) -> {
            Tensor student = holes(s, tokens, n);
            Tensor teacher = s.random(tokens, n);
            SquaredError error = s.ops.squaredError(student, teacher);
            s.output("error", new double[] {error.sum(), error.count()}, 1);
            Tensor dStudent = s.random(tokens, n);
            s.ops.squaredErrorBackward(dStudent, student, teacher, 0.3f);
            s.output("dStudent", dStudent, 1);
        }));
    }

    /// Ids below `vocab`, none for every fourth row.
    static int[] targets(Scene s, int rows, int vocab) {
        int[] targets = new int[rows];
        for (int t = 0; t < rows; t++) {
            targets[t] = t % 4 == 1 || vocab == 0 ? -1 : s.below(vocab);
        }
        return targets;
    }

    /// Every third number is a zero, with either sign.
    private static Tensor holes(Scene s, int rows, int cols) {
        float[] values = s.randomHost(rows * cols);
        for (int i = 0; i < values.length; i += 3) {
            values[i] = i % 2 == 0 ? 0f : -0f;
        }
        return s.tensor(rows, cols, values);
    }

    private static void importance(List<OpCase> cases) {
        for (Salience salience : Salience.values()) {
            for (DType type : DType.values()) {
                cases.add(new OpCase("reduceSalience " + salience + " " + type, (s, tokens, n) -> {
                    Weight w = s.weight(tokens + 2, n, type);
                    Tensor g = salience.needsGradient() ? s.random(tokens, n) : Tensor.NONE;
                    Tensor meanSquare = salience.needsMeanSquare() ? s.random(tokens, n) : Tensor.NONE;
                    double[] rowScore = new double[tokens];
                    double[] colScore = new double[n];
                    Arrays.fill(rowScore, 0.5);
                    Arrays.fill(colScore, -0.5);
                    s.ops.reduceSalience(rowScore, colScore, salience, w, 1, tokens, g, meanSquare);
                    s.output("rowScore", rowScore, n);
                    s.output("colScore", colScore, tokens);
                }));
            }
        }
    }

    private static void optimiser(List<OpCase> cases) {
        for (double learningRate : new double[] {0.02, -0.1}) {
            for (long step : new long[] {1, 1000}) {
                cases.add(new OpCase("adamW lr=" + learningRate + " step=" + step, (s, tokens, n) -> {
                    Tensor p = s.random(tokens, n);
                    Tensor m = s.random(tokens, n);
                    Tensor v = s.tensor(tokens, n, secondMoments(s, tokens * n));
                    s.ops.adamW(p, m, v, s.random(tokens, n),
                            new AdamWStep(learningRate, 0.9, 0.95, 1e-8, 0.1, step, 0.6));
                    s.output("p", p, 4);
                    s.output("m", m, 1);
                    s.output("v", v, 1);
                }));
            }
        }
    }

    /// Positive numbers, some of them small but none so small that rounding of the first moment shows in the quotient.
    private static float[] secondMoments(Scene s, int n) {
        float[] values = s.randomHost(n);
        for (int i = 0; i < n; i++) {
            values[i] = 0.05f + Math.abs(values[i]);
        }
        return values;
    }
}
