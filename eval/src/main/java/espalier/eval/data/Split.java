package espalier.eval.data;

import espalier.kernels.Check;
import espalier.kernels.Philox;
import java.util.Arrays;

/// Which rows are learnt and which are held out to validate on. Both are in the order of the file; together they are
/// all rows, each once.
///
/// @param training indices of at least one row
/// @param validation indices of the rows held out
public record Split(int[] training, int[] validation) {
    /// Keeps these draws apart from other uses of the same seed.
    private static final long STREAM = 0x73706c6974L;

    /// Draws the rows to hold out, a function of the three numbers alone.
    ///
    /// @param rows of the file that have labels
    /// @param validationRows to hold out, 0 for none
    /// @param seed of the draw
    /// @return the split
    /// @throws IllegalArgumentException if no row would be left to train on
    public static Split of(int rows, int validationRows, long seed) {
        Check.notNegative("validation rows", validationRows);
        if (validationRows >= rows) {
            throw new IllegalArgumentException("holding out %d of %d rows leaves none to train on, expected at most %d"
                    .formatted(validationRows, rows, Math.max(0, rows - 1)));
        }
        int[] order = new Philox(seed, STREAM).order(rows, validationRows);
        int[] validation = Arrays.copyOf(order, validationRows);
        int[] training = Arrays.copyOfRange(order, validationRows, rows);
        Arrays.sort(validation);
        Arrays.sort(training);
        return new Split(training, validation);
    }
}
