package espalier.cli;

/// The program gave a wrong argument to itself, after all input was found good.
final class DefectException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /// @param cause says what was wrong, and where
    DefectException(IllegalArgumentException cause) {
        super(cause.getMessage(), cause);
    }
}
