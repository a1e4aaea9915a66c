package espalier.cli;

import espalier.kernels.roofline.Measurement;
import espalier.kernels.roofline.Roof;
import espalier.kernels.roofline.RooflineReport;
import java.util.List;
import java.util.function.Function;

/// A roofline report as text: a line for each kernel and shape, with a column group for each number of threads.
final class RooflineTable {
    private static final int LEAST_WIDTH = 6;
    private static final String SPEED = "  %10s %8s %5s";

    private final RooflineReport report;
    private final StringBuilder text = new StringBuilder();
    private final String kernel;

    private RooflineTable(RooflineReport report) {
        this.report = report;
        kernel = "%-" + widest(Measurement::kernel) + "s  %-4s  %-" + widest(Measurement::shape) + "s  %-"
                + widest(Measurement::shortWeight) + "s  %9s  %-7s";
    }

    private int widest(Function<Measurement, String> column) {
        return report.rows().stream().mapToInt(row -> column.apply(row).length()).reduce(LEAST_WIDTH, Math::max);
    }

    static String render(RooflineReport report) {
        return new RooflineTable(report).render();
    }

    private String render() {
        line("%-12s  %12s  %12s  %s".formatted("ceilings", "GFLOP/s", "GB/s", "meet at FLOP/byte"));
        for (Roof roof : report.roofs()) {
            line("%-12s  %12.1f  %12.1f  %17.1f".formatted(
                    threads(roof.threads()), roof.peakGflops(), roof.bandwidthGbs(), roof.ridge()));
        }
        line("");
        List<List<Measurement>> lines = report.lines();
        int groups = lines.stream().mapToInt(List::size).max().orElse(1);
        StringBuilder above = new StringBuilder(kernel.formatted("", "", "", "", "", ""));
        StringBuilder heading =
                new StringBuilder(kernel.formatted("kernel", "type", "shape", "of", "FLOP/byte", "limit"));
        for (Roof roof : report.roofs().reversed().subList(0, groups)) {
            above.append("  %25s".formatted("--- " + threads(roof.threads()) + " ---"));
            heading.append(SPEED.formatted("GFLOP/s", "GB/s", "%"));
        }
        line(above.toString());
        line(heading.toString());
        lines.forEach(rows -> line(line(rows)));
        return text.toString().stripTrailing();
    }

    private String line(List<Measurement> rows) {
        Measurement first = rows.getFirst();
        StringBuilder line = new StringBuilder(kernel.formatted(
                first.kernel(), first.type(), first.shape(), first.shortWeight(),
                "%.2f".formatted(first.work().intensity()),
                report.roof(first.threads()).isMemoryBound(first.work()) ? "memory" : "compute"));
        for (Measurement row : rows) {
            line.append(SPEED.formatted(
                    "%.1f".formatted(row.gflops()),
                    "%.1f".formatted(row.gbs()),
                    "%.0f".formatted(report.percent(row))));
        }
        return line.toString();
    }

    private void line(String line) {
        text.append(line.stripTrailing()).append(System.lineSeparator());
    }

    static String threads(int count) {
        return count == 1 ? "1 thread" : count + " threads";
    }
}
