package espalier.engine.prune;

import espalier.engine.model.Batch;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.Model;
import espalier.engine.model.Pass;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.List;

/// The proof that a plan applied in F32 equals the masked model, stage by stage: the embedding, each kept layer, and
/// what follows the last one are run on the masked model's own input to that stage and compared with its output.
///
/// Comparing only the logits at the end would prove less and fail at random: a model that lost much in its first layers
/// amplifies rounding a hundredfold on the way, so that two correct computations of it differ by more than a wrong
/// index in one layer of a healthy model does.
final class PlanProof {
    /// What was found.
    ///
    /// @param logits of the smaller model, `[tokens * vocab]`
    /// @param stageDifference largest difference of a stage, see [PlanProof#difference]
    /// @param stage where it was found
    /// @param logitsDifference relative difference of the logits when both models run from end to end
    record Result(float[] logits, double stageDifference, String stage, double logitsDifference) {}

    private final Model masked;
    private final Model smaller;
    private final PruningPlan plan;
    private final Batch probe;
    private final Ops ops;
    private double largest;
    private String where = "nowhere";

    private PlanProof(Model masked, Model smaller, PruningPlan plan, Batch probe) {
        this.masked = masked;
        this.smaller = smaller;
        this.plan = plan;
        this.probe = probe;
        this.ops = masked.ops();
    }

    /// @param source the model before
    /// @param smaller the model that the plan makes
    /// @param plan what is kept
    /// @param probe token sequences
    /// @return what was found
    static Result run(Model source, Model smaller, PruningPlan plan, Batch probe) {
        return new PlanProof(source, smaller, plan, probe).run();
    }

    private Result run() {
        try (Workspace ws = ops.newWorkspace()) {
            Pass maskedPass = MaskedModel.pass(plan, ops, ws);
            Pass plain = Pass.plain(smaller.shape().layers().size());
            Hidden whole = masked.forward(probe, maskedPass, Keep.LAYER_INPUTS, ws);
            float[] maskedLogits = logits(masked, whole.normed(), ws);
            List<Tensor> states = whole.states();

            Hidden cut = smaller.forward(probe, plain, Keep.LAYER_INPUTS, ws);
            float[] cutLogits = logits(smaller, cut.normed(), ws);
            compare("the embedding", cut.states().getFirst(), states.getFirst(), ws);
            for (int i = 0; i < plan.keptLayers().length; i++) {
                int layer = plan.keptLayers()[i];
                long mark = ws.mark();
                Tensor y = smaller.layer(i, kept(states.get(layer), ws), probe, plain, ws);
                compare("layer " + layer, y, states.get(layer + 1), ws);
                ws.release(mark);
            }
            Tensor normed = smaller.normed(kept(states.getLast(), ws), probe, plain, ws);
            note("the logits after the last layer", Compaction.difference(logits(smaller, normed, ws), maskedLogits));
            return new Result(cutLogits, largest, where, Compaction.difference(cutLogits, maskedLogits));
        }
    }

    /// The kept columns of a state of the masked model; the others are zeros there.
    private Tensor kept(Tensor state, Workspace ws) {
        int[] columns = plan.keptHidden();
        if (columns.length == state.cols()) {
            return state;
        }
        float[] whole = host(state);
        float[] kept = new float[state.rows() * columns.length];
        for (int row = 0; row < state.rows(); row++) {
            for (int i = 0; i < columns.length; i++) {
                kept[row * columns.length + i] = whole[row * state.cols() + columns[i]];
            }
        }
        Tensor tensor = ws.take(state.rows(), columns.length);
        ops.fromHost(kept, tensor);
        return tensor;
    }

    private void compare(String stage, Tensor cut, Tensor state, Workspace ws) {
        note(stage, difference(host(cut), host(kept(state, ws)), cut.cols()));
    }

    private void note(String stage, double difference) {
        // The negation keeps a NaN.
        if (!(difference <= largest)) {
            largest = difference;
            where = stage;
        }
    }

    /// The root mean square over columns of `|a - b| / |b|` of each column. Real models have a few residual channels
    /// that are hundreds of times larger than the others; over all columns at once they would hide what happens to the
    /// rest.
    static double difference(float[] a, float[] b, int cols) {
        double sum = 0;
        for (int col = 0; col < cols; col++) {
            double difference = 0;
            double norm = 0;
            for (int i = col; i < b.length; i += cols) {
                double d = (double) a[i] - b[i];
                difference += d * d;
                norm += (double) b[i] * b[i];
            }
            sum += difference == 0 ? 0 : difference / norm;
        }
        return Math.sqrt(sum / cols);
    }

    private float[] logits(Model model, Tensor normed, Workspace ws) {
        int vocab = model.shape().vocab();
        float[] all = new float[Math.multiplyExact(normed.rows(), vocab)];
        model.lmHead().forEachChunk(normed, ws, (fromRow, logits) ->
                System.arraycopy(host(logits), 0, all, fromRow * vocab, Math.toIntExact(logits.elements())));
        return all;
    }

    private float[] host(Tensor tensor) {
        float[] host = new float[Math.toIntExact(tensor.elements())];
        ops.toHost(tensor, host);
        return host;
    }
}
