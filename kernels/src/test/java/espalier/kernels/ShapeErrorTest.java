package espalier.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Wrong arguments and the messages they give, the same on every backend.
class ShapeErrorTest {
    private record Wrong(String message, Runnable call) {}

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void wrongArgumentsAreNamed(Backends.Choice choice) {
        try (Ops ops = Backends.open(choice, 1); Scene s = new Scene(ops, 1)) {
            List<Wrong> all = new ArrayList<>();
            transfers(ops, s, all);
            products(ops, s, all);
            rows(ops, s, all);
            attention(ops, s, all);
            gates(ops, s, all);
            dropout(ops, s, all);
            losses(ops, s, all);
            optimiser(ops, s, all);
            for (Wrong wrong : all) {
                var error = assertThrows(IllegalArgumentException.class, wrong.call::run, wrong.message);
                assertEquals(wrong.message, error.getMessage());
            }
        }
    }

    private static void transfers(Ops ops, Scene s, List<Wrong> all) {
        Tensor x = s.random(2, 3);
        Tensor y = s.random(3, 2);
        all.add(new Wrong("5 host elements for a tensor [2, 3]", () -> ops.toHost(x, new float[5])));
        all.add(new Wrong("7 host elements for a tensor [2, 3]", () -> ops.fromHost(new float[7], x)));
        all.add(new Wrong("x has shape [2, 3], expected [3, 2]", () -> ops.copy(y, x)));
        all.add(new Wrong("x has shape [2, 3], expected [3, 2]", () -> ops.addScaled(y, x, 1)));
        all.add(new Wrong("x has shape [2, 3], expected [3, 2]", () -> ops.addSquare(y, x, 1)));
        all.add(new Wrong("y has shape [3, 2], expected [2, 3]", () -> ops.gatherRows(y, x, new int[2])));
        all.add(new Wrong("rows[1] is 2, expected 0 to 1", () -> ops.gatherRows(x, x, new int[] {0, 2})));
        all.add(new Wrong("x has shape [2, 3], expected [1, 2]", () -> ops.scatterRows(y, x, new int[1])));
        all.add(new Wrong("rows[0] is -1, expected 0 to 1", () -> ops.scatterRows(x, x, new int[] {-1, 0})));
        all.add(new Wrong("rows[1] is 1, which was named before", () -> ops.scatterRows(x, x, new int[] {1, 1})));
        all.add(new Wrong("y has shape [3, 2], expected [2, 2]", () -> ops.gatherColumns(y, x, new int[2])));
        all.add(new Wrong("cols[1] is 3, expected 0 to 2", () -> ops.gatherColumns(x, x, new int[] {0, 3, 1})));
        all.add(new Wrong("x has shape [2, 3], expected [3, 1]", () -> ops.scatterColumns(y, x, new int[1])));
        all.add(new Wrong(
                "cols[2] is 1, which was named before", () -> ops.scatterColumns(x, x, new int[] {1, 0, 1})));
        all.add(new Wrong("bias has shape [2, 3], expected [1, 2]", () -> ops.addBias(y, x)));
        all.add(new Wrong("dBias has shape [2, 3], expected [1, 2]", () -> ops.biasBackward(x, y)));
        Weight w = s.weight(5, 3, DType.BF16);
        all.add(new Wrong("rows[0] is 5, expected 0 to 4",
                () -> ops.gather(w, new int[] {5}, new int[0], s.memory)));
        all.add(new Wrong("cols[1] is -1, expected 0 to 2",
                () -> ops.gather(w, new int[0], new int[] {0, -1}, s.memory)));
        all.add(new Wrong("y has shape [3, 2], expected [3, 3]", () -> ops.dequantize(y, w, 0)));
        all.add(new Wrong("fromRow must not be negative, got -1", () -> ops.dequantize(x, w, -1)));
        all.add(new Wrong(
                "fromRow 4 and 2 rows, expected at most the 5 rows of test.BF16", () -> ops.dequantize(x, w, 4)));
    }

