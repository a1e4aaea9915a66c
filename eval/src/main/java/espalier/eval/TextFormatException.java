package espalier.eval;

import java.io.IOException;

/// A text file whose content cannot be used. The message names file, line and what is wrong.
public final class TextFormatException extends IOException {
    private static final long serialVersionUID = 1L;

    /// @param message names file, line and what is wrong
    public TextFormatException(String message) {
        super(message);
    }

    /// @param message names file, line and what is wrong
    /// @param cause what found it
    public TextFormatException(String message, Throwable cause) {
        super(message, cause);
    }
}
