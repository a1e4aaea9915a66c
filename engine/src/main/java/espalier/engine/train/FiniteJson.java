package espalier.engine.train;

import com.fasterxml.jackson.databind.node.ObjectNode;

/// Numbers that may be NaN, as JSON, which has none.
public final class FiniteJson {
    private FiniteJson() {}

    /// Puts the value, or null if it is not finite.
    ///
    /// @param json gets it
    /// @param key its name
    /// @param value perhaps not finite
    public static void put(ObjectNode json, String key, double value) {
        if (Double.isFinite(value)) {
            json.put(key, value);
        } else {
            json.putNull(key);
        }
    }
}