    private static void products(Ops ops, Scene s, List<Wrong> all) {
        Weight w = s.weight(5, 3, DType.F32);
        Tensor a23 = s.random(2, 3);
        Tensor a25 = s.random(2, 5);
        Tensor a35 = s.random(3, 5);
        Tensor a32 = s.random(3, 2);
        all.add(new Wrong("x has shape [2, 5], expected [2, 3]", () -> ops.linear(a25, a25, w, false)));
        all.add(new Wrong("y has shape [3, 5], expected [2, 5]", () -> ops.linear(a35, a23, w, false)));
        all.add(new Wrong("dY has shape [2, 3], expected [2, 5]", () -> ops.linearBackward(a23, a23, w, false)));
        all.add(new Wrong("dX has shape [3, 2], expected [2, 3]", () -> ops.linearBackward(a32, a25, w, false)));
        all.add(new Wrong("x has shape [3, 2], expected [2, 3]", () -> ops.weightGradient(a23, a25, 0, a32, false)));
        all.add(new Wrong(
                "fromOutput must not be negative, got -2", () -> ops.weightGradient(a23, a25, -2, a23, false)));
        all.add(new Wrong("dW holds the output channels 4 to 6, expected at most the 5 of dY",
                () -> ops.weightGradient(a23, a25, 4, a23, false)));
        all.add(new Wrong("b has shape [3, 5], expected [3, 3]", () -> ops.matmulNT(a23, a23, a35, 1, false)));
        all.add(new Wrong("c has shape [3, 5], expected [2, 2]", () -> ops.matmulNT(a35, a23, a23, 1, false)));
        all.add(new Wrong("b has shape [2, 5], expected [3, 5]", () -> ops.matmulNN(a25, a23, a25, 1, false)));
        all.add(new Wrong("c has shape [3, 5], expected [2, 5]", () -> ops.matmulNN(a35, a23, a35, 1, false)));
        all.add(new Wrong("b has shape [3, 5], expected [2, 5]", () -> ops.matmulTN(a35, a23, a35, 1, false)));
        all.add(new Wrong("c has shape [2, 5], expected [3, 5]", () -> ops.matmulTN(a25, a23, a25, 1, false)));
        all.add(new Wrong("g has shape [3, 2], expected [2, 3]", () -> ops.reduceSalience(
                new double[2], new double[3], Salience.MIXED, w, 0, 2, a32, a23)));
        all.add(new Wrong("meanSquare has shape [0, 0], expected [2, 3]", () -> ops.reduceSalience(
                new double[2], new double[3], Salience.SECOND_ORDER, w, 0, 2, Tensor.NONE, Tensor.NONE)));
        all.add(new Wrong("rowScore has 3 entries, expected 2", () -> ops.reduceSalience(
                new double[3], new double[3], Salience.L1, w, 0, 2, Tensor.NONE, Tensor.NONE)));
        all.add(new Wrong("colScore has 5 entries, expected 3", () -> ops.reduceSalience(
                new double[2], new double[5], Salience.L1, w, 0, 2, Tensor.NONE, Tensor.NONE)));
        all.add(new Wrong("fromRow 4 and 2 rows, expected at most the 5 rows of test.F32", () -> ops.reduceSalience(
                new double[2], new double[3], Salience.L1, w, 4, 2, Tensor.NONE, Tensor.NONE)));
    }

