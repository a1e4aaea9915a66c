package espalier.kernels;

/// Argument checks whose messages name the argument and its value.
public final class Check {
    private Check() {}

    /// @param name the argument's name
    /// @param value must be at least 0
    /// @return the value
    public static int notNegative(String name, int value) {
        if (value < 0) {
            throw new IllegalArgumentException(name + " must not be negative, got " + value);
        }
        return value;
    }

    /// @param name the argument's name
    /// @param value must be at least 1
    /// @return the value
    public static int positive(String name, int value) {
        if (value < 1) {
            throw new IllegalArgumentException(name + " must be positive, got " + value);
        }
        return value;
    }

    /// @param name the argument's name
    /// @param values none may be negative
    public static void notNegative(String name, int[] values) {
        for (int value : values) {
            notNegative(name, value);
        }
    }

    /// @param name the tensor's role
    /// @param tensor must have exactly this shape
    /// @param rows expected rows
    /// @param cols expected columns
    public static void shape(String name, Tensor tensor, int rows, int cols) {
        if (tensor.rows() != rows || tensor.cols() != cols) {
            throw new IllegalArgumentException("%s has shape [%d, %d], expected [%d, %d]"
                    .formatted(name, tensor.rows(), tensor.cols(), rows, cols));
        }
    }

    /// @param name the tensor's role
    /// @param tensor may be absent; if present it must have exactly this shape
    /// @param rows expected rows
    /// @param cols expected columns
    public static void shapeIfPresent(String name, Tensor tensor, int rows, int cols) {
        if (tensor.isPresent()) {
            shape(name, tensor, rows, cols);
        }
    }
}
