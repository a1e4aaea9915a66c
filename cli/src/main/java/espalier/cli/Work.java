package espalier.cli;

/// The part of a command that begins when everything that it was given is checked.
///
/// An [IllegalArgumentException] says that a caller gave a wrong argument. While a command checks its input, the wrong
/// thing came from the user: bad input. In here the caller is the program itself: a [DefectException]. What only the
/// work can find wrong with a file is a [espalier.engine.weights.CheckpointException] or an [java.io.IOException], and
/// stays that.
///
/// @param <T> what comes out
/// @param <E> what may go wrong
@FunctionalInterface
interface Work<T, E extends Exception> {
    /// Does it.
    T run() throws E;

    /// @return what came out
    /// @throws DefectException for an [IllegalArgumentException]
    static <T, E extends Exception> T of(Work<T, E> work) throws E {
        try {
            return work.run();
        } catch (IllegalArgumentException e) {
            throw new DefectException(e);
        }
    }
}
