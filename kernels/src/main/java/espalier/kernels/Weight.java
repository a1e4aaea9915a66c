package espalier.kernels;

/// A prepared weight matrix `[rows, cols]` (output channels, input channels): mapped, packed, quantised or on a
/// device. Only the backend that made it looks inside.
public interface Weight {
    /// @return how the checkpoint calls it
    String name();

    /// @return output channels
    int rows();

    /// @return input channels
    int cols();
}
