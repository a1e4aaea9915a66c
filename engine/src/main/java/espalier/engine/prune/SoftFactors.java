package espalier.engine.prune;

import espalier.engine.model.ModelShape;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/// What the kept units of a plan are multiplied by: the fractional values of trained masks. Indexed as the source is,
/// removed units included; an absent family is all ones.
///
/// @param heads `[layers][heads]`, the output of each query head, or no arrays
/// @param ffn `[layers][ffn]`, each FFN channel, or no arrays
/// @param hidden `[hidden]`, each residual channel, or empty
public record SoftFactors(List<float[]> heads, List<float[]> ffn, float[] hidden) {
    /// Pure slicing.
    public static final SoftFactors NONE = new SoftFactors(List.of(), List.of(), new float[0]);

    /// Copies lists and arrays.
    public SoftFactors {
        heads = heads.stream().map(float[]::clone).toList();
        ffn = ffn.stream().map(float[]::clone).toList();
        hidden = hidden.clone();
    }

    /// @return whether every factor is absent
    public boolean isNone() {
        return heads.isEmpty() && ffn.isEmpty() && hidden.length == 0;
    }

    /// @param layer 0-based source layer
    /// @param head query head of the source
    /// @return its factor
    public float head(int layer, int head) {
        return heads.isEmpty() ? 1 : heads.get(layer)[head];
    }

    /// @param layer 0-based source layer
    /// @param channel FFN channel of the source
    /// @return its factor
    public float ffn(int layer, int channel) {
        return ffn.isEmpty() ? 1 : ffn.get(layer)[channel];
    }

    /// @param channel residual channel of the source
    /// @return its factor
    public float hidden(int channel) {
        return hidden.length == 0 ? 1 : hidden[channel];
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof SoftFactors factors
                && Arrays.deepEquals(heads.toArray(), factors.heads.toArray())
                && Arrays.deepEquals(ffn.toArray(), factors.ffn.toArray())
                && Arrays.equals(hidden, factors.hidden);
    }

    @Override
    public int hashCode() {
        return Objects.hash(
                Arrays.deepHashCode(heads.toArray()), Arrays.deepHashCode(ffn.toArray()), Arrays.hashCode(hidden));
    }

    /// Checks lengths and values against the model that the factors belong to.
    void check(ModelShape source) {
        int layers = source.layers().size();
        checkLength("head factors", heads.size(), layers, "layers");
        checkLength("FFN factors", ffn.size(), layers, "layers");
        for (int layer = 0; layer < heads.size(); layer++) {
            check("head factors of layer " + layer, heads.get(layer), source.layers().get(layer).heads());
        }
        for (int layer = 0; layer < ffn.size(); layer++) {
            check("FFN factors of layer " + layer, ffn.get(layer), source.layers().get(layer).ffn());
        }
        if (hidden.length > 0) {
            check("hidden factors", hidden, source.hidden());
        }
    }

    private static void checkLength(String name, int actual, int expected, String unit) {
        if (actual != 0 && actual != expected) {
            throw new IllegalArgumentException(
                    "%s are given for %d %s, expected %d".formatted(name, actual, unit, expected));
        }
    }

    private static void check(String name, float[] factors, int expected) {
        if (factors.length != expected) {
            throw new IllegalArgumentException("%d %s given, expected %d".formatted(factors.length, name, expected));
        }
        for (int i = 0; i < factors.length; i++) {
            if (!Float.isFinite(factors[i])) {
                throw new IllegalArgumentException("%s: entry %d is %s".formatted(name, i, factors[i]));
            }
        }
    }
}
