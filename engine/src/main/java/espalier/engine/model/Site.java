package espalier.engine.model;

/// The projections of a decoder layer, named as checkpoints name them.
public enum Site {
    /// Queries.
    Q_PROJ("self_attn.q_proj"),
    /// Keys.
    K_PROJ("self_attn.k_proj"),
    /// Values.
    V_PROJ("self_attn.v_proj"),
    /// Attention output.
    O_PROJ("self_attn.o_proj"),
    /// SwiGLU gate.
    GATE_PROJ("mlp.gate_proj"),
    /// SwiGLU value.
    UP_PROJ("mlp.up_proj"),
    /// FFN output.
    DOWN_PROJ("mlp.down_proj");

    private final String path;

    Site(String path) {
        this.path = path;
    }

    /// @return the module's path inside a layer, e.g. `self_attn.q_proj`
    public String path() {
        return path;
    }

    /// @param layer index of the layer
    /// @return the module's path in the checkpoint, e.g. `model.layers.3.self_attn.q_proj`
    public String module(int layer) {
        return "model.layers." + layer + "." + path;
    }
}
