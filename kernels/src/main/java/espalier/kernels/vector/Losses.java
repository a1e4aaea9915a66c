package espalier.kernels.vector;

import static espalier.kernels.vector.Access.first;
import static espalier.kernels.vector.Access.load;
import static espalier.kernels.vector.Access.store;

import espalier.kernels.SquaredError;
import espalier.kernels.Tensor;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/// Losses with their gradients, a row at a time.
final class Losses {
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;
    private static final VectorSpecies<Double> F64 = Lanes.F32.withLanes(double.class);

    private Losses() {}

    static void crossEntropy(
            Parallel parallel, PackBuffer[] scratch, double[] loss, Tensor logits, int[] targets, float gradientScale) {
        Tasks.rows(parallel, logits.rows(), logits.cols(), (from, to, worker) -> {
            for (int t = from; t < to; t++) {
                long row = logits.address() + (long) t * logits.cols() * Float.BYTES;
                if (targets[t] >= 0) {
                    loss[t] = crossEntropy(
                            row, targets[t], gradientScale, logits.cols(), scratch[worker].ensure(2 * W));
                } else {
                    loss[t] = 0;
                    if (gradientScale != 0) {
                        Elementwise.fill(row, 0, logits.cols());
                    }
                }
            }
        });
    }

    private static double crossEntropy(long row, int target, float gradientScale, int vocab, long lanes) {
        long targetAddress = row + (long) target * Float.BYTES;
        float max = SoftmaxRows.max(row, vocab, lanes);
        double shifted = (double) Access.get(targetAddress) - max;
        double sum;
        if (gradientScale == 0) {
            sum = SoftmaxRows.sumOfExponentials(row, max, 1, vocab, lanes);
        } else {
            sum = SoftmaxRows.exponentials(row, max, 1, vocab, lanes);
            Elementwise.scaled(row, row, (float) (gradientScale / sum), vocab);
            Access.set(targetAddress, Access.get(targetAddress) - gradientScale);
        }
        return StrictMath.log(sum) - shifted;
    }

    static void logSumExp(Parallel parallel, PackBuffer[] scratch, double[] logSum, Tensor logits) { // logSum =
        Tasks.rows(parallel, logits.rows(), logits.cols(), (from, to, worker) -> {
            for (int t = from; t < to; t++) {
                long row = logits.address() + (long) t * logits.cols() * Float.BYTES;
                long lanes = scratch[worker].ensure(2 * W);
                float max = SoftmaxRows.max(row, logits.cols(), lanes);
                logSum[t] = max + StrictMath.log(SoftmaxRows.sumOfExponentials(row, max, 1, logits.cols(), lanes));
            }
        });
    }

    /// The exponential of F32 takes the row's log-sum rounded; a factor puts the rest of it back.
    static void crossEntropyTile(                                                                   // logits =
            Parallel parallel, PackBuffer[] scratch, Tensor logits, double[] logSum, int[] targets, int fromToken,
            float scale) {
        Tasks.rows(parallel, logits.rows(), logits.cols(), (from, to, worker) -> {
            for (int t = from; t < to; t++) {
                long row = logits.address() + (long) t * logits.cols() * Float.BYTES;
                if (targets[t] < 0) {
                    Elementwise.fill(row, 0, logits.cols());
                    continue;
                }
                float rounded = (float) logSum[t];
                SoftmaxRows.exponentials(row, rounded, 1, logits.cols(), scratch[worker].ensure(2 * W));
                double rest = StrictMath.exp(rounded - logSum[t]);
                Elementwise.scaled(row, row, (float) (scale * rest), logits.cols());
                int target = targets[t] - fromToken;
                if (target >= 0 && target < logits.cols()) {
                    long address = row + (long) target * Float.BYTES;
                    Access.set(address, Access.get(address) - scale);
                }
            }
        });
    }

    static void klDivergence(
            Parallel parallel, PackBuffer[] scratch, double[] loss, Tensor student, Tensor teacher, float tau,
            float gradientScale) {
        Tasks.rows(parallel, student.rows(), student.cols(), (from, to, worker) -> {
            double[] sums = new double[2];
            for (int t = from; t < to; t++) {
                long offset = (long) t * student.cols() * Float.BYTES;
                loss[t] = klDivergence(
                        sums, student.address() + offset, teacher.address() + offset, tau, gradientScale,
                        student.cols(), scratch[worker].ensure(2 * W));
            }
        });
    }

