package espalier.engine.prune;

import espalier.engine.Progress;
import espalier.engine.model.Axis;
import espalier.engine.model.Batch;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.LmHead;
import espalier.engine.model.Model;
import espalier.engine.model.Pass;
import espalier.engine.model.StateGradients;
import espalier.engine.model.TensorShape;
import espalier.engine.model.WeightSource;
import espalier.engine.model.Workload;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.Salience;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Scores the units of groups (llm-pruner.md §4, §5): random numbers, magnitudes, or one backward pass over calibration
/// samples whose weight gradients are reduced tile by tile. Scores have F32 precision, so that they are the same
/// whether they come from here or from a [ScoresFile].
public final class UnitScorer {
    private static final int TILE_ELEMENTS = 1 << 20;

    /// How units are scored.
    ///
    /// @param importance of elements
    /// @param reduction over the matrices of a group
    /// @param fold of query heads onto key/value heads
    public record Settings(Importance importance, Reduction reduction, GqaFold fold) {
        /// Refuses groups that cannot be scored so.
        ///
        /// @param groups what is to be scored
        /// @throws IllegalArgumentException see [Reduction#requireFits]
        void requireFit(List<Group> groups) {
            if (importance != Importance.RANDOM) {
                groups.forEach(group -> reduction.requireFits(group, fold));
            }
        }
    }

    /// Unit scores with the loss they were computed at.
    ///
    /// @param units one entry for each group
    /// @param loss mean next-token cross-entropy of the calibration samples; NaN where none was computed
    public record Scored(List<UnitScores> units, double loss) {}

    private UnitScorer() {}

    /// @param settings how
    /// @param groups what is scored: groups inside layers, or the hidden channels
    /// @param model in F32 arithmetic, all gates open
    /// @param keep what the forward keeps where gradients are needed; changes no score
    /// @param tensors every tensor of the model, as its architecture declares them
    /// @param source of the model's tensors; one matrix at a time is in use
    /// @param samples calibration sequences of equal length, at least two tokens each; not read by magnitudes and
    ///     random
    /// @param seed of the random scores
    /// @param progress told of layers done in the backward
    /// @return scores of each group
    /// @throws IllegalArgumentException if gradients are needed and the samples are none, too short or of other lengths
    /// @throws ArithmeticException if the loss or a score is not finite
    public static Scored score(
            Settings settings,
            List<Group> groups,
            Model model,
            Keep keep,
            List<TensorShape> tensors,
            WeightSource source,
            int[][] samples,
            long seed,
            Progress progress) {
        if (settings.importance() == Importance.RANDOM) {
            return new Scored(groups.stream().map(group -> random(group, seed)).toList(), Double.NaN);
        }
        Salience salience = settings.importance().salience().orElseThrow();
        if (!settings.importance().needsCalibration()) {
            Map<String, MatrixScores> sums = magnitudes(salience, groups, model, tensors, source);
            return new Scored(reduce(settings, groups, sums), Double.NaN);
        }
        checkSamples(samples);
        boolean residual = groups.stream().anyMatch(group -> group.kind() == Group.Kind.HIDDEN);
        int residualWidth = residual ? model.shape().hidden() : 0;
        Batch batch = Batch.of(samples);
        try (TaylorScores sink = new TaylorScores(model.ops(), batch, Set.of(salience), residualWidth, progress)) {
            double loss = backward(model, batch, keep, sink);
            sink.finishNorms(source);
            return new Scored(reduce(settings, groups, sink.scores(salience)), loss);
        }
    }

    /// The mean over samples of their losses is the batch's loss only if all have the same length.
    private static void checkSamples(int[][] samples) {
        if (samples.length == 0) {
            throw new IllegalArgumentException("no calibration samples");
        }
        int tokens = samples[0].length;
        for (int j = 0; j < samples.length; j++) {
            if (samples[j].length != tokens) {
                throw new IllegalArgumentException("calibration sample %d has %d tokens, expected %d as the first has"
                        .formatted(j, samples[j].length, tokens));
            }
        }
        if (tokens < 2) {
            throw new IllegalArgumentException(
                    "calibration samples of " + tokens + " token have nothing to predict");
        }
    }