    private static void rows(Ops ops, Scene s, List<Wrong> all) {
        Weight table = s.weight(5, 3, DType.F32);
        Tensor x = s.random(2, 3);
        Tensor other = s.random(2, 4);
        Tensor weight = s.random(1, 3);
        Tensor rstd = s.random(2, 1);
        all.add(new Wrong("y has shape [2, 3], expected [1, 3]", () -> ops.embed(x, table, new int[1])));
        all.add(new Wrong("ids[1] is 5, expected 0 to 4", () -> ops.embed(x, table, new int[] {0, 5})));
        all.add(new Wrong("ids[0] is -1, expected 0 to 4", () -> ops.embed(x, table, new int[] {-1, 0})));
        all.add(new Wrong("dY has shape [2, 4], expected [2, 3]", () -> ops.embedBackward(x, 0, other, new int[2])));
        all.add(new Wrong("fromRow must not be negative, got -3", () -> ops.embedBackward(x, -3, x, new int[2])));
        all.add(new Wrong("y has shape [2, 4], expected [2, 3]", () -> ops.rmsNorm(other, rstd, x, weight, 0, 3)));
        all.add(new Wrong("rstd has shape [1, 3], expected [2, 1]", () -> ops.rmsNorm(x, weight, x, weight, 0, 3)));
        all.add(new Wrong("weight has shape [2, 1], expected [1, 3]", () -> ops.rmsNorm(x, rstd, x, rstd, 0, 3)));
        all.add(new Wrong("divisor must be positive, got 0", () -> ops.rmsNorm(x, rstd, x, weight, 0, 0)));
        all.add(new Wrong("dX has shape [2, 4], expected [2, 3]",
                () -> ops.rmsNormBackward(other, Tensor.NONE, x, x, weight, rstd, 3)));
        all.add(new Wrong("dWeight has shape [2, 1], expected [1, 3]",
                () -> ops.rmsNormBackward(x, rstd, x, x, weight, rstd, 3)));
        all.add(new Wrong("dY has shape [2, 4], expected [2, 3]",
                () -> ops.rmsNormBackward(x, weight, other, x, weight, rstd, 3)));
    }

    private static void attention(Ops ops, Scene s, List<Wrong> all) {
        RopeTable table = RopeTable.create(ops, s.memory, 100, 4, 8);
        Tensor q = s.random(3, 8);
        Tensor k = s.random(3, 4);
        Tensor lse = s.random(3, 2);
        HeadMap heads = HeadMap.of(new int[] {2}, 4);
        int[] whole = {0, 3};
        all.add(new Wrong("x has 2 columns, expected a multiple of head_dim 4",
                () -> ops.rope(lse, table, new int[3], false)));
        all.add(new Wrong("positions has 2 entries, expected 3", () -> ops.rope(q, table, new int[2], false)));
        all.add(new Wrong("positions[2] is 8, expected 0 to 7",
                () -> ops.rope(q, table, new int[] {0, 1, 8}, false)));
        all.add(new Wrong("q has shape [3, 4], expected [3, 8]",
                () -> ops.attention(k, lse, k, KeyValues.packed(whole, k, k), heads)));
        all.add(new Wrong("out has shape [3, 4], expected [3, 8]",
                () -> ops.attention(k, lse, q, KeyValues.packed(whole, k, k), heads)));
        all.add(new Wrong("lse has shape [3, 4], expected [3, 2]",
                () -> ops.attention(q, k, q, KeyValues.packed(whole, k, k), heads)));
        all.add(new Wrong("queryStart runs from 0 to 2, expected 0 to the 3 rows of q",
                () -> ops.attention(q, lse, q, KeyValues.packed(new int[] {0, 2}, k, k), heads)));
        all.add(new Wrong("values[0][0] has shape [3, 8], expected [>= 3, 4]",
                () -> ops.attention(q, lse, q, KeyValues.packed(whole, k, q), heads)));
        Tensor[][] pages = {{k}};
        all.add(new Wrong("keys[0] has 1 pages of 3 rows, expected 2 for 5 positions", () -> ops.attention(
                q, lse, q, new KeyValues(whole, new int[] {5}, 3, pages, pages), heads)));
        all.add(new Wrong("dV has shape [3, 8], expected [3, 4]",
                () -> ops.attentionBackward(q, k, q, q, q, lse, q, k, k, whole, heads)));
        all.add(new Wrong("sequenceStart[1] is 4, expected at most 3", () -> ops.attentionBackward(
                q, k, k, q, q, lse, q, k, k, new int[] {0, 4, 3}, heads)));
    }

