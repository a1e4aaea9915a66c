package espalier.engine.weights;

import java.nio.file.Path;

/// The content of a checkpoint breaks a rule, or does not fit what was asked of it.
///
/// The message stands alone: file, tensor or field, expected and actual. Names and values in it come from the file, so
/// control characters are shown as escapes and what is very long is cut: a message must not drive a terminal.
public final class CheckpointException extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private static final int MAX_LENGTH = 4000;

    /// @param message the whole message, ready to be shown to a user
    public CheckpointException(String message) {
        super(printable(message));
    }

    /// @param message the whole message, ready to be shown to a user
    /// @param cause what was caught
    public CheckpointException(String message, Throwable cause) {
        super(printable(message), cause);
    }

    static CheckpointException in(Path file, String message) {
        return new CheckpointException(file + ": " + message);
    }

    /// Escapes control characters, direction marks and halves of surrogate pairs.
    private static String printable(String text) {
        StringBuilder shown = new StringBuilder();
        text.codePoints().limit(MAX_LENGTH).forEach(c -> {
            int kind = Character.getType(c);
            if (kind == Character.CONTROL || kind == Character.FORMAT || kind == Character.SURROGATE) {
                shown.append(String.format("\\u%04x", c));
            } else {
                shown.appendCodePoint(c);
            }
        });
        return text.codePointCount(0, text.length()) > MAX_LENGTH ? shown + "…" : shown.toString();
    }
}
