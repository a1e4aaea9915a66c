package espalier.engine.model;

import espalier.engine.model.Step.Signal;

/// Llama's forward pass, and the family's tensor names in Hugging Face checkpoints.
class LlamaArchitecture implements Architecture {
    @Override
    public final ChannelGraph graph(ModelShape shape) {
        ChannelGraph.Builder pass = new ChannelGraph.Builder(shape);
        ModelShape.Biases biases = shape.biases();
        Signal x = pass.embed("model.embed_tokens");
        for (int layer = 0; layer < shape.layers().size(); layer++) {
            pass.layer(layer);
            String attention = "model.layers." + layer + ".self_attn.";
            Signal normed = pass.norm("model.layers." + layer + ".input_layernorm", x);
            Signal query = pass.linear(attention + "q_proj", normed, Space.query(layer), biases.qkv());
            Signal key = pass.linear(attention + "k_proj", normed, Space.kv(layer), biases.qkv());
            Signal value = pass.linear(attention + "v_proj", normed, Space.kv(layer), biases.qkv());
            Signal attended = pass.attend(
                    beforeRotary(pass, attention + "q_norm", query),
                    beforeRotary(pass, attention + "k_norm", key),
                    value);
            x = pass.add(x, pass.linear(attention + "o_proj", attended, Space.HIDDEN, biases.o()));

            String mlp = "model.layers." + layer + ".mlp.";
            normed = pass.norm("model.layers." + layer + ".post_attention_layernorm", x);
            Signal gate = pass.linear(mlp + "gate_proj", normed, Space.ffn(layer), biases.mlp());
            Signal up = pass.linear(mlp + "up_proj", normed, Space.ffn(layer), biases.mlp());
            Signal activated = pass.swiGlu(gate, up);
            x = pass.add(x, pass.linear(mlp + "down_proj", activated, Space.HIDDEN, biases.mlp()));
        }
        pass.layer(Space.WHOLE_MODEL);
        Signal last = pass.norm("model.norm", x);
        pass.linear(shape.tied() ? "model.embed_tokens" : "lm_head", last, Space.VOCAB, false);
        return pass.build();
    }

    /// What happens to queries and keys between their projection and the rotary embedding: in Llama, nothing.
    Signal beforeRotary(ChannelGraph.Builder pass, String norm, Signal heads) {
        return heads;
    }
}
