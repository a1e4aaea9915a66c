package espalier.kernels.vector;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.management.JMException;
import javax.management.ObjectName;

/// Keeps the virtual machine's first compiler (C1) away from the vector kernels.
///
/// A large Vector API method that C1 compiles first can stay there for ever, a hundred times slower than what C2 makes
/// of it. The process therefore adds a compiler directive to itself, which needs no command-line flag.
final class CompilerDirectives {
    /// Classes of this package; nothing else is touched.
    static final String DIRECTIVE = "[{match: [\"espalier/kernels/vector/*.*\"], c1: {Exclude: true}}]\n";

    private static final boolean INSTALLED = add();

    private CompilerDirectives() {}

    /// Adds the directive; further calls do nothing. [Lanes] calls it before any kernel has run.
    ///
    /// @return whether the virtual machine took the directive; the reason for a refusal is logged at DEBUG
    static boolean install() {
        return INSTALLED;
    }

    private static boolean add() {
        System.Logger log = System.getLogger(CompilerDirectives.class.getName());
        try {
            Path file = Files.createTempFile("espalier-directives", ".json");
            try {
                Files.writeString(file, DIRECTIVE);
                Object answer = ManagementFactory.getPlatformMBeanServer().invoke(
                        new ObjectName("com.sun.management:type=DiagnosticCommand"),
                        "compilerDirectivesAdd",
                        new Object[] {new String[] {file.toString()}},
                        new String[] {String[].class.getName()});
                log.log(Level.DEBUG, "vector kernels are compiled by C2 only: {0}", answer);
                return String.valueOf(answer).contains("directives added");
            } finally {
                Files.delete(file);
            }
        } catch (IOException | JMException | RuntimeException e) {
            log.log(Level.DEBUG, "vector kernels may be compiled by C1, since no compiler directive could be added", e);
            return false;
        }
    }
}
