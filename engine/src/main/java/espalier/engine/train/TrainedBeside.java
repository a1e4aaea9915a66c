package espalier.engine.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.List;
import java.util.Map;

/// What a run trains or keeps beside the parameters of its optimiser, such as gates, their multipliers and snapshots.
/// A [Trainer] calls it once a step, after the gradients of all micro-batches were added.
public interface TrainedBeside {
    /// Nothing.
    TrainedBeside NONE = new TrainedBeside() {};

    /// @param step steps of the run done before
    /// @return what is added to the loss of the step; not finite if a gradient of these is not, and the step is skipped
    default double penalty(long step) {
        return 0;
    }

    /// Steps what is trained. The optimiser's parameters are still those of the step's forward.
    ///
    /// @param step steps of the run done before
    /// @throws IOException if something cannot be written
    default void step(long step) throws IOException {}

    /// @param metrics of the step, gets what is to be said of these
    default void describe(ObjectNode metrics) {}

    /// @return the same for people, short; empty if there is nothing to say
    default String inWords() {
        return "";
    }

    /// @param values scalars of a [RunState], added to
    /// @param tensors of it, added to
    default void addTo(Map<String, String> values, List<RunState.Values> tensors) {}

    /// @param state from [#addTo]
    /// @throws IllegalArgumentException naming what the state lacks
    default void restore(RunState state) {}

    /// @return whether a run results in the parameters that predict held-out sequences best; else in the last ones
    default boolean resultsInBest() {
        return true;
    }
}
