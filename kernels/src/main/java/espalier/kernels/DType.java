package espalier.kernels;

/// Element types that kernels read weights in. Activations and gradients are always [#F32].
public enum DType {
    /// IEEE 754 binary32.
    F32(4),
    /// The upper half of a binary32.
    BF16(2),
    /// IEEE 754 binary16.
    F16(2);

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    /// @return bytes of one element
    public int bytes() {
        return bytes;
    }
}
