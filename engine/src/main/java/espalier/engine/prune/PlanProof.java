package espalier.engine.prune;

import espalier.engine.model.Batch;
import espalier.engine.model.Difference;
import espalier.engine.model.Hidden;
import espalier.engine.model.HostCopy;
import espalier.engine.model.Keep;
import espalier.engine.model.LargestDifference;
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
    /// @param stageDifference largest difference of a stage, see [Difference#meanOfColumns]
    /// @param stage where it was found
    /// @param logitsDifference relative difference of the logits when both models run from end to end
    record Result(float[] logits, double stageDifference, String stage, double logitsDifference) {}

    private final Model masked;
    private final Model smaller;
    private final PruningPlan plan;
    private final Batch probe;
    private final Ops ops;
    private final LargestDifference largest = new LargestDifference();

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
            float[] maskedLogits = HostCopy.logits(masked, whole.normed(), ws);
            List<Tensor> states = whole.states();

            Hidden cut = smaller.forward(probe, plain, Keep.LAYER_INPUTS, ws);
            float[] cutLogits = HostCopy.logits(smaller, cut.normed(), ws);
            compare("the embedding", cut.states().getFirst(), states.getFirst(), ws);
            for (int i = 0; i < plan.keptLayers().length; i++) {
                int layer = plan.keptLayers()[i];
                long mark = ws.mark();
                Tensor y = smaller.layer(i, kept(states.get(layer), ws), probe, plain, ws);
                compare("layer " + layer, y, states.get(layer + 1), ws);
                ws.release(mark);
            }
            Tensor normed = smaller.normed(kept(states.getLast(), ws), probe, plain, ws);
            largest.add(
                    "the logits after the last layer",
                    Difference.relative(HostCopy.logits(smaller, normed, ws), maskedLogits));
            double ofLogits = Difference.relative(cutLogits, maskedLogits);
            return new Result(cutLogits, largest.value(), largest.where(), ofLogits);
        }
    }

    /// The kept columns of a state of the masked model; the others are zeros there.
    private Tensor kept(Tensor state, Workspace ws) {
        int[] columns = plan.keptHidden();
        if (columns.length == state.cols()) {
            return state;
        }
        float[] whole = HostCopy.of(ops, state);
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
        float[] expected = HostCopy.of(ops, kept(state, ws));
        largest.add(stage, Difference.meanOfColumns(HostCopy.of(ops, cut), expected, cut.cols()));
    }
}
