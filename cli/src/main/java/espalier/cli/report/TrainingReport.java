package espalier.cli.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.cli.report.Section.Chart;
import espalier.cli.report.Section.Column;
import espalier.cli.report.Section.Figure;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.IntStream;

/// The [Report] of a training run, from what its run directory holds.
public final class TrainingReport {
    /// From this ratio between the largest and the smallest value on, a chart gets a logarithmic axis.
    private static final double WIDE = 50;
    /// Fewer steps than this are shown without a smoothed curve.
    private static final int SMOOTHED_FROM = 20;

    private TrainingReport() {}

    /// @param title heading of the page
    /// @param configuration the resolved settings, shown as they are; inner objects as `outer.inner`
    /// @param changes where a run went on with other settings: `step` done before, and `differences`, each with `path`,
    ///     `was`, `is`
    /// @param metrics steps rising: an object a step with `step`, `loss`, `learning_rate`, `gradient_norm`,
    ///     `tokens_per_second`, and `skipped: true` for a step that was not applied (its loss and gradient norm may then
    ///     be missing, null or not finite, and leave a gap); where measured `validation_loss`, in that object or in one of
    ///     its own with `step`; where it was made `sample`, a text, likewise
    /// @param result `steps`, `tokens`, `seconds`, `tokens_per_second`; optional `loss`, `validation_loss`,
    ///     `best_step`, `initial_validation_loss`, `skipped_steps`, `skipped_rows`, `peak_bytes`; all of it is shown
    /// @param stages rows of the table before/after, or none: `stage`, `parameters`, optional `perplexity`, `seconds`
    /// @throws IllegalArgumentException naming the line and the key where something is missing or no number
    public static Report of(
            String title, ObjectNode configuration, List<ObjectNode> changes, List<ObjectNode> metrics,
            ObjectNode result, List<ObjectNode> stages) {
        List<Fields> lines = IntStream.range(0, metrics.size())
                .mapToObj(i -> new Fields("metrics line " + (i + 1), metrics.get(i))).toList();
        Fields results = new Fields("result", result);
        List<Section> sections = new ArrayList<>();
        sections.add(new Section.Figures(figures(results)));
        List<String> notices = notices(results);
        for (ObjectNode change : changes) {
            notices.add(notice(change));
        }
        if (!notices.isEmpty()) {
            sections.add(new Section.Notices(notices));
        }
        if (!stages.isEmpty()) {
            sections.add(stageTable(stages));
        }
        if (!lines.isEmpty()) {
            sections.addAll(charts(lines, results.optional("initial_validation_loss")));
        }
        List<List<String>> samples = samples(lines);
        if (!samples.isEmpty()) {
            sections.add(new Section.Table(
                    "What it wrote on the way", List.of(new Column("step", true), new Column("text", false)), samples));
        }
        sections.add(new Section.Settings("Result", results.flat()));
        sections.add(new Section.Settings("Settings", new Fields("configuration", configuration).flat()));
        return new Report(title, sections);
    }

