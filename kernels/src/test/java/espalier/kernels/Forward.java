package espalier.kernels;

/// Forward operations in float64, written from the contract alone, for finite differences.
final class Forward {
    private Forward() {}

    private static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }

    /// `x [tokens, k]`, `w [n, k]`.
    static double[] linear(double[] x, double[] w, int tokens, int k) {
        int n = w.length / k;
        double[] y = new double[tokens * n];
        for (int t = 0; t < tokens; t++) {
            for (int r = 0; r < n; r++) {
                for (int c = 0; c < k; c++) {
                    y[t * n + r] += x[t * k + c] * w[r * k + c];
                }
            }
        }
        return y;
    }

    static double[] rmsNorm(double[] x, double[] weight, double eps, int divisor) {
        int n = weight.length;
        double[] y = new double[x.length];
        for (int t = 0; t < x.length / n; t++) {
            double squares = 0;
            for (int c = 0; c < n; c++) {
                squares += x[t * n + c] * x[t * n + c];
            }
            for (int c = 0; c < n; c++) {
                y[t * n + c] = x[t * n + c] / Math.sqrt(squares / divisor + eps) * weight[c];
            }
        }
        return y;
    }

    static double[] swiglu(double[] gate, double[] up, double[] z) {
        double[] y = new double[gate.length];
        for (int i = 0; i < y.length; i++) {
            double open = z[i % z.length];
            y[i] = open * gate[i] * sigmoid(open * gate[i]) * open * up[i];
        }
        return y;
    }

    static double[] gateColumns(double[] x, double[] z, int width) {
        double[] y = new double[x.length];
        for (int i = 0; i < y.length; i++) {
            y[i] = x[i] * z[i / width % z.length];
        }
        return y;
    }

    /// Pairs `i` and `i + headDim / 2` of a head turned by `position * theta^(-2 i / headDim)`.
    static double[] rope(double[] x, int[] positions, double theta, int headDim) {
        double[] y = new double[x.length];
        int half = headDim / 2;
        int heads = x.length / positions.length / headDim;
        for (int t = 0; t < positions.length; t++) {
            for (int h = 0; h < heads; h++) {
                for (int i = 0; i < half; i++) {
                    double angle = positions[t] * Math.pow(theta, -2.0 * i / headDim);
                    int a = (t * heads + h) * headDim + i;
                    y[a] = x[a] * Math.cos(angle) - x[a + half] * Math.sin(angle);
                    y[a + half] = x[a + half] * Math.cos(angle) + x[a] * Math.sin(angle);
                }
            }
        }
        return y;
    }

    static double[] attention(double[] q, double[] k, double[] v, int[] starts, HeadMap heads) {
        int headDim = heads.headDim();
        int qWidth = heads.heads() * headDim;
        int kvWidth = heads.kvHeads() * headDim;
        double[] out = new double[q.length];
        for (int s = 0; s + 1 < starts.length; s++) {
            for (int t = starts[s]; t < starts[s + 1]; t++) {
                for (int h = 0; h < heads.heads(); h++) {
                    int kv = heads.kvOfQuery()[h] * headDim;
                    double sum = 0;
                    for (int j = starts[s]; j <= t; j++) {
                        double score = 0;
                        for (int i = 0; i < headDim; i++) {
                            score += q[t * qWidth + h * headDim + i] * k[j * kvWidth + kv + i];
                        }
                        double e = Math.exp(score / Math.sqrt(headDim));
                        sum += e;
                        for (int i = 0; i < headDim; i++) {
                            out[t * qWidth + h * headDim + i] += e * v[j * kvWidth + kv + i];
                        }
                    }
                    for (int i = 0; i < headDim; i++) {
                        out[t * qWidth + h * headDim + i] /= sum;
                    }
                }
            }
        }
        return out;
    }

    /// Log-probabilities of each row.
    static double[] logSoftmax(double[] logits, int vocab, double tau) {
        double[] y = new double[logits.length];
        for (int row = 0; row < logits.length; row += vocab) {
            double sum = 0;
            for (int c = 0; c < vocab; c++) {
                sum += Math.exp(logits[row + c] / tau);
            }
            for (int c = 0; c < vocab; c++) {
                y[row + c] = logits[row + c] / tau - Math.log(sum);
            }
        }
        return y;
    }

    static double[] crossEntropy(double[] logits, int[] targets) {
        int vocab = logits.length / targets.length;
        double[] log = logSoftmax(logits, vocab, 1);
        double[] loss = new double[targets.length];
        for (int t = 0; t < targets.length; t++) {
            loss[t] = targets[t] < 0 ? 0 : -log[t * vocab + targets[t]];
        }
        return loss;
    }

    static double[] klDivergence(double[] student, double[] teacher, int vocab, double tau) {
        double[] logQ = logSoftmax(student, vocab, tau);
        double[] logP = logSoftmax(teacher, vocab, tau);
        double[] loss = new double[student.length / vocab];
        for (int i = 0; i < logP.length; i++) {
            loss[i / vocab] += Math.exp(logP[i]) * (logP[i] - logQ[i]);
        }
        return loss;
    }
}
