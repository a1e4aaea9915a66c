package espalier.engine.adapt;

import espalier.engine.model.Batch;
import espalier.engine.model.Difference;
import espalier.engine.model.Gates;
import espalier.engine.model.Hidden;
import espalier.engine.model.HostCopy;
import espalier.engine.model.Keep;
import espalier.engine.model.LargestDifference;
import espalier.engine.model.Model;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.Pass;
import espalier.engine.model.StreamedModel;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;

/// The proof that a merged model in F32 equals the model with its adapters: each merged layer is run on the input that
/// the layer had with adapters, and compared with its output token by token, so that a token with outliers does not
/// hide the others. Only one merged layer is in memory at a time.
///
/// @param logits of the model with adapters, `[tokens * vocab]`
/// @param layerDifference largest `|a - b| / |b|` of a token's row after a layer
/// @param where it was found
/// @param logitsDifference `|a - b| / |b|` of the logits when both run from end to end
record MergeProof(float[] logits, double layerDifference, String where, double logitsDifference) {
    static MergeProof run(ModelFolder base, LoraState state, Batch probe) {
        Model model = base.model();
        Ops ops = model.ops();
        int layers = model.shape().layers().size();
        Pass plain = Pass.plain(layers);
        try (LoraWeights adapters = LoraWeights.frozen(state, ops);
                Workspace ws = ops.newWorkspace();
                StreamedModel merged = MergedWeights.streamed(base.weights(), state, ops)) {
            Pass adapted = Pass.frozen(Gates.open(layers), adapters.adapters());
            Hidden hidden = model.forward(probe, adapted, Keep.LAYER_INPUTS, ws);
            float[] logits = HostCopy.logits(model, hidden.normed(), ws);
            LargestDifference largest = new LargestDifference();
            for (int layer = 0; layer < layers; layer++) {
                long mark = ws.mark();
                Tensor y = merged.model().layer(layer, hidden.states().get(layer), probe, plain, ws);
                float[] expected = HostCopy.of(ops, hidden.states().get(layer + 1));
                largest.add(
                        "layer " + layer, Difference.largestOfRows(HostCopy.of(ops, y), expected, y.cols()));
                ws.release(mark);
            }
            double ofLogits = Difference.relative(HostCopy.logits(merged.model(), probe, plain), logits);
            return new MergeProof(logits, largest.value(), largest.where(), ofLogits);
        }
    }
}
