package espalier.kernels.scalar;

import espalier.kernels.AdamWStep;
import espalier.kernels.Dropout;
import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import espalier.kernels.RopeTable;
import espalier.kernels.Salience;
import espalier.kernels.SquaredError;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import espalier.kernels.cpu.CpuOps;
import espalier.kernels.cpu.CpuWeight;
import espalier.kernels.cpu.Shapes;

/// The reference backend: one thread, no SIMD, sums in float64.
public final class ScalarOps extends CpuOps {
    /// Opens the backend; it holds nothing.
    public ScalarOps() {}

    @Override
    public String name() {
        return "scalar";
    }

    @Override
    public int laneBits() {
        return Float.SIZE;
    }

    @Override
    public int threads() {
        return 1;
    }

    @Override
    public long scratchBytes() {
        return 0;
    }

    @Override
    public Weight pack(Weight w, Workspace memory) {
        return w;
    }

    @Override
    public long packedBytes(Weight w) {
        return 0;
    }

    @Override
    protected void gather(CpuWeight picked, CpuWeight w, int[] rows, int[] cols) {
        ScalarEmbedding.gather(picked, w, rows, cols);
    }

    @Override
    public void dequantize(Tensor y, Weight w, int fromRow) {
        Shapes.dequantize(y, w, fromRow);
        ScalarEmbedding.dequantize(y, CpuWeight.from(w), fromRow);
    }

    @Override
    public void fill(Tensor y, float value) {
        ScalarElementwise.fill(y, value);
    }

    @Override
    public void addScaled(Tensor y, Tensor x, float alpha) {
        Shapes.same("x", x, y);
        ScalarElementwise.addScaled(y, x, alpha);
    }

    @Override
    public double sumOfSquares(Tensor x) {
        return ScalarElementwise.sumOfSquares(x);
    }

    @Override
    public void addBias(Tensor y, Tensor bias) {
        Shapes.addBias(y, bias);
        ScalarElementwise.addBias(y, bias);
    }

    @Override
    public void biasBackward(Tensor dBias, Tensor dY) {
        Shapes.biasBackward(dBias, dY);
        ScalarElementwise.biasBackward(dBias, dY);
    }

    @Override
    public void linear(Tensor y, Tensor x, Weight w, boolean accumulate) {
        Shapes.linear(y, x, w);
        ScalarMatmul.linear(y, x, CpuWeight.from(w), accumulate);
    }

    @Override
    public void linearBackward(Tensor dX, Tensor dY, Weight w, boolean accumulate) {
        Shapes.linearBackward(dX, dY, w);
        ScalarMatmul.linearBackward(dX, dY, CpuWeight.from(w), accumulate);
    }

    @Override
    public void weightGradient(Tensor dW, Tensor dY, int fromOutput, Tensor x, boolean accumulate) {
        Shapes.weightGradient(dW, dY, fromOutput, x);
        ScalarMatmul.weightGradient(dW, dY, fromOutput, x, accumulate);
    }

    @Override
    public void matmulNT(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate) {
        Shapes.matmulNT(c, a, b);
        ScalarMatmul.matmulNT(c, a, b, alpha, accumulate);
    }

    @Override
    public void matmulNN(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate) {
        Shapes.matmulNN(c, a, b);
        ScalarMatmul.matmulNN(c, a, b, alpha, accumulate);
    }

    @Override
    public void matmulTN(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate) {
        Shapes.matmulTN(c, a, b);
        ScalarMatmul.matmulTN(c, a, b, alpha, accumulate);
    }

    @Override
    public void embed(Tensor y, Weight table, int[] ids) {
        Shapes.embed(y, table, ids);
        ScalarEmbedding.embed(y, CpuWeight.from(table), ids);
    }

    @Override
    public void embedBackward(Tensor dTable, int fromRow, Tensor dY, int[] ids) {
        Shapes.embedBackward(dTable, fromRow, dY, ids);
        ScalarEmbedding.embedBackward(dTable, fromRow, dY, ids);
    }

    @Override
    public void rmsNorm(Tensor y, Tensor rstd, Tensor x, Tensor weight, float eps, int divisor) {
        Shapes.rmsNorm(y, rstd, x, weight, divisor);
        ScalarNorm.forward(y, rstd, x, weight, eps, divisor);
    }

    @Override
    public void rmsNormBackward(
            Tensor dX, Tensor dWeight, Tensor dY, Tensor x, Tensor weight, Tensor rstd, int divisor) {
        Shapes.rmsNormBackward(dX, dWeight, dY, x, weight, rstd, divisor);
        ScalarNorm.backward(dX, dWeight, dY, x, weight, rstd, divisor);
    }

