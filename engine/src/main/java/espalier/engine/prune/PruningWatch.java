package espalier.engine.prune;

import espalier.engine.Progress;
import java.util.List;

/// Told how a pruning goes, from the thread that runs it.
public interface PruningWatch {
    /// Tells nobody.
    PruningWatch NONE = new PruningWatch() {};

    /// The weights are about to be checked.
    ///
    /// @return told of bytes
    default Progress checking() {
        return Progress.NONE;
    }

    /// Units are about to be scored. Not called by a method that scores nothing.
    ///
    /// @return told of layers, all steps together
    default Progress scoring() {
        return Progress.NONE;
    }

    /// What stays is decided; cutting, proving and writing follow.
    ///
    /// @param notices what a user should hear
    default void chosen(List<Notice> notices) {}
}
