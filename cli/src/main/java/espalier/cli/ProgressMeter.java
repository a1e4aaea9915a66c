package espalier.cli;

import espalier.engine.Progress;
import java.util.function.LongSupplier;

/// Shows how far a job is, how fast it runs and how long it will still take: on a terminal in one line that is
/// overwritten, elsewhere in a plain line every few seconds.
final class ProgressMeter implements Progress, AutoCloseable {
    private static final double INTERACTIVE_SECONDS = 0.1;
    private static final double PLAIN_SECONDS = 5;
    private static final String ERASE_LINE = "\r\u001b[K";

    private final Terminal terminal;
    private final String unit;
    private final LongSupplier nanoTime;
    private final long start;
    private long lastShown;
    private boolean lineOpen;

    /// @param terminal whose error stream is written to
    /// @param unit of work, plural, e.g. `windows`
    ProgressMeter(Terminal terminal, String unit) {
        this(terminal, unit, System::nanoTime);
    }

    ProgressMeter(Terminal terminal, String unit, LongSupplier nanoTime) {
        this.terminal = terminal;
        this.unit = unit;
        this.nanoTime = nanoTime;
        this.start = nanoTime.getAsLong();
        this.lastShown = start;
    }

    @Override
    public void at(long done, long total) {
        long now = nanoTime.getAsLong();
        double interval = terminal.interactive() ? INTERACTIVE_SECONDS : PLAIN_SECONDS;
        if (done == 0 || (now - lastShown) * 1e-9 < interval) {
            return;
        }
        lastShown = now;
        double perSecond = done / ((now - start) * 1e-9);
        String left = duration((total - done) / perSecond);
        String line = "%d of %d %s (%d%%), %s/s, %s left"
                .formatted(done, total, unit, 100 * done / total, rate(perSecond), left);
        if (terminal.interactive()) {
            terminal.err().print(ERASE_LINE + line);
            terminal.err().flush();
            lineOpen = true;
        } else {
            terminal.err().println(line);
        }
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
        if (lineOpen) {
            terminal.err().print(ERASE_LINE);
            terminal.err().flush();
            lineOpen = false;
        }
    }
}
