package espalier.kernels;

/// Memory that tensors are taken from like from a stack. Nothing is freed one by one: take a mark, work, release it.
///
/// Not thread-safe; one thread takes and releases, the tensors themselves may be used by worker threads.
public interface Workspace extends AutoCloseable {
    /// @param rows 0 allowed
    /// @param cols 0 allowed
    /// @return a tensor `[rows, cols]` whose contents are undefined, aligned to 64 bytes
    /// @throws OutOfMemoryError naming the bytes asked for and held
    Tensor take(int rows, int cols);

    /// @param rows 0 allowed
    /// @param cols 0 allowed
    /// @return a tensor `[rows, cols]` of zeros
    Tensor takeZeros(int rows, int cols);

    /// @return the present height of the stack, for [#release]
    long mark();

    /// Gives back everything taken since a mark. The memory is kept for the next [#take].
    ///
    /// @param mark from [#mark] of this workspace
    void release(long mark);

    /// @return bytes of memory that this workspace holds, used or not
    long heldBytes();

    /// Frees the memory; every tensor taken from here becomes invalid.
    @Override
    void close();
}
