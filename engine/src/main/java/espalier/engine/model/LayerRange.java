package espalier.engine.model;

import espalier.kernels.Check;

/// Layers that may be pruned, 0-based, without the end, as in LLM-Pruner's `block_attention_layer_start` and `_end`.
///
/// @param start first layer
/// @param end layer after the last; equal to `start` for no layer
public record LayerRange(int start, int end) {
    /// No layer.
    public static final LayerRange NONE = new LayerRange(0, 0);

    /// Checks the order.
    public LayerRange {
        Check.notNegative("first layer", start);
        if (end < start) {
            throw new IllegalArgumentException("layer range " + start + ":" + end + " ends before it starts");
        }
    }

    /// @param text e.g. `4:30`
    /// @return the range
    public static LayerRange parse(String text) {
        if (!text.matches("\\d{1,6}:\\d{1,6}")) {
            throw new IllegalArgumentException(
                    "layer range \"" + text + "\" is not of the form first:end, e.g. 4:30 for layers 4 to 29");
        }
        String[] ends = text.split(":");
        return new LayerRange(Integer.parseInt(ends[0]), Integer.parseInt(ends[1]));
    }

    /// @param layer 0-based layer
    /// @return whether it may be pruned
    public boolean contains(int layer) {
        return layer >= start && layer < end;
    }

    /// @param option the option's name, for the message
    /// @param layers layers of the model
    /// @throws IllegalArgumentException if the range reaches beyond them
    public void check(String option, int layers) {
        if (end > layers) {
            throw new IllegalArgumentException(
                    "%s layers %s reach beyond the model's %d layers".formatted(option, this, layers));
        }
    }

    @Override
    public String toString() {
        return start + ":" + end;
    }
}