    private static void gates(Ops ops, Scene s, List<Wrong> all) {
        Tensor x = s.random(2, 3);
        Tensor other = s.random(2, 4);
        Tensor z = s.random(1, 3);
        Tensor none = Tensor.NONE;
        all.add(new Wrong("y has shape [2, 4], expected [2, 3]", () -> ops.swiglu(other, x, x, none)));
        all.add(new Wrong("up has shape [2, 4], expected [2, 3]", () -> ops.swiglu(x, x, other, none)));
        all.add(new Wrong("z has shape [2, 3], expected [1, 3]", () -> ops.swiglu(x, x, x, x)));
        all.add(new Wrong("dUp has shape [2, 4], expected [2, 3]",
                () -> ops.swigluBackward(x, other, none, x, x, x, none)));
        all.add(new Wrong("dZ has shape [2, 3], expected [1, 3]", () -> ops.swigluBackward(x, x, x, x, x, x, z)));
        all.add(new Wrong("width must be positive, got 0", () -> ops.gateColumns(x, x, z, 0, false)));
        all.add(new Wrong("x has 3 columns, expected a multiple of width 2", () -> ops.gateColumns(x, x, z, 2, false)));
        all.add(new Wrong("z has shape [1, 3], expected [1, 2]", () -> ops.gateColumns(other, other, z, 2, false)));
        all.add(new Wrong("dX has shape [2, 4], expected [2, 3]",
                () -> ops.gateColumnsBackward(other, z, x, x, z, 1)));
        all.add(new Wrong("dZ has shape [2, 3], expected [1, 3]", () -> ops.gateColumnsBackward(x, x, x, x, z, 1)));
    }

    private static void dropout(Ops ops, Scene s, List<Wrong> all) {
        Tensor x = s.random(2, 3);
        Dropout key = new Dropout(0.5, 1, 2, 3, 4);
        int[] zeros = new int[2];
        all.add(new Wrong("y has shape [2, 4], expected [2, 3]",
                () -> ops.dropout(s.random(2, 4), x, key, zeros, zeros, false)));
        Tensor wide = new Tensor(x.address(), 0, (1 << 27) + 1);
        all.add(new Wrong("x has 134217729 columns, expected at most 134217728",
                () -> ops.dropout(wide, wide, key, new int[0], new int[0], false)));
        all.add(new Wrong("batchRows has 1 entries, expected 2",
                () -> ops.dropout(x, x, key, new int[1], zeros, false)));
        all.add(new Wrong("positions has 3 entries, expected 2",
                () -> ops.dropout(x, x, key, zeros, new int[3], false)));
        all.add(new Wrong("batchRows[1] is 1048576, expected 0 to 1048575",
                () -> ops.dropout(x, x, key, new int[] {0, 1 << 20}, zeros, false)));
        all.add(new Wrong("batchRows[0] is -1, expected 0 to 1048575",
                () -> ops.dropout(x, x, key, new int[] {-1, 0}, zeros, false)));
        all.add(new Wrong("positions[1] is -1, expected 0 to 2147483647",
                () -> ops.dropout(x, x, key, zeros, new int[] {0, -1}, false)));
        for (double p : new double[] {-0.1, 1, Double.NaN}) {
            all.add(new Wrong("dropout probability must be at least 0 and at most 65535/65536, got " + p,
                    () -> new Dropout(p, 1, 2, 3, 4)));
        }
        all.add(new Wrong("step of a dropout is 4294967296, expected 0 to 4294967295",
                () -> new Dropout(0, 1, 1L << 32, 3, 4)));
        all.add(new Wrong("layer of a dropout is 4096, expected 0 to 4095", () -> new Dropout(0, 1, 2, 4096, 4)));
        all.add(new Wrong("site of a dropout is -1, expected 0 to 255", () -> new Dropout(0, 1, 2, 3, -1)));
    }

