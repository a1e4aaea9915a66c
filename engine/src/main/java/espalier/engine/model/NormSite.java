package espalier.engine.model;

/// The normalisations of a model, named as checkpoints name them.
public enum NormSite {
    /// Before attention.
    INPUT("input_layernorm"),
    /// Before the FFN.
    POST_ATTENTION("post_attention_layernorm"),
    /// After the last layer; it has no layer index.
    FINAL("norm");

    private final String path;

    NormSite(String path) {
        this.path = path;
    }

    /// @param layer index of the layer, ignored for [#FINAL]
    /// @return the weight's name in the checkpoint
    public String weight(int layer) {
        return this == FINAL ? "model.norm.weight" : "model.layers." + layer + "." + path + ".weight";
    }
}
