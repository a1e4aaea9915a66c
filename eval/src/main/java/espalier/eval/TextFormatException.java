package espalier.eval;

import java.io.IOException;

/// A text file whose content cannot be used. The message names file, line and what is wrong.
public final class TextFormatException extends IOException {
    private static final long serialVersionUID = 1L;

    TextFormatException(String message) {
        super(message);
    }

    TextFormatException(String message, Throwable cause) {
        super(message, cause);
    }
}
