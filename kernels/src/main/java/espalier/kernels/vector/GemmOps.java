package espalier.kernels.vector;

import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import espalier.kernels.cpu.CpuWeight;

/// The matrix products of [Ops] on arguments already checked: [Gemv] for a few rows, [Gemm] otherwise.
final class GemmOps implements AutoCloseable {
    private final Gemm gemm;
    private final Gemv gemv;

    /// @param parallel runs the tasks; stays open as long as this is used
    GemmOps(Parallel parallel) {
        gemm = new Gemm(parallel);
        gemv = new Gemv(parallel);
    }

    /// @return the products for use inside a task, see [Gemm#local]
    Gemm gemm() {
        return gemm;
    }

    /// See [Ops#linear].
    void linear(Tensor y, Tensor x, CpuWeight w, boolean accumulate) {
        int tokens = x.rows();
        if (tokens <= Gemv.MOST_ROWS) {
            gemv.run(tokens, w.rows(), w.cols(), y.address(), y.cols(), x.address(), x.cols(),
                    w.address(), w.type(), accumulate);
        } else if (w.packed() != 0) {
            gemm.run(Gemm.Form.PACKED, tokens, w.rows(), w.cols(), y.address(), y.cols(), x.address(), x.cols(),
                    w.packed(), w.type(), 0, 1, accumulate);
        } else {
            gemm.run(Gemm.Form.NT, tokens, w.rows(), w.cols(), y.address(), y.cols(), x.address(), x.cols(),
                    w.address(), w.type(), w.cols(), 1, accumulate);
        }
    }

    /// See [Ops#pack].
    CpuWeight pack(CpuWeight w, Workspace memory) {
        if (w.rows() == 0 || w.cols() == 0) {
            return w;
        }
        Tensor copy = PackedWeights.take(w, memory);
        gemm.pack(w, copy.address());
        return w.withPacked(copy.address());
    }

    /// See [Ops#linearBackward].
    void linearBackward(Tensor dX, Tensor dY, CpuWeight w, boolean accumulate) {
        gemm.run(Gemm.Form.NN, dY.rows(), w.cols(), w.rows(), dX.address(), dX.cols(), dY.address(), dY.cols(),
                w.address(), w.type(), w.cols(), 1, accumulate);
    }

    /// See [Ops#weightGradient].
    void weightGradient(Tensor dW, Tensor dY, int fromOutput, Tensor x, boolean accumulate) {
        gemm.run(Gemm.Form.TN, dW.rows(), dW.cols(), x.rows(), dW.address(), dW.cols(),
                dY.address() + 4L * fromOutput, dY.cols(), x.address(), DType.F32, x.cols(), 1, accumulate);
    }

    /// See [Ops#matmulNT].
    void matmulNT(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate) {
        matmul(Gemm.Form.NT, c, a.cols(), a, b, alpha, accumulate);
    }

    /// See [Ops#matmulNN].
    void matmulNN(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate) {
        matmul(Gemm.Form.NN, c, a.cols(), a, b, alpha, accumulate);
    }

    /// See [Ops#matmulTN].
    void matmulTN(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate) {
        matmul(Gemm.Form.TN, c, a.rows(), a, b, alpha, accumulate);
    }

    private void matmul(Gemm.Form form, Tensor c, int k, Tensor a, Tensor b, float alpha, boolean accumulate) {
        gemm.run(form, c.rows(), c.cols(), k, c.address(), c.cols(), a.address(), a.cols(),
                b.address(), DType.F32, b.cols(), alpha, accumulate);
    }

    /// @return bytes of scratch memory, used or not
    long heldBytes() {
        return gemm.heldBytes() + gemv.heldBytes();
    }

    @Override
    public void close() {
        gemm.close();
        gemv.close();
    }
}
