package espalier.engine.weights;

import java.nio.file.Path;

/// The content of a checkpoint breaks a rule, or does not fit what was asked of it.
///
/// The message stands alone: file, tensor or field, expected and actual.
public final class CheckpointException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /// @param message the whole message, ready to be shown to a user
    public CheckpointException(String message) {
        super(message);
    }

    /// @param message the whole message, ready to be shown to a user
    /// @param cause what was caught
    public CheckpointException(String message, Throwable cause) {
        super(message, cause);
    }

    static CheckpointException in(Path file, String message) {
        return new CheckpointException(file + ": " + message);
    }
}
