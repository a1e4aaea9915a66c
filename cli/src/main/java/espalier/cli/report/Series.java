package espalier.cli.report;

import java.util.Objects;

/// One curve of a [Section.Chart].
///
/// @param name plain text, shown in the legend
/// @param x `[points]`, finite and never falling
/// @param y `[points]`; a value that is not finite leaves a gap in the curve
/// @param mark how it is drawn
public record Series(String name, double[] x, double[] y, Mark mark) {
    /// How a series is drawn.
    public enum Mark {
        /// A pale line in the colour of the series that follows: raw values behind their smoothed curve.
        FAINT,
        /// A line.
        LINE,
        /// A line of dashes: what was aimed at.
        DASHED,
        /// Pale dots without a line: values in no order, or events.
        DOTS,
        /// A line with a dot at every point, for values that are far apart.
        POINTS
    }

    /// @throws IllegalArgumentException if the lengths differ, or at the first x that is not finite or falls
    public Series {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(mark, "mark");
        if (x.length != y.length) {
            throw new IllegalArgumentException("series '%s' has %d x and %d y".formatted(name, x.length, y.length));
        }
        for (int i = 0; i < x.length; i++) {
            if (!Double.isFinite(x[i])) {
                throw new IllegalArgumentException("series '%s': x[%d] = %s is not finite".formatted(name, i, x[i]));
            }
            if (i > 0 && x[i] < x[i - 1]) {
                throw new IllegalArgumentException("series '%s': x[%d] = %s follows %s; x must not fall"
                        .formatted(name, i, x[i], x[i - 1]));
            }
        }
        x = x.clone();
        y = y.clone();
    }

    /// A plain line.
    public Series(String name, double[] x, double[] y) {
        this(name, x, y, Mark.LINE);
    }

    /// @return the number of points, gaps included
    public int size() {
        return x.length;
    }
}