    private static List<Figure> figures(Fields result) {
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

    private static List<String> notices(Fields result) {
        List<String> lines = new ArrayList<>();
        long steps = result.has("skipped_steps") ? result.whole("skipped_steps") : 0;
        long rows = result.has("skipped_rows") ? result.whole("skipped_rows") : 0;
        if (steps > 0) {
            lines.add(counted(steps, "step was", "steps were")
                    + " not applied because the loss or a gradient was not finite.");
        }
        if (rows > 0) {
            lines.add(counted(rows, "row was", "rows were") + " left out because no label was within the length.");
        }
        return lines;
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

    private static Section.Table stageTable(List<ObjectNode> stages) {
        List<List<String>> rows = new ArrayList<>();
        Fields before = new Fields("stage 1", stages.getFirst());
        double first = before.whole("parameters");
        for (int i = 0; i < stages.size(); i++) {
            Fields stage = new Fields("stage " + (i + 1), stages.get(i));
            long parameters = stage.whole("parameters");
            rows.add(List.of(stage.text("stage"), Numbers.whole(parameters),
                    first > 0 ? Numbers.fixed(100 * parameters / first, 1) + " %" : "–",
                    cell(stage.optional("perplexity"), 2), cell(stage.optional("seconds"), 1)));
        }
        return new Section.Table("Before and after", List.of(
                new Column("stage", false), new Column("parameters", true),
                new Column("of " + before.text("stage"), true), new Column("perplexity", true),
                new Column("seconds", true)), rows);
    }

    private static String cell(OptionalDouble value, int decimals) {
        return value.isPresent() ? Numbers.fixed(value.getAsDouble(), decimals) : "–";
    }

    private static List<Chart> charts(List<Fields> all, OptionalDouble initialValidation) {
        List<Fields> lines = all.stream().filter(line -> !isBesideSteps(line)).toList();
        double[] steps = lines.stream().mapToDouble(line -> line.whole("step")).toArray();
        double[] losses = measured(lines, "loss");
        List<Series> loss = new ArrayList<>();
        if (steps.length >= SMOOTHED_FROM) {
            loss.add(new Series("training loss of a step", steps, losses, Series.Mark.FAINT));
            loss.add(new Series("training loss, smoothed", steps, smoothed(losses), Series.Mark.LINE));
        } else {
            loss.add(new Series("training loss", steps, losses));
        }
        Series validation = validation(all, initialValidation);
        if (validation.size() > 0) {
            loss.add(validation);
        }
        double[] norms = measured(lines, "gradient_norm");
        double[] speeds = measured(lines, "tokens_per_second");
        double[] rates = lines.stream().mapToDouble(line -> line.number("learning_rate")).toArray();
        return List.of(
                new Chart("Loss", "step", "loss (nats per token)", isWide(losses), loss),
                new Chart("Learning rate", "step", "", false,
                        List.of(new Series("learning rate", steps, rates))),
                new Chart("Gradient norm", "step", "norm before clipping", isWide(norms),
                        List.of(new Series("gradient norm", steps, norms))),
                new Chart("Speed", "step", "tokens per second", false,
                        List.of(new Series("tokens per second", steps, speeds))));
    }

    /// A line of a validation or a sample alone.
    private static boolean isBesideSteps(Fields line) {
        return (line.node().has("validation_loss") || line.node().has("sample")) && !line.node().has("loss");
    }

    private static List<List<String>> samples(List<Fields> lines) {
        return lines.stream()
                .filter(line -> line.node().has("sample"))
                .map(line -> List.of(Numbers.whole(line.whole("step")), line.text("sample")))
                .toList();
    }

    /// A value of each step; NaN where a skipped step has none.
    private static double[] measured(List<Fields> lines, String key) {
        return lines.stream().mapToDouble(line -> line.node().path("skipped").asBoolean()
                ? line.optional(key).orElse(Double.NaN) : line.number(key)).toArray();
    }

    private static Series validation(List<Fields> lines, OptionalDouble initial) {
        List<double[]> points = new ArrayList<>();
        if (initial.isPresent() && lines.getFirst().whole("step") > 0) {
            points.add(new double[] {0, initial.getAsDouble()});
        }
        for (Fields line : lines) {
            line.optional("validation_loss")
                    .ifPresent(loss -> points.add(new double[] {line.whole("step"), loss}));
        }
        return new Series("validation loss", points.stream().mapToDouble(p -> p[0]).toArray(),
                points.stream().mapToDouble(p -> p[1]).toArray(), Series.Mark.POINTS);
    }

    private static boolean isWide(double[] values) {
        double[] finite = Arrays.stream(values).filter(Double::isFinite).toArray();
        double lowest = Arrays.stream(finite).min().orElse(1);
        return lowest > 0 && Arrays.stream(finite).max().orElse(1) > WIDE * lowest;
    }

    /// Exponential moving average over about a twentieth of the values (5 to 100 of them), divided by the sum of its
    /// weights so that the start is not pulled to zero. A value that is not finite stays a gap and is passed over.
    static double[] smoothed(double[] values) {
        double keep = 1 - 2 / (1 + Math.clamp(values.length / 20.0, 5, 100));
        double[] means = new double[values.length];
        double sum = 0;
        double weight = 0;
        for (int i = 0; i < values.length; i++) {
            if (Double.isFinite(values[i])) {
                sum = keep * sum + (1 - keep) * values[i];
                weight = keep * weight + (1 - keep);
                means[i] = sum / weight;
            } else {
                means[i] = Double.NaN;
            }
        }
        return means;
    }
}
