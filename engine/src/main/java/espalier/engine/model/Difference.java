package espalier.engine.model;

/// How far two computations of the same numbers are apart, relative to the second. Sums are in float64.
///
/// Equal numbers differ by 0, even where all are 0; numbers that differ from zeros differ by infinity. A NaN in either,
/// or an infinity in the second, gives NaN; an infinity in the first alone gives infinity. Compare so that both fail,
/// `!(difference <= tolerance)`.
public final class Difference {
    private Difference() {}

    /// @param a numbers
    /// @param b as many
    /// @return `|a - b| / |b|` in the Euclidean norm over all of them
    /// @throws IllegalArgumentException if one has more numbers than the other
    public static double relative(float[] a, float[] b) {
        return largestOfRows(a, b, b.length);
    }

    /// The largest row's difference, so that a row of large numbers does not hide the others.
    ///
    /// @param a `[rows, cols]`
    /// @param b `[rows, cols]`
    /// @param cols numbers of a row
    /// @return the largest `|a - b| / |b|` of a row
    /// @throws IllegalArgumentException if the two are not of the same whole number of rows
    public static double largestOfRows(float[] a, float[] b, int cols) {
        requireRows(a, b, cols);
        double largest = 0;
        for (int row = 0; row < b.length; row += cols) {
            double difference = 0;
            double norm = 0;
            for (int i = row; i < row + cols; i++) {
                double d = (double) a[i] - b[i];
                difference += d * d;
                norm += (double) b[i] * b[i];
            }
            largest = Math.max(largest, difference == 0 ? 0 : Math.sqrt(difference / norm));
        }
        return largest;
    }

    /// The root mean square of the columns' differences. Real models have a few residual channels that are hundreds of
    /// times larger than the others; over all columns at once they would hide what happens to the rest.
    ///
    /// @param a `[rows, cols]`
    /// @param b `[rows, cols]`
    /// @param cols numbers of a row
    /// @return the root mean square over columns of `|a - b| / |b|` of each column
    /// @throws IllegalArgumentException if the two are not of the same whole number of rows
    public static double meanOfColumns(float[] a, float[] b, int cols) {
        requireRows(a, b, cols);
        double sum = 0;
        for (int col = 0; col < cols; col++) {
            double difference = 0;
            double norm = 0;
            for (int i = col; i < b.length; i += cols) {
                double d = (double) a[i] - b[i];
                difference += d * d;
                norm += (double) b[i] * b[i];
            }
            sum += difference == 0 ? 0 : difference / norm;
        }
        return Math.sqrt(sum / cols);
    }

    private static void requireRows(float[] a, float[] b, int cols) {
        if (a.length != b.length || (cols == 0 ? b.length != 0 : b.length % cols != 0)) {
            throw new IllegalArgumentException("%d and %d numbers cannot be compared in rows of %d"
                    .formatted(a.length, b.length, cols));
        }
    }
}
