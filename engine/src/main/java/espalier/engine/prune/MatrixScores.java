package espalier.engine.prune;

import java.util.Arrays;

/// Sums of a salience over the rows and columns of one tensor; a vector has one column.
///
/// @param rows `[rows]`, the sum of each row
/// @param cols `[cols]`, the sum of each column
record MatrixScores(double[] rows, double[] cols) {
    static MatrixScores zeros(int rows, int cols) {
        return new MatrixScores(new double[rows], new double[cols]);
    }

    /// Signed sums become scores by their absolute value; for the other saliences this changes nothing.
    MatrixScores absolute() {
        return new MatrixScores(
                Arrays.stream(rows).map(Math::abs).toArray(),
                Arrays.stream(cols).map(Math::abs).toArray());
    }
}
