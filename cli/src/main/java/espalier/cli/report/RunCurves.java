package espalier.cli.report;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.cli.report.Section.Band;
import espalier.cli.report.Section.Chart;
import espalier.cli.report.Section.Column;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/// The metrics of a run as curves over its steps.
///
/// @param all every line
/// @param steps the lines of steps
/// @param bands parts of the run, marked in every chart of it
record RunCurves(List<Fields> all, List<Fields> steps, List<Band> bands) {
    /// From this ratio between the largest and the smallest value on, a chart gets a logarithmic axis.
    private static final double WIDE = 50;
    private static final String LEARNING_RATE = "learning_rate";
    /// Fewer steps than this are shown without a smoothed curve.
    private static final int SMOOTHED_FROM = 20;

    static RunCurves of(List<ObjectNode> metrics) {
        List<Fields> all = IntStream.range(0, metrics.size())
                .mapToObj(i -> new Fields("metrics line " + (i + 1), metrics.get(i))).toList();
        return new RunCurves(all, all.stream().filter(line -> !isBesideSteps(line)).toList(), List.of());
    }

    /// A line of a validation or a sample alone.
    private static boolean isBesideSteps(Fields line) {
        return (line.node().has("validation_loss") || line.node().has("sample"))
                && !line.node().has("loss") && !line.node().has(LEARNING_RATE);
    }

    RunCurves marked(List<Band> bands) {
        return new RunCurves(all, steps, bands);
    }

    /// @return the same run with only those steps that are asked for
    RunCurves where(Predicate<Fields> wanted) {
        return new RunCurves(all, steps.stream().filter(wanted).toList(), bands);
    }

    /// @return the steps' numbers
    double[] numbers() {
        return steps.stream().mapToDouble(line -> line.whole("step")).toArray();
    }

    /// @return a value of each step
    double[] values(String key) {
        return steps.stream().mapToDouble(line -> line.number(key)).toArray();
    }

    /// @return a value of each step; NaN where a skipped step has none
    double[] measured(String key) {
        return steps.stream().mapToDouble(line -> line.node().path("skipped").asBoolean()
                ? line.optional(key).orElse(Double.NaN) : line.number(key)).toArray();
    }

    Series line(String name, String key) {
        return new Series(name, numbers(), values(key));
    }

    /// @return the values of steps, and where there are many a smoothed curve before them
    List<Series> smoothed(String name, String key) {
        double[] numbers = numbers();
        double[] values = measured(key);
        return numbers.length < SMOOTHED_FROM ? List.of(new Series(name, numbers, values)) : List.of(
                new Series(name + " of a step", numbers, values, Series.Mark.FAINT),
                new Series(name + ", smoothed", numbers, smoothed(values)));
    }

    /// @param initial loss before the first step
    Series validation(OptionalDouble initial) {
        List<double[]> points = new ArrayList<>();
        if (initial.isPresent() && all.getFirst().whole("step") > 0) {
            points.add(new double[] {0, initial.getAsDouble()});
        }
        for (Fields line : all) {
            line.optional("validation_loss")
                    .ifPresent(loss -> points.add(new double[] {line.whole("step"), loss}));
        }
        return new Series("validation loss", points.stream().mapToDouble(p -> p[0]).toArray(),
                points.stream().mapToDouble(p -> p[1]).toArray(), Series.Mark.POINTS);
    }

    /// @return over steps, with a logarithmic axis where the values of a step, all positive, are far apart
    Chart chart(String caption, String yLabel, List<Series> series) {
        boolean log = isWide(series.stream().filter(s -> s.mark() != Series.Mark.POINTS)
                .flatMapToDouble(s -> Arrays.stream(s.y())).toArray());
        return new Chart(caption, "step", yLabel, log, series, bands);
    }

    /// @return over steps, with a linear axis
    Chart linear(String caption, String yLabel, List<Series> series) {
        return new Chart(caption, "step", yLabel, false, series, bands);
    }

    /// @return a section, or none where masks are trained alone: what steps them has rates of its own
    List<Section> learningRate() {
        return steps.stream().noneMatch(line -> line.has(LEARNING_RATE))
                ? List.of()
                : List.of(linear("Learning rate", "", List.of(line("learning rate", LEARNING_RATE))));
    }

    Chart gradientNorm() {
        return chart("Gradient norm", "norm before clipping",
                List.of(new Series("gradient norm", numbers(), measured("gradient_norm"))));
    }

    Chart speed() {
        return linear("Speed", "tokens per second",
                List.of(new Series("tokens per second", numbers(), measured("tokens_per_second"))));
    }

    /// @return a section of what was written on the way, or none
    List<Section> samples() {
        List<List<String>> rows = all.stream()
                .filter(line -> line.node().has("sample"))
                .map(line -> List.of(Numbers.whole(line.whole("step")), line.text("sample")))
                .toList();
        return rows.isEmpty() ? List.of() : List.of(new Section.Table(
                "What it wrote on the way", List.of(new Column("step", true), new Column("text", false)), rows));
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
