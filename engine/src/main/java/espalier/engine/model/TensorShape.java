package espalier.engine.model;

import espalier.engine.weights.ExpectedTensor;
import espalier.kernels.Check;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// A tensor of a checkpoint: what a loader asks for and what surgery slices.
///
/// A fused matrix (q, k and v in one) lists several spaces along an axis, in the order in which they are stored.
///
/// @param name the checkpoint's name, e.g. `model.layers.0.mlp.up_proj.weight`
/// @param layer 0-based decoder layer that it leaves with, or [Space#WHOLE_MODEL]
/// @param rowSpaces channels along the rows, at least one space
/// @param columnSpaces channels along the columns; empty for a one-dimensional tensor
/// @param rows total width of `rowSpaces`
/// @param cols total width of `columnSpaces`, or 1 for a one-dimensional tensor
public record TensorShape(
        String name, int layer, List<Space> rowSpaces, List<Space> columnSpaces, int rows, int cols) {
    /// Checks ranges and copies the lists.
    public TensorShape {
        rowSpaces = List.copyOf(rowSpaces);
        columnSpaces = List.copyOf(columnSpaces);
        Check.notNegative(name + " rows", rows);
        Check.notNegative(name + " columns", cols);
        if (rowSpaces.isEmpty()) {
            throw new IllegalArgumentException(name + " has no rows");
        }
    }

    /// @param name the checkpoint's name
    /// @param layer 0-based decoder layer, or [Space#WHOLE_MODEL]
    /// @param rows channels along the rows
    /// @param columns channels along the columns
    /// @param shape the model, which decides the widths
    /// @return a matrix
    public static TensorShape matrix(
            String name, int layer, List<Space> rows, List<Space> columns, ModelShape shape) {
        return new TensorShape(name, layer, rows, columns, width(rows, shape), width(columns, shape));
    }

    /// @param name the checkpoint's name
    /// @param layer 0-based decoder layer, or [Space#WHOLE_MODEL]
    /// @param rows its channels
    /// @param shape the model, which decides the width
    /// @return a one-dimensional tensor
    public static TensorShape vector(String name, int layer, List<Space> rows, ModelShape shape) {
        return new TensorShape(name, layer, rows, List.of(), width(rows, shape), 1);
    }

    /// @return whether the tensor has one dimension: a bias or a norm weight
    public boolean isVector() {
        return columnSpaces.isEmpty();
    }

    /// @return the dimensions as a checkpoint stores them: `[rows]` or `[rows, cols]`
    public List<Integer> dims() {
        return isVector() ? List.of(rows) : List.of(rows, cols);
    }

    /// @param shape the model that this tensor belongs to
    /// @return what a checkpoint must hold, its shape explained by the widths that only this layer has, if any
    public ExpectedTensor expected(ModelShape shape) {
        List<String> axes = Stream.of(rowSpaces, columnSpaces)
                .filter(spaces -> !spaces.isEmpty() && (layer == Space.WHOLE_MODEL || !isHidden(spaces)))
                .map(spaces -> spaces.stream().map(space -> space.describe(shape)).collect(Collectors.joining(" + ")))
                .toList();
        String reason = axes.isEmpty() ? Space.HIDDEN.describe(shape) : String.join(" x ", axes);
        return new ExpectedTensor(name, reason, dims().stream().mapToLong(Integer::longValue).toArray());
    }

    private static boolean isHidden(List<Space> spaces) {
        return spaces.equals(List.of(Space.HIDDEN));
    }

    /// @return number of elements
    public long elements() {
        return (long) rows * cols;
    }

    private static int width(List<Space> spaces, ModelShape shape) {
        return spaces.stream().mapToInt(space -> space.width(shape)).sum();
    }
}
