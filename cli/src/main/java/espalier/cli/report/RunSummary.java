package espalier.cli.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.cli.report.Section.Column;
import espalier.cli.report.Section.Figure;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;

/// What the pages of all runs say the same way: how it went in numbers, what must not be overlooked, before and after.
final class RunSummary {
    /// Key of a result.
    static final String NOTICES = "notices";

    private static final String REMOVED = "prunable_removed";
    private static final String ABSENT = "–";

    private RunSummary() {}

    /// @param result `steps`, `tokens`, `seconds`, `tokens_per_second`; optional `validation_loss`,
    ///     `initial_validation_loss`, `best_step`, `loss`, `peak_bytes`
    static List<Figure> figures(Fields result) {
        List<Figure> figures = new ArrayList<>();
        result.optional("validation_loss").ifPresent(loss -> {
            String from = result.has("initial_validation_loss")
                    ? "from " + loss(result.number("initial_validation_loss")) : "";
            String best = result.has("best_step") ? "best at step " + Numbers.whole(result.whole("best_step")) : "";
            figures.add(new Figure("Validation loss", loss(loss),
                    from + (from.isEmpty() || best.isEmpty() ? "" : ", ") + best));
        });
        result.optional("loss").ifPresent(loss -> figures.add(new Figure("Training loss", loss(loss), "last step")));
        figures.add(new Figure("Steps", Numbers.whole(result.whole("steps")), ""));
        figures.add(new Figure("Tokens", Numbers.whole(result.whole("tokens")), ""));
        figures.add(new Figure("Time", Numbers.duration(result.number("seconds")),
                Numbers.fixed(result.number("tokens_per_second"), 0) + " tokens/s"));
        if (result.has("peak_bytes")) {
            figures.add(new Figure("Peak memory", Numbers.bytes(result.whole("peak_bytes")), ""));
        }
        return figures;
    }

    private static String loss(double loss) {
        return Numbers.significant(loss, 4);
    }

    /// @param result optional `skipped_steps`, `skipped_rows`, `notices` (texts)
    /// @param changes see [Run]
    /// @return a section, or none if there is nothing to say
    static List<Section> notices(Fields result, List<ObjectNode> changes) {
        List<String> lines = new ArrayList<>();
        for (JsonNode notice : result.node().path(NOTICES)) {
            lines.add(sentence(notice.asText()));
        }
        long steps = result.has("skipped_steps") ? result.whole("skipped_steps") : 0;
        long rows = result.has("skipped_rows") ? result.whole("skipped_rows") : 0;
        if (steps > 0) {
            lines.add(counted(steps, "step was", "steps were")
                    + " not applied because the loss or a gradient was not finite.");
        }
        if (rows > 0) {
            lines.add(counted(rows, "row was", "rows were") + " left out because no label was within the length.");
        }
        for (ObjectNode change : changes) {
            lines.add(notice(change));
        }
        return lines.isEmpty() ? List.of() : List.of(new Section.Notices(lines));
    }

    private static String sentence(String notice) {
        return notice.substring(0, 1).toUpperCase(Locale.ROOT) + notice.substring(1) + ".";
    }

    private static String notice(ObjectNode change) {
        List<String> differences = new ArrayList<>();
        for (JsonNode difference : change.path("differences")) {
            differences.add("%s is %s, was %s".formatted(
                    difference.path("path").asText(), difference.path("is").asText(), difference.path("was").asText()));
        }
        return "After step " + Numbers.whole(change.path("step").asLong()) + " the run went on with other settings: "
                + String.join("; ", differences) + ".";
    }

    private static String counted(long count, String one, String many) {
        return Numbers.whole(count) + " " + (count == 1 ? one : many);
    }

    /// @param stages rows: `stage`, `parameters`, optional `prunable_removed`, `perplexity`, `seconds`
    /// @return a section, or none without a row
    static List<Section> beforeAndAfter(List<ObjectNode> stages) {
        if (stages.isEmpty()) {
            return List.of();
        }
        Fields before = new Fields("stage 1", stages.getFirst());
        boolean isPruned = stages.stream().anyMatch(stage -> stage.has(REMOVED));
        List<Column> columns = new ArrayList<>();
        columns.add(new Column("stage", false));
        columns.add(new Column("parameters", true));
        columns.add(new Column("of " + before.text("stage"), true));
        if (isPruned) {
            columns.add(new Column("prunable removed", true));
        }
        columns.add(new Column("perplexity", true));
        columns.add(new Column("seconds", true));
        List<List<String>> rows = new ArrayList<>();
        double first = before.whole("parameters");
        for (int i = 0; i < stages.size(); i++) {
            Fields stage = new Fields("stage " + (i + 1), stages.get(i));
            long parameters = stage.whole("parameters");
            List<String> row = new ArrayList<>();
            row.add(stage.text("stage"));
            row.add(Numbers.whole(parameters));
            row.add(first > 0 ? Numbers.percent(parameters / first) : ABSENT);
            if (isPruned) {
                OptionalDouble removed = stage.optional(REMOVED);
                row.add(removed.isPresent() ? Numbers.percent(removed.getAsDouble()) : ABSENT);
            }
            row.add(cell(stage.optional("perplexity"), 2));
            row.add(cell(stage.optional("seconds"), 1));
            rows.add(row);
        }
        return List.of(new Section.Table("Before and after", columns, rows));
    }

    private static String cell(OptionalDouble value, int decimals) {
        return value.isPresent() ? Numbers.fixed(value.getAsDouble(), decimals) : ABSENT;
    }
}
