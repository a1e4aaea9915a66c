package espalier.engine.train;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/// Everything that a run needs to go on as if it had never stopped.
///
/// @param step steps done
/// @param values counters and scalars, each as a text that reads back to the same bits
/// @param tensors parameters, moments and whatever else is learnt; names are unique, and the order carries no meaning: a
///     checkpoint gives them back in order of name
public record RunState(long step, Map<String, String> values, List<Values> tensors) {
    /// A matrix of the state.
    ///
    /// @param name for instance `parameter.model.layers.0.self_attn.q_proj.lora_A.weight`
    /// @param rows rows
    /// @param cols columns
    /// @param data `[rows * cols]`, row-major, not copied
    public record Values(String name, int rows, int cols, float[] data) {
        /// @param values with names of their own
        /// @return the data of each, by name
        public static Map<String, float[]> byName(List<Values> values) {
            return values.stream().collect(Collectors.toMap(Values::name, Values::data));
        }

        /// Checks the length.
        public Values {
            if (data.length != (long) rows * cols) {
                throw new IllegalArgumentException(
                        "%s has %d values, expected [%d, %d]".formatted(name, data.length, rows, cols));
            }
        }
    }

    /// @param key of a value
    /// @return its text
    /// @throws IllegalArgumentException naming a value that the state lacks
    public String value(String key) {
        String value = values.get(key);
        if (value == null) {
            throw new IllegalArgumentException("the saved state has no value " + key);
        }
        return value;
    }

    /// Copies the collections.
    public RunState {
        values = Map.copyOf(new TreeMap<>(values));
        tensors = List.copyOf(tensors);
    }
}
