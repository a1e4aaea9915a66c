package espalier.kernels.cpu;

import espalier.kernels.Check;
import espalier.kernels.Dropout;
import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import espalier.kernels.RopeTable;
import espalier.kernels.Salience;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;

/// The argument checks of [espalier.kernels.Ops], one method for each operation that has something to check, in the
/// order of the contract. Every failure is an `IllegalArgumentException` naming the argument, actual and expected.
public final class Shapes {
    private Shapes() {}

    /// Two tensors of one shape: copy, addScaled, squaredError, addSquare.
    ///
    /// @param name the argument whose shape must follow
    /// @param tensor that argument
    /// @param like the tensor whose shape it must have
    public static void same(String name, Tensor tensor, Tensor like) {
        Check.shape(name, tensor, like.rows(), like.cols());
    }

    /// @param y `[n, cols]`
    /// @param x `[tokens, cols]`
    /// @param rows `[n]`
    public static void gatherRows(Tensor y, Tensor x, int[] rows) {
        Check.shape("y", y, rows.length, x.cols());
        inRange("rows", rows, 0, x.rows() - 1);
    }

    /// @param y `[tokens, cols]`
    /// @param x `[n, cols]`
    /// @param rows `[n]`
    public static void scatterRows(Tensor y, Tensor x, int[] rows) {
        Check.shape("x", x, rows.length, y.cols());
        distinct("rows", rows, y.rows());
    }

    /// @param y `[tokens, n]`
    /// @param x `[tokens, cols]`
    /// @param cols `[n]`
    public static void gatherColumns(Tensor y, Tensor x, int[] cols) {
        Check.shape("y", y, x.rows(), cols.length);
        inRange("cols", cols, 0, x.cols() - 1);
    }

    /// @param y `[tokens, cols]`
    /// @param x `[tokens, n]`
    /// @param cols `[n]`
    public static void scatterColumns(Tensor y, Tensor x, int[] cols) {
        Check.shape("x", x, y.rows(), cols.length);
        distinct("cols", cols, y.cols());
    }

    /// @param w the weight
    /// @param rows of the result
    /// @param cols of the result
    public static void gather(Weight w, int[] rows, int[] cols) {
        inRange("rows", rows, 0, w.rows() - 1);
        inRange("cols", cols, 0, w.cols() - 1);
    }

    /// @param y `[rows, w.cols]`
    /// @param w the weight
    /// @param fromRow first row
    public static void dequantize(Tensor y, Weight w, int fromRow) {
        rowsOf(w, "fromRow", fromRow, y.rows());
        Check.shape("y", y, y.rows(), w.cols());
    }

    /// @param y `[tokens, n]`
    /// @param bias `[1, n]`
    public static void addBias(Tensor y, Tensor bias) {
        Check.shape("bias", bias, 1, y.cols());
    }

    /// @param dBias `[1, n]`
    /// @param dY `[tokens, n]`
    public static void biasBackward(Tensor dBias, Tensor dY) {
        Check.shape("dBias", dBias, 1, dY.cols());
    }

    /// @param y `[tokens, w.rows]`
    /// @param x `[tokens, w.cols]`
    /// @param w the weight
    public static void linear(Tensor y, Tensor x, Weight w) {
        Check.shape("x", x, x.rows(), w.cols());
        Check.shape("y", y, x.rows(), w.rows());
    }

    /// @param dX `[tokens, w.cols]`
    /// @param dY `[tokens, w.rows]`
    /// @param w the weight
    public static void linearBackward(Tensor dX, Tensor dY, Weight w) {
        Check.shape("dY", dY, dY.rows(), w.rows());
        Check.shape("dX", dX, dY.rows(), w.cols());
    }

    /// @param dW `[outputs, inputs]`
    /// @param dY `[tokens, >= fromOutput + outputs]`
    /// @param fromOutput first output channel
    /// @param x `[tokens, inputs]`
    public static void weightGradient(Tensor dW, Tensor dY, int fromOutput, Tensor x) {
        Check.shape("x", x, dY.rows(), dW.cols());
        Check.notNegative("fromOutput", fromOutput);
        if ((long) fromOutput + dW.rows() > dY.cols()) {
            throw new IllegalArgumentException("dW holds the output channels %d to %d, expected at most the %d of dY"
                    .formatted(fromOutput, (long) fromOutput + dW.rows(), dY.cols()));
        }
    }

    /// @param c `[m, n]`
    /// @param a `[m, k]`
    /// @param b `[n, k]`
    public static void matmulNT(Tensor c, Tensor a, Tensor b) {
        Check.shape("b", b, b.rows(), a.cols());
        Check.shape("c", c, a.rows(), b.rows());
    }

