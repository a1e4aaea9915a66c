package espalier.engine.prune;

import espalier.engine.model.ModelSize;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// A model that was pruned and written.
///
/// @param folder of the smaller model
/// @param before size of the model it was made of
/// @param after its own size
/// @param plan what stayed
/// @param notices what a user should hear about the choice
/// @param reached the group ratio and what it removes in one step; empty for a method without a ratio
/// @param loss mean cross-entropy of the last step's calibration samples; NaN where none was computed
/// @param written how it was proved
public record Pruned(
        Path folder,
        ModelSize before,
        ModelSize after,
        PruningPlan plan,
        List<Notice> notices,
        Optional<TargetSearch.Reached> reached,
        double loss,
        Compaction.Written written) {
    /// Copies the list.
    public Pruned {
        notices = List.copyOf(notices);
    }

    /// @return share of the prunable parameters that is gone
    public double prunableRemoved() {
        return before.prunableRemoved(after);
    }

    /// @return share of all parameters that is gone
    public double totalRemoved() {
        return before.totalRemoved(after);
    }
}
