package espalier.engine.model;

import espalier.kernels.Check;
import espalier.kernels.Tensor;
import java.util.Collections;
import java.util.List;
import java.util.Set;

/// Mask values in [0, 1] that travel with a forward pass, or the gradients of such values.
///
/// Where they multiply (l0-masks.md §4): `hidden` on the embedding output and on each sub-layer's output before the
/// residual sum; `heads` on each query head's attention output before o_proj; `ffn` on both the gate and the up
/// pre-activation. An absent tensor means all ones, and for gradients that none is wanted.
///
/// @param heads per layer `[1, heads]`
/// @param ffn per layer `[1, ffn]`
/// @param hidden `[1, hidden]`
/// @param skippedLayers layers that are left out: the residual stream passes them unchanged
/// @param normDivisor what RMSNorm divides the sum of squares by; 0 for the model's own width. LLM-Pruner's released
///     channel pruning divides by the kept width.
public record Gates(
        List<Tensor> heads, List<Tensor> ffn, Tensor hidden, Set<Integer> skippedLayers, int normDivisor) {
    /// Checks the lengths and copies the lists.
    public Gates {
        heads = List.copyOf(heads);
        ffn = List.copyOf(ffn);
        skippedLayers = Set.copyOf(skippedLayers);
        Check.notNegative("norm_divisor", normDivisor);
        if (heads.size() != ffn.size()) {
            throw new IllegalArgumentException(
                    "head gates of %d layers, FFN gates of %d".formatted(heads.size(), ffn.size()));
        }
    }

    /// @param layers number of layers
    /// @return gates that are all open
    public static Gates open(int layers) {
        List<Tensor> none = Collections.nCopies(layers, Tensor.NONE);
        return new Gates(none, none, Tensor.NONE, Set.of(), 0);
    }
}
