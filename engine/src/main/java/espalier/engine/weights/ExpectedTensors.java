package espalier.engine.weights;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// The tensors that a configuration calls for, under their Hugging Face names.
///
/// Matrices are `[out, in]`. A layer without heads or without feed-forward channels has all its tensors too, with a
/// dimension of zero, so that nothing is a special case and biases keep their meaning.
public final class ExpectedTensors {
    /// `[vocab, hidden]`.
    public static final String EMBEDDING = "model.embed_tokens.weight";
    /// `[hidden]`, the norm after the last layer.
    public static final String FINAL_NORM = "model.norm.weight";
    /// `[vocab, hidden]`.
    public static final String LM_HEAD = "lm_head.weight";

    /// One tensor.
    ///
    /// @param name as in the file
    /// @param reason where the shape comes from, for messages
    /// @param shape dimensions, outermost first
    public record Expected(String name, String reason, long[] shape) {
        /// Copies the shape.
        public Expected {
            shape = shape.clone();
        }

        /// A copy of the dimensions.
        @Override
        public long[] shape() {
            return shape.clone();
        }
    }

    private final List<Expected> tensors = new ArrayList<>();
    private final PretrainedConfig config;

    private ExpectedTensors(PretrainedConfig config) {
        this.config = config;
    }

    /// What names of the tensors of a decoder layer begin with.
    public static String layerPrefix(int layer) {
        return "model.layers." + layer + ".";
    }

    /// All tensors in the order of the forward pass. Where embedding and head are tied only the embedding is listed,
    /// though a file may store it as [#LM_HEAD] instead.
    public static List<Expected> of(PretrainedConfig config) {
        ExpectedTensors expected = new ExpectedTensors(config);
        String embedding = "vocab_size x hidden_size";
        expected.add(EMBEDDING, embedding, config.vocabSize(), config.hiddenSize());
        for (int layer = 0; layer < config.numLayers(); layer++) {
            expected.addLayer(layerPrefix(layer), config.layers().get(layer));
        }
        expected.add(FINAL_NORM, "hidden_size", config.hiddenSize());
        if (!config.tied()) {
            expected.add(LM_HEAD, embedding, config.vocabSize(), config.hiddenSize());
        }
        return List.copyOf(expected.tensors);
    }

    /// Buffers that old files store though they follow from the configuration.
    static boolean isDerivedBuffer(String name) {
        return name.endsWith(".rotary_emb.inv_freq");
    }

    private void addLayer(String prefix, LayerShape widths) {
        long hidden = config.hiddenSize();
        long queries = (long) widths.heads() * widths.headDim();
        long keys = (long) widths.kvHeads() * widths.headDim();
        String queryReason = widths.heads() + " heads x " + widths.headDim();
        String keyReason = widths.kvHeads() + " kv heads x " + widths.headDim();
        String ffnReason = widths.ffn() + " feed-forward channels";
        add(prefix + "input_layernorm.weight", "hidden_size", hidden);
        addProjection(prefix + "self_attn.q_proj", queryReason, queries, hidden, config.attentionBias());
        addProjection(prefix + "self_attn.k_proj", keyReason, keys, hidden, config.attentionBias());
        addProjection(prefix + "self_attn.v_proj", keyReason, keys, hidden, config.attentionBias());
        addProjection(prefix + "self_attn.o_proj", queryReason, hidden, queries, config.oProjBias());
        if (config.family() == ModelFamily.QWEN3) {
            add(prefix + "self_attn.q_norm.weight", "head_dim", widths.headDim());
            add(prefix + "self_attn.k_norm.weight", "head_dim", widths.headDim());
        }
        add(prefix + "post_attention_layernorm.weight", "hidden_size", hidden);
        addProjection(prefix + "mlp.gate_proj", ffnReason, widths.ffn(), hidden, config.mlpBias());
        addProjection(prefix + "mlp.up_proj", ffnReason, widths.ffn(), hidden, config.mlpBias());
        addProjection(prefix + "mlp.down_proj", ffnReason, hidden, widths.ffn(), config.mlpBias());
    }

    private void addProjection(String name, String reason, long out, long in, boolean bias) {
        add(name + ".weight", reason, out, in);
        if (bias) {
            add(name + ".bias", reason, out);
        }
    }

    private void add(String name, String reason, long... shape) {
        tensors.add(new Expected(name, reason, shape));
    }

    /// What every reader says of a tensor that has another shape than expected.
    ///
    /// @param name of the tensor
    /// @param actual shape
    /// @param expected shape
    /// @param reason why it is expected; may be empty
    /// @return the message, without the file
    public static String shapeMessage(String name, long[] actual, long[] expected, String reason) {
        return "tensor " + name + " has shape " + Arrays.toString(actual) + ", expected " + Arrays.toString(expected)
                + (reason.isEmpty() ? "" : " (" + reason + ")");
    }
}
