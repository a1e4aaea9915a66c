package espalier.kernels.roofline;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

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

    /// @return the rows of each kernel and shape, which differ in their threads, in the order of the rows
    public List<List<Measurement>> lines() {
        Map<String, List<Measurement>> lines = new LinkedHashMap<>();
        for (Measurement row : rows) {
            String key = String.join(" ", row.kernel(), row.weight(), row.type(), row.shape());
            lines.computeIfAbsent(key, _ -> new ArrayList<>()).add(row);
        }
        return List.copyOf(lines.values());
    }

    /// @param row one of this report
    /// @return share of its ceiling, in percent
    public double percent(Measurement row) {
        return row.percentOf(roof(row.threads()));
    }
}
