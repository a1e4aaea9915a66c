package espalier.cli;

import espalier.engine.Progress;
import java.util.function.LongSupplier;

/// Shows how far a job is, how fast it runs and how long it will still take: on a terminal in one line that is
/// overwritten, elsewhere in a plain line every few seconds.
final class ProgressMeter implements Progress, AutoCloseable {
    private final LiveLine line;
    private final String unit;
    private final LongSupplier nanoTime;
    private final long start;

    /// @param terminal whose error stream is written to
    /// @param unit of work, plural, e.g. `windows`
    ProgressMeter(Terminal terminal, String unit) {
        this(terminal, unit, System::nanoTime);
    }

    ProgressMeter(Terminal terminal, String unit, LongSupplier nanoTime) {
        this.line = new LiveLine(terminal, nanoTime);
        this.unit = unit;
        this.nanoTime = nanoTime;
        this.start = nanoTime.getAsLong();
    }

    @Override
    public void at(long done, long total) {
        if (done == 0 || !line.isDue()) {
            return;
        }
        double perSecond = done / seconds();
        String left = duration((total - done) / perSecond);
        line.show("%d of %d %s (%d%%), %s/s, %s left"
                .formatted(done, total, unit, 100 * done / total, rate(perSecond), left));
    }

    private static String rate(double perSecond) {
        return perSecond >= 100 ? "%.0f".formatted(perSecond) : "%.3g".formatted(perSecond);
    }

    /// @return hours, minutes and seconds, e.g. `1:02:03` or `0:07`
    static String duration(double seconds) {
        long whole = Math.round(seconds);
        return whole >= 3600
                ? "%d:%02d:%02d".formatted(whole / 3600, whole / 60 % 60, whole % 60)
                : "%d:%02d".formatted(whole / 60, whole % 60);
    }

    /// @return seconds since the meter was made
    double seconds() {
        return (nanoTime.getAsLong() - start) * 1e-9;
    }

    /// Leaves no half-written line behind.
    @Override
    public void close() {
        line.close();
    }
}
