package espalier.engine.testing;

import espalier.engine.model.ModelShape;
import espalier.engine.model.NormSite;
import espalier.engine.model.Site;
import espalier.engine.model.VocabularyGradient;
import espalier.engine.model.WeightGradients;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import java.util.HashMap;
import java.util.Map;

/// Keeps the whole gradient of every weight, by its name in the checkpoint.
public final class WholeGradients implements WeightGradients, AutoCloseable {
    private final Ops ops;
    private final ModelShape shape;
    private final Workspace memory;
    private final Map<String, Tensor> gradients = new HashMap<>();

    /// @param ops the backend
    /// @param shape of the model
    public WholeGradients(Ops ops, ModelShape shape) {
        this.ops = ops;
        this.shape = shape;
        this.memory = ops.newWorkspace();
    }

    private Tensor zeros(String name, int rows, int cols) {
        return gradients.computeIfAbsent(name, key -> memory.takeZeros(rows, cols));
    }

    @Override
    public void projection(int layer, Site site, Weight weight, Tensor dY, Tensor x) {
        ops.weightGradient(zeros(site.module(layer) + ".weight", weight.rows(), weight.cols()), dY, 0, x, true);
    }

    @Override
    public Tensor bias(int layer, Site site) {
        int width = switch (site) {
            case Q_PROJ -> shape.layers().get(layer).queryWidth();
            case K_PROJ, V_PROJ -> shape.layers().get(layer).kvWidth();
            case O_PROJ, DOWN_PROJ -> shape.hidden();
            case GATE_PROJ, UP_PROJ -> shape.layers().get(layer).ffn();
        };
        return zeros(site.module(layer) + ".bias", 1, width);
    }

    @Override
    public Tensor norm(NormSite site, int layer) {
        return zeros(site.weight(layer), 1, shape.hidden());
    }

    @Override
    public boolean wantsVocabulary() {
        return true;
    }

    @Override
    public void vocabulary(VocabularyGradient gradient) {
        int tokens = gradient.batch().tokens();
        Tensor embedding = zeros("model.embed_tokens.weight", shape.vocab(), shape.hidden());
        gradient.addEmbedding(embedding, 0, 0, tokens);
        Tensor head = shape.tied() ? embedding : zeros("lm_head.weight", shape.vocab(), shape.hidden());
        // Two tiles and two runs of tokens, as a sink that reduces tiles would ask for them.
        int half = shape.vocab() / 2;
        gradient.addLmHead(head.rowRange(0, half), 0, 0, tokens / 2, memory);
        gradient.addLmHead(head.rowRange(0, half), 0, tokens / 2, tokens, memory);
        gradient.addLmHead(head.rowRange(half, shape.vocab()), half, 0, tokens, memory);
    }

    /// @return every gradient by the name of its weight
    public Map<String, Tensor> gradients() {
        return gradients;
    }

    @Override
    public void close() {
        memory.close();
    }
}
