package espalier.kernels;

/// A handle to a contiguous row-major F32 matrix `[rows, cols]` in the memory of a backend.
///
/// A tensor owns nothing: its memory belongs to the [Workspace] it was taken from. The address is the backend's; only
/// a backend may read through it, everything else goes through [Ops#toHost] and [Ops#fromHost].
///
/// @param address first byte, in the backend's address space
/// @param rows 0 allowed
/// @param cols 0 allowed
public record Tensor(long address, int rows, int cols) {
    /// Stands for an absent optional argument: gates that are all open, a gradient nobody wants.
    public static final Tensor NONE = new Tensor(0, 0, 0);

    /// Checks that no dimension is negative.
    public Tensor {
        Check.notNegative("rows", rows);
        Check.notNegative("cols", cols);
    }

    /// @return whether this is not [#NONE]
    public boolean isPresent() {
        return this != NONE;
    }

    /// @return rows times columns
    public long elements() {
        return (long) rows * cols;
    }

    /// @return bytes of memory
    public long bytes() {
        return elements() * Float.BYTES;
    }

    /// @param from first row
    /// @param to one past the last row
    /// @return the rows `[from, to)` of this tensor, sharing its memory
    public Tensor rowRange(int from, int to) {
        if (from < 0 || from > to || to > rows) {
            throw new IllegalArgumentException("rows %d to %d of a tensor with %d".formatted(from, to, rows));
        }
        return new Tensor(address + (long) from * cols * Float.BYTES, to - from, cols);
    }

    /// @param newRows rows of the view
    /// @param newCols columns of the view; the number of elements must stay
    /// @return the same memory under another shape
    public Tensor reshape(int newRows, int newCols) {
        if ((long) newRows * newCols != elements()) {
            throw new IllegalArgumentException(
                    "[%d, %d] cannot be viewed as [%d, %d]".formatted(rows, cols, newRows, newCols));
        }
        return new Tensor(address, newRows, newCols);
    }
}
