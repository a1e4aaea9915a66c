package espalier.kernels.vector;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import javax.management.JMException;
import javax.management.ObjectName;

/// Keeps the virtual machine's first compiler (C1) away from the largest kernels, the tiles of a matrix product.
///
/// A large Vector API method that C1 compiles first can stay there for ever, a hundred times slower than what C2 makes
/// of it. The process therefore adds a compiler directive to itself, which needs no command-line flag but takes the
/// management classes a fifth of a second to load: a thread does it while models are read, and the tiles' classes wait
/// for it, since nothing of a class is compiled before it is initialised. The other kernels are small enough for C1,
/// whose code they need in the first second.
final class CompilerDirectives {
    /// The classes of the tiles; nothing else is touched.
    static final String DIRECTIVE = """
            [{
                match: [
                    "espalier/kernels/vector/GemmShortTiles.*",
                    "espalier/kernels/vector/GemmMiddleTiles.*",
                    "espalier/kernels/vector/GemmTallTiles.*"
                ],
                c1: { Exclude: true }
            }]
            """;

    private static final FutureTask<Boolean> INSTALLATION = new FutureTask<>(CompilerDirectives::add);

    private CompilerDirectives() {}

    /// Begins to add the directive, without waiting; further calls do nothing. [Lanes] calls it before any kernel runs.
    static void begin() {
        Thread.ofPlatform().daemon().name("espalier-compiler-directives").start(INSTALLATION);
    }

    /// Waits for the directive.
    ///
    /// @return whether the virtual machine took it; the reason for a refusal is logged at DEBUG
    static boolean installed() {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return INSTALLATION.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    throw new IllegalStateException("adding a compiler directive failed", e.getCause());
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
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
                log.log(Level.DEBUG, "tiles of matrix products are compiled by C2 only: {0}", answer);
                return String.valueOf(answer).contains("directives added");
            } finally {
                Files.delete(file);
            }
        } catch (IOException | JMException | RuntimeException e) {
            log.log(
                    Level.DEBUG,
                    "tiles of matrix products may be compiled by C1, since no compiler directive could be added",
                    e);
            return false;
        }
    }
}
