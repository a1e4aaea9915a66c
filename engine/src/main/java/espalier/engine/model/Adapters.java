package espalier.engine.model;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// Which projections of which layers have adapters. What is not listed has none.
///
/// @param byModule the adapter of each module, by [Site#module]
public record Adapters(Map<String, LoraAdapter> byModule) {
    /// No adapters at all.
    public static final Adapters NONE = new Adapters(Map.of());

    /// Copies the map.
    public Adapters {
        byModule = Map.copyOf(new HashMap<>(byModule));
    }

    /// @param layer index of the layer
    /// @param site the projection
    /// @return its adapter
    public Optional<LoraAdapter> get(int layer, Site site) {
        return byModule.isEmpty() ? Optional.empty() : Optional.ofNullable(byModule.get(site.module(layer)));
    }
}