    /// @param c `[m, n]`
    /// @param a `[m, k]`
    /// @param b `[k, n]`
    public static void matmulNN(Tensor c, Tensor a, Tensor b) {
        Check.shape("b", b, a.cols(), b.cols());
        Check.shape("c", c, a.rows(), b.cols());
    }

    /// @param c `[m, n]`
    /// @param a `[k, m]`
    /// @param b `[k, n]`
    public static void matmulTN(Tensor c, Tensor a, Tensor b) {
        Check.shape("b", b, a.rows(), b.cols());
        Check.shape("c", c, a.cols(), b.cols());
    }

    /// @param y `[tokens, hidden]`
    /// @param table `[vocab, hidden]`
    /// @param ids `[tokens]`
    public static void embed(Tensor y, Weight table, int[] ids) {
        Check.shape("y", y, ids.length, table.cols());
        inRange("ids", ids, 0, table.rows() - 1);
    }

    /// @param dTable `[rows, hidden]`
    /// @param fromRow first row
    /// @param dY `[tokens, hidden]`
    /// @param ids `[tokens]`
    public static void embedBackward(Tensor dTable, int fromRow, Tensor dY, int[] ids) {
        Check.notNegative("fromRow", fromRow);
        Check.shape("dY", dY, ids.length, dTable.cols());
        inRange("ids", ids, 0, Integer.MAX_VALUE);
    }

    /// @param y `[tokens, hidden]`
    /// @param rstd `[tokens, 1]`
    /// @param x `[tokens, hidden]`
    /// @param weight `[1, hidden]`
    /// @param divisor positive
    public static void rmsNorm(Tensor y, Tensor rstd, Tensor x, Tensor weight, int divisor) {
        same("y", y, x);
        Check.shape("rstd", rstd, x.rows(), 1);
        Check.shape("weight", weight, 1, x.cols());
        Check.positive("divisor", divisor);
    }

    /// @param dX `[tokens, hidden]`
    /// @param dWeight `[1, hidden]`, optional
    /// @param dY `[tokens, hidden]`
    /// @param x `[tokens, hidden]`
    /// @param weight `[1, hidden]`
    /// @param rstd `[tokens, 1]`
    /// @param divisor positive
    public static void rmsNormBackward(
            Tensor dX, Tensor dWeight, Tensor dY, Tensor x, Tensor weight, Tensor rstd, int divisor) {
        same("dX", dX, x);
        Check.shapeIfPresent("dWeight", dWeight, 1, x.cols());
        same("dY", dY, x);
        Check.shape("weight", weight, 1, x.cols());
        Check.shape("rstd", rstd, x.rows(), 1);
        Check.positive("divisor", divisor);
    }

    /// @param x `[tokens, heads * headDim]`
    /// @param table cosines and sines
    /// @param positions `[tokens]`, each in the table
    public static void rope(Tensor x, RopeTable table, int[] positions) {
        same("table.sin", table.sin(), table.cos());
        int headDim = 2 * Check.positive("columns of table.cos", table.cos().cols());
        if (x.cols() % headDim != 0) {
            throw new IllegalArgumentException(
                    "x has %d columns, expected a multiple of head_dim %d".formatted(x.cols(), headDim));
        }
        length("positions", positions.length, x.rows());
        inRange("positions", positions, 0, table.cos().rows() - 1);
    }

    /// @param out `[tokens, heads * headDim]`
    /// @param lse `[tokens, heads]`
    /// @param q `[tokens, heads * headDim]`
    /// @param kv keys and values
    /// @param heads which key/value head each query head reads
    public static void attention(Tensor out, Tensor lse, Tensor q, KeyValues kv, HeadMap heads) {
        Check.shape("q", q, q.rows(), heads.heads() * heads.headDim());
        same("out", out, q);
        Check.shape("lse", lse, q.rows(), heads.heads());
        cuts("queryStart", kv.queryStart(), q.rows());
        Check.positive("pageRows", kv.pageRows());
        int width = heads.kvHeads() * heads.headDim();
        for (int s = 0; s < kv.sequences(); s++) {
            pages("keys", kv.keys()[s], s, kv.keyLength()[s], kv.pageRows(), width);
            pages("values", kv.values()[s], s, kv.keyLength()[s], kv.pageRows(), width);
        }
    }

    private static void pages(String name, Tensor[] pages, int sequence, int length, int pageRows, int width) {
        int needed = Math.ceilDiv(length, pageRows);
        if (pages.length < needed) {
            throw new IllegalArgumentException("%s[%d] has %d pages of %d rows, expected %d for %d positions"
                    .formatted(name, sequence, pages.length, pageRows, needed, length));
        }
        for (int p = 0; p < needed; p++) {
            int used = Math.min(pageRows, length - p * pageRows);
            if (pages[p].rows() < used || pages[p].cols() != width) {
                throw new IllegalArgumentException("%s[%d][%d] has shape [%d, %d], expected [>= %d, %d]"
                        .formatted(name, sequence, p, pages[p].rows(), pages[p].cols(), used, width));
            }
        }
    }

