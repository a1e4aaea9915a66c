package espalier.kernels.scalar;

import espalier.kernels.*;
import espalier.kernels.cpu.CpuOps;

/// Stub.
public final class ScalarOps extends CpuOps {
    /// Stub.
    public ScalarOps() {}

    @Override
    public String name() {
        throw new AssertionError("stub");
    }

    @Override
    public int laneBits() {
        throw new AssertionError("stub");
    }

    @Override
    public int threads() {
        throw new AssertionError("stub");
    }

    @Override
    public void dequantize(Tensor y, Weight w, int fromRow) {
        throw new AssertionError("stub");
    }

    @Override
    public void fill(Tensor y, float value) {
        throw new AssertionError("stub");
    }

    @Override
    public void addScaled(Tensor y, Tensor x, float alpha) {
        throw new AssertionError("stub");
    }

    @Override
    public double sumOfSquares(Tensor x) {
        throw new AssertionError("stub");
    }

    @Override
    public void addBias(Tensor y, Tensor bias) {
        throw new AssertionError("stub");
    }

    @Override
    public void biasBackward(Tensor dBias, Tensor dY) {
        throw new AssertionError("stub");
    }

    @Override
    public void linear(Tensor y, Tensor x, Weight w, boolean accumulate) {
        throw new AssertionError("stub");
    }

    @Override
    public void linearBackward(Tensor dX, Tensor dY, Weight w, boolean accumulate) {
        throw new AssertionError("stub");
    }

    @Override
    public void weightGradient(Tensor dW, Tensor dY, int fromOutput, Tensor x, boolean accumulate) {
        throw new AssertionError("stub");
    }

    @Override
    public void matmulNT(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate) {
        throw new AssertionError("stub");
    }

    @Override
    public void matmulNN(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate) {
        throw new AssertionError("stub");
    }

    @Override
    public void matmulTN(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate) {
        throw new AssertionError("stub");
    }

    @Override
    public void embed(Tensor y, Weight table, int[] ids) {
        throw new AssertionError("stub");
    }

    @Override
    public void embedBackward(Tensor dTable, int fromRow, Tensor dY, int[] ids) {
        throw new AssertionError("stub");
    }

    @Override
    public void rmsNorm(Tensor y, Tensor rstd, Tensor x, Tensor weight, float eps, int divisor) {
        throw new AssertionError("stub");
    }

    @Override
    public void rmsNormBackward( Tensor dX, Tensor dWeight, Tensor dY, Tensor x, Tensor weight, Tensor rstd, int divisor) {
        throw new AssertionError("stub");
    }

    @Override
    public void rope(Tensor x, RopeTable table, int[] positions, boolean inverse) {
        throw new AssertionError("stub");
    }

    @Override
    public void attention(Tensor out, Tensor lse, Tensor q, KeyValues kv, HeadMap heads) {
        throw new AssertionError("stub");
    }

    @Override
    public void attentionBackward( Tensor dQ, Tensor dK, Tensor dV, Tensor dOut, Tensor out, Tensor lse, Tensor q, Tensor k, Tensor v, int[] sequenceStart, HeadMap heads) {
        throw new AssertionError("stub");
    }

    @Override
    public void swiglu(Tensor y, Tensor gate, Tensor up, Tensor z) {
        throw new AssertionError("stub");
    }

    @Override
    public void swigluBackward(Tensor dGate, Tensor dUp, Tensor dZ, Tensor dY, Tensor gate, Tensor up, Tensor z) {
        throw new AssertionError("stub");
    }

    @Override
    public void gateColumns(Tensor y, Tensor x, Tensor z, int width, boolean accumulate) {
        throw new AssertionError("stub");
    }

    @Override
    public void gateColumnsBackward(Tensor dX, Tensor dZ, Tensor dY, Tensor x, Tensor z, int width) {
        throw new AssertionError("stub");
    }

    @Override
    public void crossEntropy(double[] loss, Tensor logits, int[] targets, float gradientScale) {
        throw new AssertionError("stub");
    }

    @Override
    public void klDivergence(double[] loss, Tensor student, Tensor teacher, float tau, float gradientScale) {
        throw new AssertionError("stub");
    }

    @Override
    public SquaredError squaredError(Tensor student, Tensor teacher) {
        throw new AssertionError("stub");
    }

    @Override
    public void squaredErrorBackward(Tensor dStudent, Tensor student, Tensor teacher, float scale) {
        throw new AssertionError("stub");
    }

    @Override
    public void reduceSalience( double[] rowScore, double[] colScore, Salience salience, Weight w, int fromRow, int rows, Tensor g, Tensor meanSquare) {
        throw new AssertionError("stub");
    }

    @Override
    public void addSquare(Tensor y, Tensor x, float scale) {
        throw new AssertionError("stub");
    }

    @Override
    public void close() {
        throw new AssertionError("stub");
    }

    @Override
    public void logSumExp(double[] logSum, Tensor logits) {
        throw new AssertionError("stub");
    }

    @Override
    public void crossEntropyTile(Tensor logits, double[] logSum, int[] targets, int fromToken, float scale) {
        throw new AssertionError("stub");
    }
}
