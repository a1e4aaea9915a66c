package espalier.engine.adapt;

import espalier.engine.model.ModelShape;
import espalier.engine.model.Site;
import espalier.engine.weights.LayerShape;

/// The size of one projection's adapter.
///
/// @param layer index of the layer
/// @param site the projection
/// @param out rows of the projection and of B
/// @param in columns of the projection and of A
/// @param rank rows of A, columns of B
/// @param scale what B A is multiplied by
public record LoraModule(int layer, Site site, int out, int in, int rank, float scale) {
    /// @param layer index of the layer
    /// @param site the projection
    /// @param shape the model
    /// @param rank of the adapter
    /// @param scale of the adapter
    /// @return the adapter's size
    static LoraModule of(int layer, Site site, ModelShape shape, int rank, float scale) {
        LayerShape sizes = shape.layers().get(layer);
        int hidden = shape.hidden();
        return switch (site) {
            case Q_PROJ -> new LoraModule(layer, site, sizes.queryWidth(), hidden, rank, scale);
            case K_PROJ, V_PROJ -> new LoraModule(layer, site, sizes.kvWidth(), hidden, rank, scale);
            case O_PROJ -> new LoraModule(layer, site, hidden, sizes.queryWidth(), rank, scale);
            case GATE_PROJ, UP_PROJ -> new LoraModule(layer, site, sizes.ffn(), hidden, rank, scale);
            case DOWN_PROJ -> new LoraModule(layer, site, hidden, sizes.ffn(), rank, scale);
        };
    }

    /// @return the projection's path in the checkpoint, e.g. `model.layers.3.self_attn.q_proj`
    public String name() {
        return site.module(layer);
    }

    /// @return name of A, `[rank, in]`
    public String nameA() {
        return name() + ".lora_A.weight";
    }

    /// @return name of B, `[out, rank]`
    public String nameB() {
        return name() + ".lora_B.weight";
    }

    /// @return number of trained values
    public long parameters() {
        return (long) rank * ((long) in + out);
    }
}