    /// One backward of the mean loss of a batch into a sink.
    ///
    /// @return the loss
    static double backward(Model model, Batch batch, Keep keep, TaylorScores sink) {
        try (Workspace ws = Workload.of(model.shape(), batch.tokens(), 0).workspace(keep, model.ops())) {
            int[] targets = batch.nextTokens();
            float scale = 1f / (batch.tokens() - batch.sequences());
            Pass pass = Pass.plain(model.shape().layers().size()).withWeightGradients(sink);
            Hidden hidden = model.forward(batch, pass, keep, ws);
            Tensor dNormed = ws.take(batch.tokens(), model.shape().hidden());
            double loss = model.lmHead().lossBackward(dNormed, hidden, targets, scale, ws).mean();
            if (!Double.isFinite(loss)) {
                throw new ArithmeticException("the calibration loss is " + loss);
            }
            LmHead.Backward head = sink.wantsVocabulary()
                    ? model.lmHead().backward(hidden, targets, scale, ws)
                    : LmHead.Backward.NONE;
            model.backward(hidden, dNormed, StateGradients.NONE, pass, head, ws);
            return loss;
        }
    }

    private static Map<String, MatrixScores> magnitudes(
            Salience salience, List<Group> groups, Model model, List<TensorShape> tensors, WeightSource source) {
        Map<String, TensorShape> byName = new HashMap<>();
        tensors.forEach(tensor -> byName.put(tensor.name(), tensor));
        Map<String, MatrixScores> scores = new HashMap<>();
        for (Group group : groups) {
            for (Member member : group.scored()) {
                scores.computeIfAbsent(
                        member.tensor(), name -> magnitudes(salience, byName.get(name), model.ops(), source));
            }
        }
        return scores;
    }

    private static MatrixScores magnitudes(Salience salience, TensorShape tensor, Ops ops, WeightSource source) {
        if (tensor.isVector()) {
            float[] vector = source.vector(tensor.name(), tensor.rows());
            double[] rows = new double[vector.length];
            Arrays.setAll(rows, i -> salience.of(vector[i], 0, 0));
            return new MatrixScores(rows, new double[0]);
        }
        Weight weight = ops.prepare(source.matrix(tensor.name(), tensor.rows(), tensor.cols()));
        MatrixScores sums = MatrixScores.zeros(tensor.rows(), tensor.cols());
        int tileRows = Math.max(1, TILE_ELEMENTS / Math.max(1, tensor.cols()));
        for (int from = 0; from < tensor.rows(); from += tileRows) {
            int rows = Math.min(tileRows, tensor.rows() - from);
            double[] rowSums = new double[rows];
            ops.reduceSalience(rowSums, sums.cols(), salience, weight, from, rows, Tensor.NONE, Tensor.NONE);
            System.arraycopy(rowSums, 0, sums.rows(), from, rows);
        }
        return sums;
    }

    private static List<UnitScores> reduce(
            Settings settings, List<Group> groups, Map<String, MatrixScores> matrices) {
        List<UnitScores> units = new ArrayList<>();
        for (Group group : groups) {
            List<double[]> vectors = new ArrayList<>();
            for (Member member : group.scored()) {
                MatrixScores sums = matrices.get(member.tensor());
                double[] axis = member.axis() == Axis.ROWS ? sums.rows() : sums.cols();
                vectors.add(Arrays.copyOfRange(axis, member.offset(), member.offset() + member.length()));
            }
            units.add(rounded(group, settings.reduction().unitScores(group, vectors, settings.fold())));
        }
        return units;
    }

    /// One uniform number for each channel of the root, added up over a unit.
    private static UnitScores random(Group group, long seed) {
        Philox random = new Philox(seed, stream(group));
        double[] units = new double[group.units()];
        for (int channel = 0; channel < group.root().length(); channel++) {
            units[channel / group.unitWidth()] += random.uniform(channel);
        }
        return rounded(group, units);
    }

    private static UnitScores rounded(Group group, double[] units) {
        double[] scores = Arrays.stream(units).map(unit -> (float) unit).toArray();
        for (int unit = 0; unit < scores.length; unit++) {
            if (!Double.isFinite(scores[unit])) {
                throw new ArithmeticException("the score of unit %d of the %s is %s, which is beyond the range of F32"
                        .formatted(unit, group.name(), units[unit]));
            }
        }
        return new UnitScores(group, scores);
    }

    /// Each group has numbers of its own, whichever other groups are scored beside it.
    private static long stream(Group group) {
        return ((long) group.layer() << 8) + group.kind().ordinal();
    }
}
