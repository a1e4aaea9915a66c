package espalier.kernels.roofline;

import java.util.List;

/// What was found out.
///
/// @param backend name of the kernels
/// @param laneBits width of their registers
/// @param roofs of one thread and, where there are more, of all; ascending
/// @param rows one for each kernel, shape and number of threads
/// @param drift largest relative difference between measurements of one ceiling during the run, 0 for none: how much
///     the machine was disturbed
public record RooflineReport(String backend, int laneBits, List<Roof> roofs, List<Measurement> rows, double drift) {
    /// Copies the lists.
    public RooflineReport {
        roofs = List.copyOf(roofs);
        rows = List.copyOf(rows);
    }

    /// @return the ceilings of all threads
    public Roof roof() {
        return roofs.getLast();
    }

    /// @param threads of a row
    /// @return the ceilings of as many threads
    public Roof roof(int threads) {
        return roofs.stream()
                .filter(roof -> roof.threads() == threads)
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no ceiling of %d threads".formatted(threads)));
    }

    /// @param row one of this report
    /// @return share of its ceiling, in percent
    public double percent(Measurement row) {
        return row.percentOf(roof(row.threads()));
    }
}
