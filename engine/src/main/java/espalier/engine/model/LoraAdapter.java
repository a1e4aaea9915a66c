package espalier.engine.model;

import espalier.kernels.Tensor;

/// A low-rank adapter of one projection (Hu et al. 2021, arXiv:2106.09685): `y += scale * B (A x)`.
///
/// @param a `[rank, in]`
/// @param b `[out, rank]`
/// @param scale alpha / rank, or alpha / sqrt(rank) where it is rank-stabilised: see
///     [espalier.engine.adapt.LoraSettings]
/// @param dA `[rank, in]`, +=; [Tensor#NONE] where the adapter is not trained
/// @param dB `[out, rank]`, +=, likewise
public record LoraAdapter(Tensor a, Tensor b, float scale, Tensor dA, Tensor dB) {
    /// Checks that the two factors fit and that gradients come together.
    public LoraAdapter {
        if (a.rows() != b.cols()) {
            throw new IllegalArgumentException("lora_A has rank %d, lora_B has rank %d".formatted(a.rows(), b.cols()));
        }
        if (dA.isPresent() != dB.isPresent()) {
            throw new IllegalArgumentException("an adapter is trained in both factors or in none");
        }
    }

    /// @param a `[rank, in]`
    /// @param b `[out, rank]`
    /// @param scale as above
    /// @return an adapter that is not trained
    public static LoraAdapter frozen(Tensor a, Tensor b, float scale) {
        return new LoraAdapter(a, b, scale, Tensor.NONE, Tensor.NONE);
    }

    /// @return whether gradients are wanted
    public boolean isTrained() {
        return dA.isPresent();
    }

    /// @return the rank
    public int rank() {
        return a.rows();
    }
}
