package espalier.engine.model;

import espalier.kernels.Check;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import java.util.Arrays;
import java.util.stream.IntStream;

/// From hidden states to the vocabulary: the only producer of vocabulary-wide data, in chunks of rows, so that
/// `[tokens, vocab]` is never held whole.
public final class LmHead {
    private static final long CHUNK_BYTES = 64L << 20;
    private static final int MOST_CHUNK_ROWS = 512;
    private static final int NO_TARGET = -1;

    private final Weight weight;
    private final Ops ops;

    LmHead(Weight weight, Ops ops) {
        this.weight = weight;
        this.ops = ops;
    }

    Weight weight() {
        return weight;
    }

    /// @return rows of a chunk: as many as fit 64 MiB of logits, at least 16 and at most 512
    public int chunkRows() {
        return chunkRows(weight.rows());
    }

    static int chunkRows(int vocab) {
        return Math.clamp(CHUNK_BYTES / ((long) vocab * Float.BYTES), 16, MOST_CHUNK_ROWS);
    }

    /// @param normed `[rows, hidden]`, some rows of [Hidden#normed]; meant for few
    /// @param ws holds the result
    /// @return `[rows, vocab]`
    public Tensor logits(Tensor normed, Workspace ws) {
        Tensor logits = ws.take(normed.rows(), weight.rows());
        ops.linear(logits, normed, weight, false);
        return logits;
    }

    /// Receives the logits of a chunk of rows.
    @FunctionalInterface
    public interface ChunkConsumer {
        /// @param fromRow first row of the chunk
        /// @param logits `[rows, vocab]`, valid during the call
        void accept(int fromRow, Tensor logits);
    }

    /// Runs over the logits of all rows, a chunk at a time.
    ///
    /// @param normed `[rows, hidden]`
    /// @param ws for temporaries
    /// @param consumer called for each chunk in order
    public void forEachChunk(Tensor normed, Workspace ws, ChunkConsumer consumer) {
        for (int from = 0; from < normed.rows(); from += chunkRows()) {
            long mark = ws.mark();
            int to = Math.min(normed.rows(), from + chunkRows());
            consumer.accept(from, logits(normed.rowRange(from, to), ws));
            ws.release(mark);
        }
    }

    /// Cross-entropy of each token. The work is in the tokens that have a target.
    ///
    /// @param hidden from a forward
    /// @param targets `[tokens]`, -1 for no target
    /// @param ws for temporaries
    /// @return losses
    public TokenLosses loss(Hidden hidden, int[] targets, Workspace ws) {
        return crossEntropy(Tensor.NONE, Tensor.NONE, hidden, targets, 0, ws);
    }

    /// Cross-entropy of each token, with the gradient of `scale` times their sum. The work is in the tokens that have a
    /// target.
    ///
    /// @param dNormed `[tokens, hidden]`, =; zeros for tokens without a target
    /// @param hidden from a forward
    /// @param targets `[tokens]`, -1 for no target
    /// @param scale e.g. 1 / number of targets for the mean
    /// @param ws for temporaries
    /// @return losses
    public TokenLosses lossBackward(Tensor dNormed, Hidden hidden, int[] targets, float scale, Workspace ws) {
        return lossBackward(dNormed, Tensor.NONE, hidden, targets, scale, ws);
    }

    /// Like the other, and the gradient of the weight is added up while the logits are there.
    ///
    /// @param dNormed as above
    /// @param dWeight `[vocab, hidden]`, +=; [Tensor#NONE] if not wanted
    /// @param hidden as above
    /// @param targets as above
    /// @param scale as above
    /// @param ws for temporaries
    /// @return losses
    public TokenLosses lossBackward(
            Tensor dNormed, Tensor dWeight, Hidden hidden, int[] targets, float scale, Workspace ws) {
        Check.shape("dNormed", dNormed, hidden.normed().rows(), hidden.normed().cols());
        if (dWeight.isPresent()) {
            Check.shape("dWeight", dWeight, weight.rows(), weight.cols());
        }
        return crossEntropy(dNormed, dWeight, hidden, targets, scale, ws);
    }

    /// Only rows with a target reach the vocabulary: the others are left out before and get zeros after.
    private TokenLosses crossEntropy(
            Tensor dNormed, Tensor dWeight, Hidden hidden, int[] targets, float scale, Workspace ws) {
        Tensor normed = hidden.normed();
        if (targets.length != normed.rows()) {
            throw new IllegalArgumentException(
                    "targets has %d entries, expected %d".formatted(targets.length, normed.rows()));
        }
        int[] rows = IntStream.range(0, targets.length).filter(row -> targets[row] != NO_TARGET).toArray();
        if (rows.length == targets.length) {
            return TokenLosses.of(rowLosses(dNormed, dWeight, normed, targets, scale, ws), rows.length);
        }
        long mark = ws.mark();
        Tensor some = ws.take(rows.length, normed.cols());
        ops.gatherRows(some, normed, rows);
        Tensor dSome = dNormed.isPresent() ? ws.take(rows.length, normed.cols()) : Tensor.NONE;
        int[] someTargets = Arrays.stream(rows).map(row -> targets[row]).toArray();
        double[] someLosses = rowLosses(dSome, dWeight, some, someTargets, scale, ws);
        if (dNormed.isPresent()) {
            ops.fill(dNormed, 0);
            ops.scatterRows(dNormed, dSome, rows);
        }
        ws.release(mark);
        double[] losses = new double[targets.length];
        for (int i = 0; i < rows.length; i++) {
            losses[rows[i]] = someLosses[i];
        }
        return TokenLosses.of(losses, rows.length);
    }

