package espalier.kernels.scalar;

import static espalier.kernels.cpu.HostMemory.get;
import static espalier.kernels.cpu.HostMemory.set;

import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import espalier.kernels.RopeTable;
import espalier.kernels.Tensor;

/// Rotary embeddings and causal attention.
final class ScalarAttention {
    private ScalarAttention() {}

    static void rope(Tensor x, RopeTable table, int[] positions, boolean inverse) {                 // x =
        int half = table.cos().cols();
        for (int t = 0; t < x.rows(); t++) {
            for (int head = 0; head < x.cols(); head += 2 * half) {
                for (int i = 0; i < half; i++) {
                    double cos = get(table.cos(), positions[t], i);
                    double sin = get(table.sin(), positions[t], i) * (inverse ? -1 : 1);
                    double a = get(x, t, head + i);
                    double b = get(x, t, head + half + i);
                    set(x, t, head + i, (float) (a * cos - b * sin));
                    set(x, t, head + half + i, (float) (b * cos + a * sin));
                }
            }
        }
    }

    static void forward(Tensor out, Tensor lse, Tensor q, KeyValues kv, HeadMap heads) {            // out =, lse =
        for (int s = 0; s < kv.sequences(); s++) {
            int from = kv.queryStart()[s];
            int to = kv.queryStart()[s + 1];
            for (int t = from; t < to; t++) {
                int visible = kv.keyLength()[s] - (to - t) + 1;
                for (int h = 0; h < heads.heads(); h++) {
                    attend(out, lse, q, t, h, kv, s, visible, heads);
                }
            }
        }
    }

    private static void attend(
            Tensor out, Tensor lse, Tensor q, int t, int h, KeyValues kv, int s, int visible, HeadMap heads) {
        int headDim = heads.headDim();
        int kvColumn = heads.kvOfQuery()[h] * headDim;
        double[] score = new double[visible];
        double max = Double.NEGATIVE_INFINITY;
        for (int j = 0; j < visible; j++) {
            Tensor keys = kv.keys()[s][j / kv.pageRows()];
            for (int i = 0; i < headDim; i++) {
                score[j] += (double) get(q, t, h * headDim + i) * get(keys, j % kv.pageRows(), kvColumn + i);
            }
            score[j] *= heads.scale();
            max = Math.max(max, score[j]);
        }
        double sum = 0;
        for (int j = 0; j < visible; j++) {
            score[j] = StrictMath.exp(score[j] - max);
            sum += score[j];
        }
        for (int i = 0; i < headDim; i++) {
            double value = 0;
            for (int j = 0; j < visible; j++) {
                value += score[j] * get(kv.values()[s][j / kv.pageRows()], j % kv.pageRows(), kvColumn + i);
            }
            set(out, t, h * headDim + i, (float) (value / sum));
        }
        set(lse, t, h, (float) (max + StrictMath.log(sum)));
    }

    /// With `P = exp(scale Q K^T - lse)` and `D = rowsum(dOut * out)`: `dV = P^T dOut`, `dP = dOut V^T`,
    /// `dS = P (dP - D)`, `dQ = scale dS K`, `dK = scale dS^T Q`.
    static void backward(
            Tensor dQ, Tensor dK, Tensor dV, Tensor dOut, Tensor out, Tensor lse,
            Tensor q, Tensor k, Tensor v, int[] sequenceStart, HeadMap heads) {
        int headDim = heads.headDim();
        double[][] dKeys = new double[k.rows()][k.cols()];
        double[][] dValues = new double[k.rows()][k.cols()];
        for (int s = 0; s + 1 < sequenceStart.length; s++) {
            for (int t = sequenceStart[s]; t < sequenceStart[s + 1]; t++) {
                for (int h = 0; h < heads.heads(); h++) {
                    int column = h * headDim;
                    int kvColumn = heads.kvOfQuery()[h] * headDim;
                    double d = dot(dOut, t, column, out, t, column, headDim);
                    double[] dQuery = new double[headDim];
                    for (int j = sequenceStart[s]; j <= t; j++) {
                        double score = dot(q, t, column, k, j, kvColumn, headDim) * heads.scale();
                        double p = StrictMath.exp(score - get(lse, t, h));
                        double dP = dot(dOut, t, column, v, j, kvColumn, headDim);
                        double dScore = p * (dP - d) * heads.scale();
                        for (int i = 0; i < headDim; i++) {
                            dQuery[i] += dScore * get(k, j, kvColumn + i);
                            dKeys[j][kvColumn + i] += dScore * get(q, t, column + i);
                            dValues[j][kvColumn + i] += p * get(dOut, t, column + i);
                        }
                    }
                    for (int i = 0; i < headDim; i++) {
                        set(dQ, t, column + i, (float) dQuery[i]);
                    }
                }
            }
        }
        round(dKeys, dK);
        round(dValues, dV);
    }

    private static double dot(Tensor a, int rowA, int colA, Tensor b, int rowB, int colB, int n) {
        double sum = 0;
        for (int i = 0; i < n; i++) {
            sum += (double) get(a, rowA, colA + i) * get(b, rowB, colB + i);
        }
        return sum;
    }

    private static void round(double[][] values, Tensor y) {                                        // y =
        for (int t = 0; t < y.rows(); t++) {
            for (int c = 0; c < y.cols(); c++) {
                set(y, t, c, (float) values[t][c]);
            }
        }
    }
}