    /// @param dQ `[tokens, heads * headDim]`
    /// @param dK `[tokens, kvHeads * headDim]`
    /// @param dV like `dK`
    /// @param dOut like `dQ`
    /// @param out like `dQ`
    /// @param lse `[tokens, heads]`
    /// @param q like `dQ`
    /// @param k like `dK`
    /// @param v like `dK`
    /// @param sequenceStart `[sequences + 1]`
    /// @param heads which key/value head each query head reads
    public static void attentionBackward(
            Tensor dQ, Tensor dK, Tensor dV, Tensor dOut, Tensor out, Tensor lse,
            Tensor q, Tensor k, Tensor v, int[] sequenceStart, HeadMap heads) {
        int tokens = q.rows();
        Check.shape("q", q, tokens, heads.heads() * heads.headDim());
        same("dQ", dQ, q);
        same("dOut", dOut, q);
        same("out", out, q);
        Check.shape("lse", lse, tokens, heads.heads());
        Check.shape("k", k, tokens, heads.kvHeads() * heads.headDim());
        same("v", v, k);
        same("dK", dK, k);
        same("dV", dV, k);
        cuts("sequenceStart", sequenceStart, tokens);
    }

    /// @param y `[tokens, ffn]`
    /// @param gate `[tokens, ffn]`
    /// @param up `[tokens, ffn]`
    /// @param z `[1, ffn]`, optional
    public static void swiglu(Tensor y, Tensor gate, Tensor up, Tensor z) {
        same("y", y, gate);
        same("up", up, gate);
        Check.shapeIfPresent("z", z, 1, gate.cols());
    }

    /// @param dGate `[tokens, ffn]`
    /// @param dUp `[tokens, ffn]`
    /// @param dZ `[1, ffn]`, optional
    /// @param dY `[tokens, ffn]`
    /// @param gate `[tokens, ffn]`
    /// @param up `[tokens, ffn]`
    /// @param z `[1, ffn]`, optional
    public static void swigluBackward(
            Tensor dGate, Tensor dUp, Tensor dZ, Tensor dY, Tensor gate, Tensor up, Tensor z) {
        same("dGate", dGate, gate);
        same("dUp", dUp, gate);
        Check.shapeIfPresent("dZ", dZ, 1, gate.cols());
        same("dY", dY, gate);
        same("up", up, gate);
        Check.shapeIfPresent("z", z, 1, gate.cols());
    }

    /// @param y `[tokens, n]`
    /// @param x `[tokens, n]`
    /// @param z `[1, n / width]`
    /// @param width columns that share a gate value
    public static void gateColumns(Tensor y, Tensor x, Tensor z, int width) {
        same("y", y, x);
        Check.shape("z", z, 1, runs(x, width));
    }

    /// @param dX `[tokens, n]`
    /// @param dZ `[1, n / width]`, optional
    /// @param dY `[tokens, n]`
    /// @param x `[tokens, n]`
    /// @param z `[1, n / width]`
    /// @param width columns that share a gate value
    public static void gateColumnsBackward(Tensor dX, Tensor dZ, Tensor dY, Tensor x, Tensor z, int width) {
        same("dX", dX, x);
        same("dY", dY, x);
        Check.shape("z", z, 1, runs(x, width));
        Check.shapeIfPresent("dZ", dZ, 1, runs(x, width));
    }

    private static int runs(Tensor x, int width) {
        Check.positive("width", width);
        if (x.cols() % width != 0) {
            throw new IllegalArgumentException(
                    "x has %d columns, expected a multiple of width %d".formatted(x.cols(), width));
        }
        return x.cols() / width;
    }

    /// @param y `[tokens, n]`
    /// @param x `[tokens, n]`
    /// @param batchRows `[tokens]`
    /// @param positions `[tokens]`
    public static void dropout(Tensor y, Tensor x, int[] batchRows, int[] positions) {
        same("y", y, x);
        if (x.cols() > Dropout.MOST_COLUMNS) {
            throw new IllegalArgumentException(
                    "x has %d columns, expected at most %d".formatted(x.cols(), Dropout.MOST_COLUMNS));
        }
        length("batchRows", batchRows.length, x.rows());
        length("positions", positions.length, x.rows());
        inRange("batchRows", batchRows, 0, Dropout.MOST_BATCH_ROWS - 1);
        inRange("positions", positions, 0, Integer.MAX_VALUE);
    }

    /// @param loss `[rows]`
    /// @param logits `[rows, vocab]`
    /// @param targets `[rows]`
    public static void crossEntropy(double[] loss, Tensor logits, int[] targets) {
        length("loss", loss.length, logits.rows());
        length("targets", targets.length, logits.rows());
        inRange("targets", targets, -1, logits.cols() - 1);
    }