    private static void losses(Ops ops, Scene s, List<Wrong> all) {
        Tensor x = s.random(2, 3);
        Tensor other = s.random(2, 4);
        int[] targets = {0, 1};
        double[] loss = new double[2];
        all.add(new Wrong("loss has 3 entries, expected 2", () -> ops.crossEntropy(new double[3], x, targets, 0)));
        all.add(new Wrong("targets has 1 entries, expected 2", () -> ops.crossEntropy(loss, x, new int[1], 0)));
        all.add(new Wrong("targets[1] is 3, expected -1 to 2",
                () -> ops.crossEntropy(loss, x, new int[] {-1, 3}, 0)));
        all.add(new Wrong("targets[0] is -2, expected -1 to 2",
                () -> ops.crossEntropy(loss, x, new int[] {-2, 0}, 0)));
        all.add(new Wrong("logSum has 3 entries, expected 2", () -> ops.logSumExp(new double[3], x)));
        all.add(new Wrong("logSum has 1 entries, expected 2",
                () -> ops.crossEntropyTile(x, new double[1], targets, 0, 1)));
        all.add(new Wrong("targets has 3 entries, expected 2",
                () -> ops.crossEntropyTile(x, loss, new int[3], 0, 1)));
        all.add(new Wrong("targets[1] is -2, expected -1 to 2147483647",
                () -> ops.crossEntropyTile(x, loss, new int[] {-1, -2}, 0, 1)));
        all.add(new Wrong("fromToken must not be negative, got -1",
                () -> ops.crossEntropyTile(x, loss, targets, -1, 1)));
        all.add(new Wrong("loss has 1 entries, expected 2", () -> ops.klDivergence(new double[1], x, x, 1, 0)));
        all.add(new Wrong("teacher has shape [2, 4], expected [2, 3]", () -> ops.klDivergence(loss, x, other, 1, 0)));
        all.add(new Wrong("tau must be positive and finite, got 0.0", () -> ops.klDivergence(loss, x, x, 0, 0)));
        all.add(new Wrong("tau must be positive and finite, got NaN",
                () -> ops.klDivergence(loss, x, x, Float.NaN, 0)));
        all.add(new Wrong("columns of student must be positive, got 0",
                () -> ops.klDivergence(loss, s.random(2, 0), s.random(2, 0), 1, 0)));
        all.add(new Wrong("teacher has shape [2, 4], expected [2, 3]", () -> ops.squaredError(x, other)));
        all.add(new Wrong("dStudent has shape [2, 4], expected [2, 3]",
                () -> ops.squaredErrorBackward(other, x, x, 1)));
    }

    private static void optimiser(Ops ops, Scene s, List<Wrong> all) {
        Tensor x = s.random(2, 3);
        Tensor other = s.random(2, 4);
        AdamWStep step = new AdamWStep(1, 0, 0, 0, 0, 1, 1);
        all.add(new Wrong("m has shape [2, 4], expected [2, 3]", () -> ops.adamW(x, other, x, x, step)));
        all.add(new Wrong("v has shape [2, 4], expected [2, 3]", () -> ops.adamW(x, x, other, x, step)));
        all.add(new Wrong("g has shape [2, 4], expected [2, 3]", () -> ops.adamW(x, x, x, other, step)));
        all.add(new Wrong("learningRate must be finite, got NaN",
                () -> new AdamWStep(Double.NaN, 0, 0, 0, 0, 1, 1)));
        all.add(new Wrong("beta1 must be at least 0 and below 1, got 1.0",
                () -> new AdamWStep(1, 1, 0, 0, 0, 1, 1)));
        all.add(new Wrong("beta2 must be at least 0 and below 1, got -0.5",
                () -> new AdamWStep(1, 0, -0.5, 0, 0, 1, 1)));
        all.add(new Wrong("eps must be finite and not negative, got -1.0",
                () -> new AdamWStep(1, 0, 0, -1, 0, 1, 1)));
        all.add(new Wrong("weightDecay must be finite and not negative, got Infinity",
                () -> new AdamWStep(1, 0, 0, 0, Double.POSITIVE_INFINITY, 1, 1)));
        all.add(new Wrong("step must be positive, got 0", () -> new AdamWStep(1, 0, 0, 0, 0, 0, 1)));
        all.add(new Wrong("gradientScale must be finite, got NaN",
                () -> new AdamWStep(1, 0, 0, 0, 0, 1, Double.NaN)));
    }
}
