package espalier.engine.weights;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/// Temporary files and folders that are being written. If a signal ends the process meanwhile, they are deleted; only a
/// process that is killed without notice leaves them.
///
/// One lock is held while something gets its final name and while the deletion is announced, so that what is published
/// is complete, and nothing that is being deleted is published.
final class Unfinished {
    /// Everything that this process writes.
    static final Unfinished OF_PROCESS = new Unfinished();

    private final Set<Path> paths = new LinkedHashSet<>();
    private boolean isOver;

    /// Renames what is complete to its final name.
    @FunctionalInterface
    interface Publication {
        void publish() throws IOException;
    }

    /// @throws IOException if the deletion has begun
    synchronized void begin(Path temporary) throws IOException {
        Shutdown.install();
        requireNotOver();
        paths.add(temporary);
    }

    /// @param publication is done whole, or not begun
    /// @throws IOException if the deletion has begun, or what the publication throws
    synchronized void publish(Publication publication) throws IOException {
        requireNotOver();
        publication.publish();
    }

    synchronized void end(Path temporary) {
        paths.remove(temporary);
    }

    private void requireNotOver() throws IOException {
        if (isOver) {
            throw new IOException("the process is ending");
        }
    }

    /// Waits for what is being published; from then on nothing is.
    ///
    /// @return what is to be deleted
    synchronized List<Path> stop() {
        isOver = true;
        return List.copyOf(paths);
    }

    /// For the end of the process, after all work was given time to finish.
    void deleteAll() {
        for (Path path : stop()) {
            try {
                DurableFiles.deleteTree(path);
            } catch (IOException e) {
                System.getLogger(Unfinished.class.getName()).log(Level.WARNING, "could not delete " + path, e);
            }
        }
    }
}