    @Override
    public void rope(Tensor x, RopeTable table, int[] positions, boolean inverse) {
        Shapes.rope(x, table, positions);
        ScalarAttention.rope(x, table, positions, inverse);
    }

    @Override
    public void attention(Tensor out, Tensor lse, Tensor q, KeyValues kv, HeadMap heads) {
        Shapes.attention(out, lse, q, kv, heads);
        ScalarAttention.forward(out, lse, q, kv, heads);
    }

    @Override
    public void attentionBackward(
            Tensor dQ, Tensor dK, Tensor dV, Tensor dOut, Tensor out, Tensor lse,
            Tensor q, Tensor k, Tensor v, int[] sequenceStart, HeadMap heads) {
        Shapes.attentionBackward(dQ, dK, dV, dOut, out, lse, q, k, v, sequenceStart, heads);
        ScalarAttention.backward(dQ, dK, dV, dOut, out, lse, q, k, v, sequenceStart, heads);
    }

    @Override
    public void swiglu(Tensor y, Tensor gate, Tensor up, Tensor z) {
        Shapes.swiglu(y, gate, up, z);
        ScalarGates.swiglu(y, gate, up, z);
    }

    @Override
    public void swigluBackward(Tensor dGate, Tensor dUp, Tensor dZ, Tensor dY, Tensor gate, Tensor up, Tensor z) {
        Shapes.swigluBackward(dGate, dUp, dZ, dY, gate, up, z);
        ScalarGates.swigluBackward(dGate, dUp, dZ, dY, gate, up, z);
    }

    @Override
    public void gateColumns(Tensor y, Tensor x, Tensor z, int width, boolean accumulate) {
        Shapes.gateColumns(y, x, z, width);
        ScalarGates.gateColumns(y, x, z, width, accumulate);
    }

    @Override
    public void gateColumnsBackward(Tensor dX, Tensor dZ, Tensor dY, Tensor x, Tensor z, int width) {
        Shapes.gateColumnsBackward(dX, dZ, dY, x, z, width);
        ScalarGates.gateColumnsBackward(dX, dZ, dY, x, z, width);
    }

    @Override
    public void dropout(Tensor y, Tensor x, Dropout key, int[] batchRows, int[] positions, boolean accumulate) {
        Shapes.dropout(y, x, batchRows, positions);
        ScalarDropout.apply(y, x, key, batchRows, positions, accumulate);
    }

    @Override
    public void crossEntropy(double[] loss, Tensor logits, int[] targets, float gradientScale) {
        Shapes.crossEntropy(loss, logits, targets);
        ScalarLosses.crossEntropy(loss, logits, targets, gradientScale);
    }

    @Override
    public void logSumExp(double[] logSum, Tensor logits) {
        Shapes.logSumExp(logSum, logits);
        ScalarLosses.logSumExp(logSum, logits);
    }

    @Override
    public void crossEntropyTile(Tensor logits, double[] logSum, int[] targets, int fromToken, float scale) {
        Shapes.crossEntropyTile(logits, logSum, targets, fromToken);
        ScalarLosses.crossEntropyTile(logits, logSum, targets, fromToken, scale);
    }

    @Override
    public void klDivergence(double[] loss, Tensor student, Tensor teacher, float tau, float gradientScale) {
        Shapes.klDivergence(loss, student, teacher, tau);
        ScalarLosses.klDivergence(loss, student, teacher, tau, gradientScale);
    }

    @Override
    public SquaredError squaredError(Tensor student, Tensor teacher) {
        Shapes.same("teacher", teacher, student);
        return ScalarLosses.squaredError(student, teacher);
    }

    @Override
    public void squaredErrorBackward(Tensor dStudent, Tensor student, Tensor teacher, float scale) {
        Shapes.squaredErrorBackward(dStudent, student, teacher);
        ScalarLosses.squaredErrorBackward(dStudent, student, teacher, scale);
    }

    @Override
    public void reduceSalience(
            double[] rowScore, double[] colScore, Salience salience,
            Weight w, int fromRow, int rows, Tensor g, Tensor meanSquare) {
        Shapes.reduceSalience(rowScore, colScore, salience, w, fromRow, rows, g, meanSquare);
        ScalarImportance.reduce(rowScore, colScore, salience, CpuWeight.from(w), fromRow, rows, g, meanSquare);
    }

    @Override
    public void addSquare(Tensor y, Tensor x, float scale) {
        Shapes.same("x", x, y);
        ScalarImportance.addSquare(y, x, scale);
    }

    @Override
    public void adamW(Tensor p, Tensor m, Tensor v, Tensor g, AdamWStep step) {
        Shapes.adamW(p, m, v, g);
        ScalarAdamW.step(p, m, v, g, step);
    }

    @Override
    public void close() {
        // There are no threads to stop.
    }
}
