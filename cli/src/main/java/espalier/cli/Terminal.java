package espalier.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/// Where a command writes to.
///
/// @param out results, and nothing else; UTF-8 whatever the locale
/// @param err logs, progress and errors
/// @param interactive whether a person sees `err`, so that progress may overwrite its own line
record Terminal(PrintStream out, PrintStream err, boolean interactive) {
    /// @return the streams of this process
    static Terminal ofProcess() {
        return new Terminal(
                new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8),
                new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8),
                isTerminal(2) && !"dumb".equals(System.getenv("TERM")));
    }

    /// The JDK only tells whether standard input and output are a terminal, so Linux is asked directly.
    private static boolean isTerminal(int descriptor) {
        Path link = Path.of("/proc/self/fd", String.valueOf(descriptor));
        if (Files.isSymbolicLink(link)) {
            try {
                String target = Files.readSymbolicLink(link).toString();
                return target.startsWith("/dev/pts/") || target.startsWith("/dev/tty") || target.equals("/dev/console");
            } catch (IOException e) {
                return false;
            }
        }
        return System.console() != null && System.console().isTerminal();
    }
}
