package espalier.cli;

import java.util.function.LongSupplier;

/// A line about long work: on a terminal one that is overwritten, else a new one every few seconds.
final class LiveLine implements AutoCloseable {
    private static final double INTERACTIVE_SECONDS = 0.1;
    private static final double PLAIN_SECONDS = 5;
    private static final String ERASE_LINE = "\r\u001b[K";
    /// A line that is wider than the terminal is cut, not wrapped: only the last part of a wrapped one could be erased.
    private static final String NO_WRAP = "\u001b[?7l";
    private static final String WRAP = "\u001b[?7h";

    private final Terminal terminal;
    private final LongSupplier nanoTime;
    private long lastShown;
    private boolean lineOpen;

    LiveLine(Terminal terminal, LongSupplier nanoTime) {
        this.terminal = terminal;
        this.nanoTime = nanoTime;
        this.lastShown = nanoTime.getAsLong();
    }

    /// @return whether the last line is old enough for another one
    boolean isDue() {
        double interval = terminal.interactive() ? INTERACTIVE_SECONDS : PLAIN_SECONDS;
        return (nanoTime.getAsLong() - lastShown) * 1e-9 >= interval;
    }

    void show(String text) {
        lastShown = nanoTime.getAsLong();
        if (terminal.interactive()) {
            terminal.err().print(ERASE_LINE + NO_WRAP + text + WRAP);
            terminal.err().flush();
            lineOpen = true;
        } else {
            terminal.err().println(text);
        }
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
