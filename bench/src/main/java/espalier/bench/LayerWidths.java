package espalier.bench;

import espalier.engine.weights.LayerShape;

/// Widths of a layer, or what is expected of widths that are drawn.
///
/// @param query of all query heads
/// @param kv of all key or value heads
/// @param ffn channels
record LayerWidths(double query, double kv, double ffn) {
    /// @param layer a layer
    /// @return its widths
    static LayerWidths of(LayerShape layer) {
        return new LayerWidths(layer.queryWidth(), layer.kvWidth(), layer.ffn());
    }
}