    /// @param logSum `[rows]`
    /// @param logits `[rows, vocab]`
    public static void logSumExp(double[] logSum, Tensor logits) {
        length("logSum", logSum.length, logits.rows());
    }

    /// @param logits `[rows, cols]`
    /// @param logSum `[rows]`
    /// @param targets `[rows]`
    /// @param fromToken first column's id
    public static void crossEntropyTile(Tensor logits, double[] logSum, int[] targets, int fromToken) {
        length("logSum", logSum.length, logits.rows());
        length("targets", targets.length, logits.rows());
        inRange("targets", targets, -1, Integer.MAX_VALUE);
        Check.notNegative("fromToken", fromToken);
    }

    /// @param loss `[rows]`
    /// @param student `[rows, vocab]`
    /// @param teacher `[rows, vocab]`
    /// @param tau temperature
    public static void klDivergence(double[] loss, Tensor student, Tensor teacher, float tau) {
        length("loss", loss.length, student.rows());
        same("teacher", teacher, student);
        if (student.rows() > 0) {
            Check.positive("columns of student", student.cols());
        }
        if (!(tau > 0 && tau < Float.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("tau must be positive and finite, got " + tau);
        }
    }

    /// @param dStudent any shape
    /// @param student the same
    /// @param teacher the same
    public static void squaredErrorBackward(Tensor dStudent, Tensor student, Tensor teacher) {
        same("dStudent", dStudent, student);
        same("teacher", teacher, student);
    }

    /// @param rowScore `[rows]`
    /// @param colScore `[w.cols]`
    /// @param salience what is summed
    /// @param w the weight
    /// @param fromRow first row
    /// @param rows rows of the tile
    /// @param g `[rows, w.cols]` where needed
    /// @param meanSquare `[rows, w.cols]` where needed
    public static void reduceSalience(
            double[] rowScore, double[] colScore, Salience salience,
            Weight w, int fromRow, int rows, Tensor g, Tensor meanSquare) {
        Check.notNegative("rows", rows);
        rowsOf(w, "fromRow", fromRow, rows);
        length("rowScore", rowScore.length, rows);
        length("colScore", colScore.length, w.cols());
        if (salience.needsGradient()) {
            Check.shape("g", g, rows, w.cols());
        }
        if (salience.needsMeanSquare()) {
            Check.shape("meanSquare", meanSquare, rows, w.cols());
        }
    }

    /// @param p any shape
    /// @param m the same
    /// @param v the same
    /// @param g the same
    public static void adamW(Tensor p, Tensor m, Tensor v, Tensor g) {
        same("m", m, p);
        same("v", v, p);
        same("g", g, p);
    }

    private static void rowsOf(Weight w, String name, int fromRow, int rows) {
        Check.notNegative(name, fromRow);
        if ((long) fromRow + rows > w.rows()) {
            throw new IllegalArgumentException("%s %d and %d rows, expected at most the %d rows of %s"
                    .formatted(name, fromRow, rows, w.rows(), w.name()));
        }
    }

    private static void length(String name, int actual, int expected) {
        if (actual != expected) {
            throw new IllegalArgumentException("%s has %d entries, expected %d".formatted(name, actual, expected));
        }
    }

    private static void inRange(String name, int[] values, int lowest, int highest) {
        for (int i = 0; i < values.length; i++) {
            if (values[i] < lowest || values[i] > highest) {
                throw new IllegalArgumentException(
                        "%s[%d] is %d, expected %d to %d".formatted(name, i, values[i], lowest, highest));
            }
        }
    }

    private static void distinct(String name, int[] values, int bound) {
        inRange(name, values, 0, bound - 1);
        boolean[] named = new boolean[bound];
        for (int i = 0; i < values.length; i++) {
            if (named[values[i]]) {
                throw new IllegalArgumentException(
                        "%s[%d] is %d, which was named before".formatted(name, i, values[i]));
            }
            named[values[i]] = true;
        }
    }

    private static void cuts(String name, int[] starts, int rows) {
        if (starts.length == 0 || starts[0] != 0 || starts[starts.length - 1] != rows) {
            throw new IllegalArgumentException("%s runs from %s to %s, expected 0 to the %d rows of q".formatted(
                    name,
                    starts.length == 0 ? "nothing" : starts[0],
                    starts.length == 0 ? "nothing" : starts[starts.length - 1],
                    rows));
        }
        for (int s = 0; s + 1 < starts.length; s++) {
            if (starts[s] > starts[s + 1]) {
                throw new IllegalArgumentException("%s[%d] is %d, expected at most %d"
                        .formatted(name, s, starts[s], starts[s + 1]));
            }
        }
    }
}
