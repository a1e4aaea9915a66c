package espalier.engine.adapt;

import espalier.kernels.Philox;

/// The values of one adapter, in memory of the Java heap. The arrays are not copied; who holds one does not change it.
///
/// @param module which projection, and the sizes
/// @param a `[rank, in]`, row-major
/// @param b `[out, rank]`, row-major
public record LoraFactors(LoraModule module, float[] a, float[] b) {
    /// Tells this use of a seed from others: "LoRA" in ASCII.
    private static final long STREAM = 0x4C6F5241L << 32;

    /// Checks the lengths.
    public LoraFactors {
        requireLength(module.nameA(), a, module.rank(), module.in());
        requireLength(module.nameB(), b, module.out(), module.rank());
    }

    /// An adapter before training: A as PyTorch's Kaiming-uniform with `a = sqrt(5)`, that is uniform on
    /// `[-1 / sqrt(in), 1 / sqrt(in))`, and B zeros, so that it changes nothing.
    ///
    /// @param module which projection
    /// @param seed decides A together with layer and projection, and nothing else does
    /// @return the values
    static LoraFactors initial(LoraModule module, long seed) {
        Philox random = new Philox(seed, STREAM | (long) module.layer() << 8 | module.site().ordinal());
        double bound = 1 / Math.sqrt(module.in());
        float[] a = new float[Math.multiplyExact(module.rank(), module.in())];
        for (int i = 0; i < a.length; i++) {
            a[i] = (float) ((2 * random.uniform(i) - 1) * bound);
        }
        return new LoraFactors(module, a, new float[Math.multiplyExact(module.out(), module.rank())]);
    }

    private static void requireLength(String name, float[] values, int rows, int cols) {
        if (values.length != (long) rows * cols) {
            throw new IllegalArgumentException(
                    "tensor %s has %d values, expected %d for [%d, %d]".formatted(
                            name, values.length, (long) rows * cols, rows, cols));
        }
    }
}