    /// The loss of each row; dNormed = its gradient and dWeight += the weight's, where wanted.
    private double[] rowLosses(
            Tensor dNormed, Tensor dWeight, Tensor normed, int[] targets, float scale, Workspace ws) {
        double[] losses = new double[targets.length];
        forEachChunk(normed, ws, (from, logits) -> {
            int to = from + logits.rows();
            double[] chunk = new double[logits.rows()];
            ops.crossEntropy(chunk, logits, Arrays.copyOfRange(targets, from, to), scale);
            System.arraycopy(chunk, 0, losses, from, chunk.length);
            if (dNormed.isPresent()) {
                ops.linearBackward(dNormed.rowRange(from, to), logits, weight, false);
            }
            if (dWeight.isPresent()) {
                ops.weightGradient(dWeight, logits, 0, normed.rowRange(from, to), true);
            }
        });
        return losses;
    }

    /// `KL(teacher || student)` of each token at a temperature, with the gradient of `scale` times their sum.
    ///
    /// @param dNormed `[tokens, hidden]`, =, gradient of the student's normed states; [Tensor#NONE] if not wanted
    /// @param student from the student's forward
    /// @param teacher from the teacher's forward over the same batch
    /// @param tau temperature
    /// @param scale of the gradient; the loss values are not scaled
    /// @param ws for temporaries
    /// @return divergences
    public TokenLosses distill(
            Tensor dNormed, Hidden student, Hidden teacher, float tau, float scale, Workspace ws) {
        int tokens = student.normed().rows();
        Check.shape("teacher", teacher.normed(), tokens, student.normed().cols());
        double[] losses = new double[tokens];
        forEachChunk(student.normed(), ws, (from, logits) -> {
            int to = from + logits.rows();
            Tensor teacherLogits = logits(teacher.normed().rowRange(from, to), ws);
            double[] chunk = new double[logits.rows()];
            ops.klDivergence(chunk, logits, teacherLogits, tau, dNormed.isPresent() ? scale : 0);
            System.arraycopy(chunk, 0, losses, from, chunk.length);
            if (dNormed.isPresent()) {
                ops.linearBackward(dNormed.rowRange(from, to), logits, weight, false);
            }
        });
        return TokenLosses.of(losses, tokens);
    }

    /// The cross-entropy that a backward started from, kept so that lm_head's gradient can be produced in tiles.
    ///
    /// @param hidden from the forward
    /// @param targets `[tokens]`
    /// @param scale as in [#lossBackward]
    /// @param ws for temporaries
    /// @return for [Model#backward]
    public Backward backward(Hidden hidden, int[] targets, float scale, Workspace ws) {
        double[] logSums = new double[targets.length];
        forEachChunk(hidden.normed(), ws, (from, logits) -> {
            double[] chunk = new double[logits.rows()];
            ops.logSumExp(chunk, logits);
            System.arraycopy(chunk, 0, logSums, from, chunk.length);
        });
        return new Backward(this, hidden.normed(), logSums, targets, scale);
    }

    /// Produces rows of lm_head's gradient.
    public static final class Backward {
        /// No loss goes through lm_head.
        public static final Backward NONE = new Backward(null, Tensor.NONE, new double[0], new int[0], 0);

        private final LmHead head;
        private final Tensor normed;
        private final double[] logSums;
        private final int[] targets;
        private final float scale;

        private Backward(LmHead head, Tensor normed, double[] logSums, int[] targets, float scale) {
            this.head = head;
            this.normed = normed;
            this.logSums = logSums;
            this.targets = targets;
            this.scale = scale;
        }

        /// dTable `[rows, hidden]`, +=: rows `fromRow ..` of the gradient, from the tokens `[fromToken, toToken)`.
        void addWeightGradient(Tensor dTable, int fromRow, int fromToken, int toToken, Workspace ws) {
            if (head == null) {
                return;
            }
            Ops ops = head.ops;
            long mark = ws.mark();
            Tensor rows = ws.take(dTable.rows(), dTable.cols());
            ops.dequantize(rows, head.weight, fromRow);
            Tensor x = normed.rowRange(fromToken, toToken);
            Tensor logits = ws.take(x.rows(), dTable.rows());
            ops.matmulNT(logits, x, rows, 1, false);
            ops.crossEntropyTile(
                    logits,
                    Arrays.copyOfRange(logSums, fromToken, toToken),
                    Arrays.copyOfRange(targets, fromToken, toToken),
                    fromRow,
                    scale);
            ops.matmulTN(dTable, logits, x, 1, true);
            ws.release(mark);
        }
    }
}
