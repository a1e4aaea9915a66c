package espalier.engine.gates;

/// Gates of one family and layer, adjacent in the arrays over all gates.
///
/// @param family what they multiply
/// @param layer 0-based layer; 0 for hidden gates, which all layers share
/// @param offset index of the first
/// @param size how many, perhaps 0
public record GateBlock(GateFamily family, int layer, int offset, int size) {
    /// @return index after the last
    public int end() {
        return offset + size;
    }

    /// @return for messages and files: `hidden`, or for instance `layers.3.ffn`
    public String name() {
        return family == GateFamily.HIDDEN ? family.label() : "layers." + layer + "." + family.label();
    }
}
