package espalier.kernels.vector;

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

/// The backend on the JDK Vector API: this class checks arguments and names the kernel families.
///
/// Not thread-safe: one operation at a time, which uses all the threads.
public final class VectorOps extends CpuOps {
    private final Parallel parallel;
    private final GemmOps products;
    private final Attention attention;
    private final AttentionBackward attentionBackward;
    private final ColumnSums columnSums;
    /// Of each worker, for rows of operands.
    private final PackBuffer[] scratch;

    /// Starts the worker threads.
    ///
    /// @param threads threads of an operation including the caller, at least 1
    public VectorOps(int threads) {
        parallel = new Parallel(threads);
        products = new GemmOps(parallel);
        attention = new Attention(parallel, products.gemm());
        attentionBackward = new AttentionBackward(parallel);
        columnSums = new ColumnSums(parallel);
        scratch = PackBuffer.perWorker(threads);
    }

    @Override
    public String name() {
        return "vector";
    }

    @Override
    public int laneBits() {
        return Lanes.F32.vectorBitSize();
    }

    @Override
    public int threads() {
        return parallel.threads();
    }

    @Override
    public Weight pack(Weight w, Workspace memory) {
        return products.pack(CpuWeight.from(w), memory);
    }

    @Override
    public long packedBytes(Weight w) {
        return PackedWeights.bytes(CpuWeight.from(w));
    }

    @Override
    protected void gather(CpuWeight picked, CpuWeight w, int[] rows, int[] cols) {
        WeightGather.gather(parallel, picked, w, rows, cols);
    }

    @Override
    public void dequantize(Tensor y, Weight w, int fromRow) {
        Shapes.dequantize(y, w, fromRow);
        WeightRows.dequantize(parallel, y, CpuWeight.from(w), fromRow);
    }

    @Override
    public void fill(Tensor y, float value) {
        Elementwise.fill(parallel, y, value);
    }

    @Override
    public void addScaled(Tensor y, Tensor x, float alpha) {
        Shapes.same("x", x, y);
        Elementwise.addScaled(parallel, y, x, alpha);
    }

    @Override
    public double sumOfSquares(Tensor x) {
        return Elementwise.sumOfSquares(parallel, x);
    }

    @Override
    public void addBias(Tensor y, Tensor bias) {
        Shapes.addBias(y, bias);
        Elementwise.addBias(parallel, y, bias);
    }

    @Override
    public void biasBackward(Tensor dBias, Tensor dY) {
        Shapes.biasBackward(dBias, dY);
        Elementwise.biasBackward(parallel, dBias, dY);
    }

    @Override
    public void linear(Tensor y, Tensor x, Weight w, boolean accumulate) {
        Shapes.linear(y, x, w);
        products.linear(y, x, CpuWeight.from(w), accumulate);
    }

    @Override
    public void linearBackward(Tensor dX, Tensor dY, Weight w, boolean accumulate) {
        Shapes.linearBackward(dX, dY, w);
        products.linearBackward(dX, dY, CpuWeight.from(w), accumulate);
    }

    @Override
    public void weightGradient(Tensor dW, Tensor dY, int fromOutput, Tensor x, boolean accumulate) {
        Shapes.weightGradient(dW, dY, fromOutput, x);
        products.weightGradient(dW, dY, fromOutput, x, accumulate);
    }

    @Override
    public void matmulNT(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate) {
        Shapes.matmulNT(c, a, b);
        products.matmulNT(c, a, b, alpha, accumulate);
    }

    @Override
    public void matmulNN(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate) {
        Shapes.matmulNN(c, a, b);
        products.matmulNN(c, a, b, alpha, accumulate);
    }

    @Override
    public void matmulTN(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate) {
        Shapes.matmulTN(c, a, b);
        products.matmulTN(c, a, b, alpha, accumulate);
    }

    @Override
    public void embed(Tensor y, Weight table, int[] ids) {
        Shapes.embed(y, table, ids);
        WeightRows.embed(parallel, y, CpuWeight.from(table), ids);
    }

    @Override
    public void embedBackward(Tensor dTable, int fromRow, Tensor dY, int[] ids) {
        Shapes.embedBackward(dTable, fromRow, dY, ids);
        WeightRows.embedBackward(parallel, dTable, fromRow, dY, ids);
    }

    @Override
    public void rmsNorm(Tensor y, Tensor rstd, Tensor x, Tensor weight, float eps, int divisor) {
        Shapes.rmsNorm(y, rstd, x, weight, divisor);
        RmsNorm.forward(parallel, scratch, y, rstd, x, weight, eps, divisor);
    }

    @Override
    public void rmsNormBackward(
            Tensor dX, Tensor dWeight, Tensor dY, Tensor x, Tensor weight, Tensor rstd, int divisor) {
        Shapes.rmsNormBackward(dX, dWeight, dY, x, weight, rstd, divisor);
        RmsNorm.backward(parallel, scratch, columnSums, dX, dWeight, dY, x, weight, rstd, divisor);
    }

    @Override
    public void rope(Tensor x, RopeTable table, int[] positions, boolean inverse) {
        Shapes.rope(x, table, positions);
        Rope.rotate(parallel, x, table, positions, inverse);
    }

