package espalier.engine.weights;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// Temporary files and folders that are being written. If a signal ends the process meanwhile, they are deleted; only a
/// process that is killed without notice leaves them.
final class Unfinished {
    private static final Set<Path> PATHS = ConcurrentHashMap.newKeySet();

    private Unfinished() {}

    static void begin(Path temporary) {
        Shutdown.install();
        PATHS.add(temporary);
    }

    static void end(Path temporary) {
        PATHS.remove(temporary);
    }

    /// For the end of the process, after all work was given time to finish.
    static void deleteAll() {
        for (Path path : PATHS) {
            try {
                DurableFiles.deleteTree(path);
            } catch (IOException e) {
                System.getLogger(Unfinished.class.getName()).log(Level.WARNING, "could not delete " + path, e);
            }
        }
    }
}
