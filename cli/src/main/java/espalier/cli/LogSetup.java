package espalier.cli;

import java.io.PrintStream;
import java.util.Locale;
import java.util.logging.Formatter;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/// The one place that decides how logs look: a line each on standard error, messages of all libraries alike.
final class LogSetup {
    /// Held, as JUL forgets levels of loggers that nobody refers to.
    private static final Logger OURS = Logger.getLogger("espalier");

    private LogSetup() {}

    /// @param err receives the lines
    /// @param debug also shows details and causes
    static void install(PrintStream err, boolean debug) {
        Logger root = Logger.getLogger("");
        for (Handler handler : root.getHandlers()) {
            root.removeHandler(handler);
        }
        root.addHandler(new LineHandler(err, debug));
        OURS.setLevel(debug ? Level.FINE : Level.INFO);
    }

    private static final class LineHandler extends Handler {
        private final PrintStream err;
        private final boolean debug;
        private final Formatter formatter = new LineFormatter();

        LineHandler(PrintStream err, boolean debug) {
            this.err = err;
            this.debug = debug;
            setLevel(Level.ALL);
        }

        @Override
        public void publish(LogRecord record) {
            if (isLoggable(record)) {
                err.println(formatter.format(record));
                if (debug && record.getThrown() != null) {
                    record.getThrown().printStackTrace(err);
                }
            }
        }

        @Override
        public void flush() {
            err.flush();
        }

        @Override
        public void close() {
            flush();
        }
    }

    private static final class LineFormatter extends Formatter {
        @Override
        public String format(LogRecord record) {
            String message = formatMessage(record).strip().replaceAll("\\R", " ");
            return record.getLevel().intValue() < Level.WARNING.intValue()
                    ? message
                    : record.getLevel().getName().toLowerCase(Locale.ROOT) + ": " + message;
        }
    }
}
