package espalier.engine.weights;

import java.io.IOException;

/// A file or folder could not be written: the disk is full, the folder is read-only, a source failed. The input of the
/// work was good, so the same command may do once the reason is gone.
public final class CannotWriteException extends IOException {
    private static final long serialVersionUID = 1L;

    /// @param message the whole message, naming what cannot be written
    public CannotWriteException(String message) {
        super(message);
    }

    /// @param message the whole message, naming the file and the reason
    /// @param cause what was caught
    public CannotWriteException(String message, IOException cause) {
        super(message, cause);
    }
}
