package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/// Stages of a job that were measured, for people.
final class StageTable {
    /// Share of the prunable parameters that are gone, of a result and of each stage.
    static final String REMOVED = "prunable_removed";

    private StageTable() {}

    /// @param stages from [EvalOptions.Text#measure]
    /// @return a line for the head and for each stage; nothing for none
    static String render(List<ObjectNode> stages) {
        if (stages.isEmpty()) {
            return "";
        }
        StringBuilder text =
                new StringBuilder("%-10s %14s %12s %9s%n".formatted("stage", "parameters", "perplexity", "seconds"));
        for (ObjectNode row : stages) {
            text.append("%-10s %,14d %12.4f %9.1f%n".formatted(
                    row.get("stage").textValue(),
                    row.get("parameters").longValue(),
                    row.get("perplexity").doubleValue(),
                    row.get("seconds").doubleValue()));
        }
        return text.toString();
    }
}