    /// With logits shifted by their maxima and `Z` the sums of exponentials, the divergence is
    /// `sum(e_t / Z_t * (teacher - student - max_t + max_s)) / tau + log(Z_s / Z_t)`.
    ///
    /// @param sums room for two
    private static double klDivergence(
            double[] sums, long student, long teacher, float tau, float gradientScale, int vocab, long lanes) {
        float inverse = 1 / tau;
        float studentMax = SoftmaxRows.max(student, vocab, lanes);
        float teacherMax = SoftmaxRows.max(teacher, vocab, lanes);
        SoftmaxRows.weightedDifference(
                sums, teacher, student, teacherMax, inverse, studentMax - teacherMax, vocab, lanes);
        double teacherSum = sums[0];
        double difference = sums[1];
        double studentSum;
        if (gradientScale == 0) {
            studentSum = SoftmaxRows.sumOfExponentials(student, studentMax, inverse, vocab, lanes);
        } else {
            double factor = gradientScale / (double) tau;
            studentSum = SoftmaxRows.exponentials(student, studentMax, inverse, vocab, lanes);
            Elementwise.scaled(student, student, (float) (factor / studentSum), vocab);
            SoftmaxRows.subtractExponentials(
                    student, teacher, teacherMax, inverse, (float) (factor / teacherSum), vocab);
        }
        return difference / teacherSum / tau + (StrictMath.log(studentSum) - StrictMath.log(teacherSum));
    }

    static SquaredError squaredError(Parallel parallel, Tensor student, Tensor teacher) {
        double[] sums = new double[Tasks.flatTasks(student.elements())];
        long[] counts = new long[sums.length];
        Tasks.flat(parallel, student.elements(), (offset, n, task) -> {
            sums[task] = squaredError(student.address() + offset, teacher.address() + offset, n);
            counts[task] = n - zeros(student.address() + offset, n);
        });
        long count = 0;
        for (long part : counts) {
            count += part;
        }
        return new SquaredError(Elementwise.total(sums), count);
    }

    private static double squaredError(long student, long teacher, int n) {
        DoubleVector low = DoubleVector.zero(F64);
        DoubleVector high = DoubleVector.zero(F64);
        int i = 0;
        for (; i <= n - L; i += L, student += W, teacher += W) {
            FloatVector d = difference(load(student), load(teacher));
            DoubleVector a = Elementwise.widen(d, 0);
            DoubleVector b = Elementwise.widen(d, 1);
            low = a.fma(a, low);
            high = b.fma(b, high);
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            FloatVector d = difference(load(student, m), load(teacher, m));
            DoubleVector a = Elementwise.widen(d, 0);
            DoubleVector b = Elementwise.widen(d, 1);
            low = a.fma(a, low);
            high = b.fma(b, high);
        }
        return Access.sum(low.add(high).toArray());
    }

    /// 0 where the student is 0.
    private static FloatVector difference(FloatVector student, FloatVector teacher) {
        return student.sub(teacher).blend(0, student.compare(VectorOperators.EQ, 0));
    }

    private static int zeros(long x, int n) {
        int zeros = 0;
        int i = 0;
        for (; i <= n - L; i += L, x += W) {
            zeros += load(x).compare(VectorOperators.EQ, 0).trueCount();
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            zeros += load(x, m).compare(VectorOperators.EQ, 0, m).trueCount();
        }
        return zeros;
    }

    static void squaredErrorBackward(                                                               // dStudent +=
            Parallel parallel, Tensor dStudent, Tensor student, Tensor teacher, float scale) {
        Tasks.flat(parallel, student.elements(), (offset, n, task) -> squaredErrorBackward(
                dStudent.address() + offset, student.address() + offset, teacher.address() + offset, 2 * scale, n));
    }

    private static void squaredErrorBackward(long dStudent, long student, long teacher, float factor, int n) {
        FloatVector f = FloatVector.broadcast(Lanes.F32, factor);
        int i = 0;
        for (; i <= n - L; i += L, dStudent += W, student += W, teacher += W) {
            store(dStudent, difference(load(student), load(teacher)).fma(f, load(dStudent)));
        }
        if (i < n) {
            VectorMask<Float> m = first(n - i);
            store(dStudent, difference(load(student, m), load(teacher, m)).fma(f, load(dStudent, m)), m);
        }
    }
}