    @Override
    public void attention(Tensor out, Tensor lse, Tensor q, KeyValues kv, HeadMap heads) {
        Shapes.attention(out, lse, q, kv, heads);
        attention.forward(out, lse, q, kv, heads);
    }

    @Override
    public void attentionBackward(
            Tensor dQ, Tensor dK, Tensor dV, Tensor dOut, Tensor out, Tensor lse,
            Tensor q, Tensor k, Tensor v, int[] sequenceStart, HeadMap heads) {
        Shapes.attentionBackward(dQ, dK, dV, dOut, out, lse, q, k, v, sequenceStart, heads);
        attentionBackward.run(dQ, dK, dV, dOut, out, lse, q, k, v, sequenceStart, heads);
    }

    @Override
    public void swiglu(Tensor y, Tensor gate, Tensor up, Tensor z) {
        Shapes.swiglu(y, gate, up, z);
        SwiGlu.forward(parallel, y, gate, up, z);
    }

    @Override
    public void swigluBackward(Tensor dGate, Tensor dUp, Tensor dZ, Tensor dY, Tensor gate, Tensor up, Tensor z) {
        Shapes.swigluBackward(dGate, dUp, dZ, dY, gate, up, z);
        SwiGlu.backward(parallel, columnSums, scratch, dGate, dUp, dZ, dY, gate, up, z);
    }

    @Override
    public void gateColumns(Tensor y, Tensor x, Tensor z, int width, boolean accumulate) {
        Shapes.gateColumns(y, x, z, width);
        ColumnGates.forward(parallel, y, x, z, width, accumulate);
    }

    @Override
    public void gateColumnsBackward(Tensor dX, Tensor dZ, Tensor dY, Tensor x, Tensor z, int width) {
        Shapes.gateColumnsBackward(dX, dZ, dY, x, z, width);
        ColumnGates.backward(parallel, scratch, columnSums, dX, dZ, dY, x, z, width);
    }

    @Override
    public void dropout(Tensor y, Tensor x, Dropout key, int[] batchRows, int[] positions, boolean accumulate) {
        Shapes.dropout(y, x, batchRows, positions);
        DropoutKernels.apply(parallel, scratch, y, x, key, batchRows, positions, accumulate);
    }

    @Override
    public void crossEntropy(double[] loss, Tensor logits, int[] targets, float gradientScale) {
        Shapes.crossEntropy(loss, logits, targets);
        Losses.crossEntropy(parallel, scratch, loss, logits, targets, gradientScale);
    }

    @Override
    public void logSumExp(double[] logSum, Tensor logits) {
        Shapes.logSumExp(logSum, logits);
        Losses.logSumExp(parallel, scratch, logSum, logits);
    }

    @Override
    public void crossEntropyTile(Tensor logits, double[] logSum, int[] targets, int fromToken, float scale) {
        Shapes.crossEntropyTile(logits, logSum, targets, fromToken);
        Losses.crossEntropyTile(parallel, scratch, logits, logSum, targets, fromToken, scale);
    }

    @Override
    public void klDivergence(double[] loss, Tensor student, Tensor teacher, float tau, float gradientScale) {
        Shapes.klDivergence(loss, student, teacher, tau);
        Losses.klDivergence(parallel, scratch, loss, student, teacher, tau, gradientScale);
    }

    @Override
    public SquaredError squaredError(Tensor student, Tensor teacher) {
        Shapes.same("teacher", teacher, student);
        return Losses.squaredError(parallel, student, teacher);
    }

    @Override
    public void squaredErrorBackward(Tensor dStudent, Tensor student, Tensor teacher, float scale) {
        Shapes.squaredErrorBackward(dStudent, student, teacher);
        Losses.squaredErrorBackward(parallel, dStudent, student, teacher, scale);
    }

    @Override
    public void reduceSalience(
            double[] rowScore, double[] colScore, Salience salience,
            Weight w, int fromRow, int rows, Tensor g, Tensor meanSquare) {
        Shapes.reduceSalience(rowScore, colScore, salience, w, fromRow, rows, g, meanSquare);
        Importance.reduce(
                parallel, columnSums, scratch, rowScore, colScore, salience,
                CpuWeight.from(w), fromRow, rows, g, meanSquare);
    }

    @Override
    public void addSquare(Tensor y, Tensor x, float scale) {
        Shapes.same("x", x, y);
        Elementwise.addSquare(parallel, y, x, scale);
    }

    @Override
    public void adamW(Tensor p, Tensor m, Tensor v, Tensor g, AdamWStep step) {
        Shapes.adamW(p, m, v, g);
        AdamWKernels.step(parallel, p, m, v, g, step);
    }

    @Override
    public long scratchBytes() {
        return products.heldBytes() + attention.heldBytes() + attentionBackward.heldBytes() + columnSums.heldBytes()
                + PackBuffer.heldBytes(scratch);
    }

    @Override
    public void close() {
        parallel.close();
        attention.close();
        attentionBackward.close();
        products.close();
        columnSums.close();
        for (PackBuffer buffer : scratch) {
            buffer.close();
        }
    }
}
