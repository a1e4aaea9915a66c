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
            boolean counts = targets[t] >= 0;
            double lse = counts ? logSumExp(logits, t, 1) : 0;
            loss[t] = counts ? lse - get(logits, t, targets[t]) : 0;
            if (gradientScale != 0) {
                for (int c = 0; c < logits.cols(); c++) {
                    double p = counts ? StrictMath.exp(get(logits, t, c) - lse) : 0;
                    set(logits, t, c, (float) (gradientScale * (c == targets[t] ? p - 1 : p)));
                }
            }
        }
    }

    static void logSumExp(double[] logSum, Tensor logits) { // logSum =
        for (int t = 0; t < logits.rows(); t++) {
            logSum[t] = logSumExp(logits, t, 1);
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
            double studentLse = logSumExp(student, t, tau);
            double teacherLse = logSumExp(teacher, t, tau);
            double divergence = 0;
            for (int c = 0; c < student.cols(); c++) {
                double logP = get(teacher, t, c) / (double) tau - teacherLse;
                double logQ = get(student, t, c) / (double) tau - studentLse;
                double p = StrictMath.exp(logP);
                // The limit of p log p; and q may be 0 where p is.
                divergence += p == 0 ? 0 : p * (logP - logQ);
                if (gradientScale != 0) {
                    set(student, t, c, (float) (gradientScale / tau * (StrictMath.exp(logQ) - p)));
                }
            }
            loss[t] = divergence;
        }
    }

    /// NaN where any logit is NaN or positive infinity or all are negative infinity.
    private static double logSumExp(Tensor logits, int row, double tau) {
        double max = Double.NEGATIVE_INFINITY;
        for (int c = 0; c < logits.cols(); c++) {
            max = Math.max(max, get(logits, row, c) / tau);
        }
        double sum = 0;
        for (int c = 0; c < logits.cols(); c++) {
            sum += StrictMath.exp(get(logits, row, c) / tau - max);
        }
        return max + StrictMath.log(sum);
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
