package espalier.cli.report;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Objects;

/// What a run directory holds, for a [Report]. Which keys there must be is said by the report that is made of it.
///
/// @param configuration the resolved settings, shown as they are; inner objects as `outer.inner`
/// @param changes where the run went on with other settings: `step` done before, and `differences`, each with `path`,
///     `was`, `is`
/// @param metrics steps rising: an object a step, and objects beside steps
/// @param result what came out, shown as it is
public record Run(
        ObjectNode configuration, List<ObjectNode> changes, List<ObjectNode> metrics, ObjectNode result) {
    /// @throws NullPointerException if anything is null
    public Run {
        Objects.requireNonNull(configuration, "configuration");
        changes = List.copyOf(changes);
        metrics = List.copyOf(metrics);
        Objects.requireNonNull(result, "result");
    }
}
