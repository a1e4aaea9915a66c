package espalier.engine.prune;

import espalier.engine.model.Adapters;
import espalier.engine.model.Gates;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Pass;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// The source model under the masks that a plan stands for: what the smaller model must be equal to.
final class MaskedModel {
    private MaskedModel() {}

    /// @param plan what is kept, and the factors of what is
    /// @param ops the backend
    /// @param memory keeps the masks
    /// @return a pass in which everything removed is multiplied by 0 and everything kept by its factor. Under
    ///     [NormRule#RELEASED] norms divide by the kept width, as the smaller model's do.
    static Pass pass(PruningPlan plan, Ops ops, Workspace memory) {
        ModelShape source = plan.source();
        List<Tensor> heads = new ArrayList<>();
        List<Tensor> ffn = new ArrayList<>();
        Set<Integer> skipped = new HashSet<>();
        for (int layer = 0; layer < source.layers().size(); layer++) {
            skipped.add(layer);
            int index = layer;
            float[] headMask = new float[source.layers().get(layer).heads()];
            for (int head : plan.layers().get(layer).heads()) {
                headMask[head] = plan.factors().head(index, head);
            }
            float[] ffnMask = new float[source.layers().get(layer).ffn()];
            for (int channel : plan.layers().get(layer).ffn()) {
                ffnMask[channel] = plan.factors().ffn(index, channel);
            }
            heads.add(mask(headMask, ops, memory));
            ffn.add(mask(ffnMask, ops, memory));
        }
        for (int layer : plan.keptLayers()) {
            skipped.remove(layer);
        }
        float[] hiddenMask = new float[source.hidden()];
        for (int channel : plan.keptHidden()) {
            hiddenMask[channel] = plan.factors().hidden(channel);
        }
        int divisor = switch (plan.normRule()) {
            case RELEASED -> plan.keptHidden().length;
            case EXACT -> 0;
        };
        Gates gates = new Gates(heads, ffn, mask(hiddenMask, ops, memory), skipped, divisor);
        return Pass.frozen(gates, Adapters.NONE);
    }

    /// A mask of ones is left out: the pass then does what the plain model does.
    private static Tensor mask(float[] values, Ops ops, Workspace memory) {
        boolean open = true;
        for (float value : values) {
            open &= value == 1;
        }
        if (open) {
            return Tensor.NONE;
        }
        Tensor mask = memory.take(1, values.length);
        ops.fromHost(values, mask);
        return mask;
    }
}
