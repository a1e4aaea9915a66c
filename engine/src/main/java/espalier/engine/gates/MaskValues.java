package espalier.engine.gates;

import java.util.Arrays;
import java.util.List;

/// Mask values as a pass multiplies by them, enabling gates and key/value groups worked out; or the gradients of such
/// values. The arrays are not copied; who holds one does not change it.
///
/// @param heads `[layers][heads]`, each query head's output; no arrays if heads have no gates
/// @param ffn `[layers][ffn]`, each FFN channel; no arrays if they have no gates
/// @param hidden `[hidden]`, each residual channel; empty if they have no gates
public record MaskValues(List<float[]> heads, List<float[]> ffn, float[] hidden) {
    /// Copies the lists.
    public MaskValues {
        heads = List.copyOf(heads);
        ffn = List.copyOf(ffn);
    }

    /// @param half of a layer
    /// @return its values
    float[] of(GatedHalf half) {
        return (half.family() == GateFamily.FFN ? ffn : heads).get(half.layer());
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
