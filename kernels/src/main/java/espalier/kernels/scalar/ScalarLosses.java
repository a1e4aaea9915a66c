package espalier.kernels.scalar;

import static espalier.kernels.cpu.HostMemory.get;
import static espalier.kernels.cpu.HostMemory.set;

import espalier.kernels.SquaredError;
import espalier.kernels.Tensor;

/// Losses with their gradients.
final class ScalarLosses {
    private ScalarLosses() {}

    static void crossEntropy(double[] loss, Tensor logits, int[] targets, float gradientScale) {    // loss =
        for (int t = 0; t < logits.rows(); t++) {
            double[] logP = targets[t] >= 0 ? logSoftmax(logits, t, 1) : null;
            loss[t] = logP != null ? 0 - logP[targets[t]] : 0;
            if (gradientScale != 0) {
                for (int c = 0; c < logits.cols(); c++) {
                    double p = logP != null ? StrictMath.exp(logP[c]) : 0;
                    set(logits, t, c, (float) (gradientScale * (c == targets[t] ? p - 1 : p)));
                }
            }
        }
    }

    static void logSumExp(double[] logSum, Tensor logits) { // logSum =
        for (int t = 0; t < logits.rows(); t++) {
            double max = Double.NEGATIVE_INFINITY;
            for (int c = 0; c < logits.cols(); c++) {
                max = Math.max(max, get(logits, t, c));
            }
            double sum = 0;
            for (int c = 0; c < logits.cols(); c++) {
                sum += StrictMath.exp(get(logits, t, c) - max);
            }
            logSum[t] = max + StrictMath.log(sum);
        }
    }

    static void crossEntropyTile(Tensor logits, double[] logSum, int[] targets, int fromToken, float scale) { // =
        for (int t = 0; t < logits.rows(); t++) {
            for (int c = 0; c < logits.cols(); c++) {
                double p = targets[t] >= 0 ? StrictMath.exp(get(logits, t, c) - logSum[t]) : 0;
                set(logits, t, c, (float) (scale * (fromToken + c == targets[t] ? p - 1 : p)));
            }
        }
    }

    static void klDivergence(double[] loss, Tensor student, Tensor teacher, float tau, float gradientScale) { // loss =
        for (int t = 0; t < student.rows(); t++) {
            double[] logQ = logSoftmax(student, t, tau);
            double[] logP = logSoftmax(teacher, t, tau);
            loss[t] = 0;
            for (int c = 0; c < student.cols(); c++) {
                double p = StrictMath.exp(logP[c]);
                // The limit of p log p; and q may be 0 where p is.
                loss[t] += p == 0 ? 0 : p * (logP[c] - logQ[c]);
                if (gradientScale != 0) {
                    set(student, t, c, (float) (gradientScale / tau * (StrictMath.exp(logQ[c]) - p)));
                }
            }
        }
    }

    /// Log-probabilities of a row. The maximum is subtracted first and for good: added to the logarithm of the sum it
    /// would swallow it where logits are huge. NaN where any logit is NaN or plus infinity or all are minus infinity.
    private static double[] logSoftmax(Tensor logits, int row, double tau) {
        double max = Double.NEGATIVE_INFINITY;
        for (int c = 0; c < logits.cols(); c++) {
            max = Math.max(max, get(logits, row, c));
        }
        double[] logP = new double[logits.cols()];
        double sum = 0;
        for (int c = 0; c < logits.cols(); c++) {
            logP[c] = (get(logits, row, c) - max) / tau;
            sum += StrictMath.exp(logP[c]);
        }
        for (int c = 0; c < logits.cols(); c++) {
            logP[c] -= StrictMath.log(sum);
        }
        return logP;
    }

    static SquaredError squaredError(Tensor student, Tensor teacher) {
        double sum = 0;
        long count = 0;
        for (int t = 0; t < student.rows(); t++) {
            for (int c = 0; c < student.cols(); c++) {
                if (get(student, t, c) != 0) {
                    double difference = (double) get(student, t, c) - get(teacher, t, c);
                    sum += difference * difference;
                    count++;
                }
            }
        }
        return new SquaredError(sum, count);
    }

    static void squaredErrorBackward(Tensor dStudent, Tensor student, Tensor teacher, float scale) { // dStudent +=
        for (int t = 0; t < student.rows(); t++) {
            for (int c = 0; c < student.cols(); c++) {
                if (get(student, t, c) != 0) {
                    double difference = (double) get(student, t, c) - get(teacher, t, c);
                    set(dStudent, t, c, (float) (get(dStudent, t, c) + 2.0 * scale * difference));
                }
            }
        }
    }
}
