package espalier.engine.weights;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// A new folder for files of this process alone. It is deleted with all that is in it when it is closed, or when a
/// signal ends the process before; only a process that is killed without notice leaves it.
public final class TemporaryFolder implements AutoCloseable {
    private final Path path;

    private TemporaryFolder(Path path) {
        this.path = path;
    }

    /// @param around an existing folder, as a rule that of the system's temporary files
    /// @param prefix of its name, which tells who made it
    /// @return to be closed after whatever has files in it open
    /// @throws CannotWriteException naming the folder around it, if it cannot be made
    public static TemporaryFolder create(Path around, String prefix) throws CannotWriteException {
        try {
            Path path = Files.createTempDirectory(around, prefix);
            try {
                Unfinished.OF_PROCESS.begin(path);
            } catch (IOException e) {
                DurableFiles.deleteAfter(e, path);
                throw e;
            }
            return new TemporaryFolder(path);
        } catch (IOException e) {
            throw DurableFiles.cannotWrite(around, e);
        }
    }

    /// @return the folder
    public Path path() {
        return path;
    }

    /// @throws IOException if something in it cannot be deleted
    @Override
    public void close() throws IOException {
        try {
            DurableFiles.deleteTree(path);
        } finally {
            Unfinished.OF_PROCESS.end(path);
        }
    }
}
