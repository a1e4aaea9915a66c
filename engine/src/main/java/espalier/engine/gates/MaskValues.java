package espalier.engine.gates;

import espalier.engine.model.ModelShape;
import java.util.Arrays;
import java.util.List;

/// Mask values as a pass multiplies by them, enabling gates and key/value groups worked out, and as surgery folds them
/// into weights; or the gradients of such values. An absent family is all ones, for gradients none.
///
/// The arrays are copied when it is made, and not when they are asked for: who reads one does not change it.
///
/// @param heads `[layers][heads]`, each query head's output; no arrays if heads have no gates
/// @param ffn `[layers][ffn]`, each FFN channel; no arrays if they have no gates
/// @param hidden `[hidden]`, each residual channel; empty if they have no gates
public record MaskValues(List<float[]> heads, List<float[]> ffn, float[] hidden) {
    /// No family.
    public static final MaskValues NONE = new MaskValues(List.of(), List.of(), new float[0]);

    /// Copies lists and arrays.
    public MaskValues {
        heads = heads.stream().map(float[]::clone).toList();
        ffn = ffn.stream().map(float[]::clone).toList();
        hidden = hidden.clone();
    }

    /// @return whether every family is absent
    public boolean isNone() {
        return heads.isEmpty() && ffn.isEmpty() && hidden.length == 0;
    }

    /// @param layer 0-based layer
    /// @param head query head
    /// @return its value
    public float head(int layer, int head) {
        return heads.isEmpty() ? 1 : heads.get(layer)[head];
    }

    /// @param layer 0-based layer
    /// @param channel FFN channel
    /// @return its value
    public float ffn(int layer, int channel) {
        return ffn.isEmpty() ? 1 : ffn.get(layer)[channel];
    }

    /// @param channel residual channel
    /// @return its value
    public float hidden(int channel) {
        return hidden.length == 0 ? 1 : hidden[channel];
    }

    /// @param half of a layer
    /// @return its values
    float[] of(GatedHalf half) {
        return (half.family() == GateFamily.FFN ? ffn : heads).get(half.layer());
    }

    /// @param model whose units these are the values of
    /// @throws IllegalArgumentException naming what has another length, or the first value that is not finite
    public void check(ModelShape model) {
        int layers = model.layers().size();
        checkLength("head mask", heads.size(), layers, "layers");
        checkLength("FFN mask", ffn.size(), layers, "layers");
        for (int layer = 0; layer < heads.size(); layer++) {
            check("head mask of layer " + layer, heads.get(layer), model.layers().get(layer).heads());
        }
        for (int layer = 0; layer < ffn.size(); layer++) {
            check("FFN mask of layer " + layer, ffn.get(layer), model.layers().get(layer).ffn());
        }
        if (hidden.length > 0) {
            check("hidden mask", hidden, model.hidden());
        }
    }

    private static void checkLength(String name, int actual, int expected, String unit) {
        if (actual != 0 && actual != expected) {
            throw new IllegalArgumentException("%s has %d %s, expected %d".formatted(name, actual, unit, expected));
        }
    }

    private static void check(String name, float[] values, int expected) {
        if (values.length != expected) {
            throw new IllegalArgumentException(
                    "%s has %d values, expected %d".formatted(name, values.length, expected));
        }
        for (int i = 0; i < values.length; i++) {
            if (!Float.isFinite(values[i])) {
                throw new IllegalArgumentException("%s: entry %d is %s".formatted(name, i, values[i]));
            }
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof MaskValues values
                && Arrays.deepEquals(heads.toArray(), values.heads.toArray())
                && Arrays.deepEquals(ffn.toArray(), values.ffn.toArray())
                && Arrays.equals(hidden, values.hidden);
    }

    @Override
    public int hashCode() {
        return 31 * (31 * Arrays.deepHashCode(heads.toArray()) + Arrays.deepHashCode(ffn.toArray()))
                + Arrays.hashCode(hidden);
    }
}
