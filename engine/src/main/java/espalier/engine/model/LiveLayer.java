package espalier.engine.model;

import java.util.Optional;

/// What of a layer a pass computes with.
///
/// @param heads the query heads; empty for all
/// @param ffn the FFN channels, ascending; empty for all
record LiveLayer(Optional<LiveHeads> heads, Optional<int[]> ffn) {
    /// Everything.
    static final LiveLayer WHOLE = new LiveLayer(Optional.empty(), Optional.empty());

    boolean isWhole() {
        return heads.isEmpty() && ffn.isEmpty();
    }

    /// @return rows of a projection's weight; empty for all
    Optional<int[]> outputs(Site site) {
        return switch (site) {
            case Q_PROJ -> heads.map(LiveHeads::query);
            case K_PROJ, V_PROJ -> heads.map(LiveHeads::kv);
            case GATE_PROJ, UP_PROJ -> ffn;
            case O_PROJ, DOWN_PROJ -> Optional.empty();
        };
    }

    /// @return columns of a projection's weight; empty for all
    Optional<int[]> inputs(Site site) {
        return switch (site) {
            case Q_PROJ, K_PROJ, V_PROJ, GATE_PROJ, UP_PROJ -> Optional.empty();
            case O_PROJ -> heads.map(LiveHeads::query);
            case DOWN_PROJ -> ffn;
        };
    }
}
