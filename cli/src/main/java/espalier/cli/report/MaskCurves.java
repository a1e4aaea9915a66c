package espalier.cli.report;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.cli.report.Section.Band;
import espalier.cli.report.Section.Chart;
import espalier.cli.report.Section.Column;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.stream.IntStream;

/// What a run that trained masks shows step by step.
///
/// @param run all of its steps
/// @param masked the steps with masks
/// @param teachers whether snapshots of the student taught it
record MaskCurves(RunCurves run, RunCurves masked, boolean teachers) {
    private static final String ADAPTERS = "adapters";
    private static final Map<String, String> STAGES = Map.of(
            ADAPTERS, "adapters alone",
            "pruning", "pruning",
            "target", "at the target");
    /// Points of the curve through speeds at all sparsities.
    private static final int BINS = 25;
    private static final String EXPECTED = "expected_sparsity";

    /// @throws IllegalArgumentException at the first step of an unknown stage
    static MaskCurves of(List<ObjectNode> metrics, boolean teachers) {
        RunCurves plain = RunCurves.of(metrics);
        for (Fields line : plain.steps()) {
            if (!STAGES.containsKey(line.text("stage"))) {
                throw new IllegalArgumentException("%s: 'stage' is %s, expected adapters, pruning or target"
                        .formatted(line.place(), line.node().get("stage")));
            }
        }
        RunCurves run = plain.marked(runs(plain.steps()).stream()
                .map(lines -> new Band(lines.getFirst().text("stage"), lines.getFirst().whole("step") - 1,
                        lines.getLast().whole("step")))
                .toList());
        return new MaskCurves(run, run.where(line -> !line.text("stage").equals(ADAPTERS)), teachers);
    }

    /// @return neighbouring steps of one stage together
    private static List<List<Fields>> runs(List<Fields> steps) {
        List<List<Fields>> runs = new ArrayList<>();
        for (Fields line : steps) {
            if (runs.isEmpty() || !runs.getLast().getLast().text("stage").equals(line.text("stage"))) {
                runs.add(new ArrayList<>());
            }
            runs.getLast().add(line);
        }
        return runs;
    }

    /// @param initialValidation loss before the first step
    List<Section> sections(OptionalDouble initialValidation) {
        List<Section> sections = new ArrayList<>();
        if (run.steps().isEmpty()) {
            return sections;
        }
        boolean hasMasks = !masked.steps().isEmpty();
        if (hasMasks) {
            sections.add(sparsity());
            if (teachers) {
                sections.add(timeline());
            }
        }
        sections.add(run.chart("Loss", "weighted sum of the terms, without the penalty", run.smoothed("loss", "loss")));
        List<Series> terms = new ArrayList<>();
        terms.addAll(term("KL", "kl"));
        terms.addAll(term("layers", "layers"));
        terms.addAll(term("cross-entropy", "cross_entropy"));
        if (!terms.isEmpty()) {
            sections.add(run.chart("Terms of the loss", "before their weights", terms));
        }
        if (hasMasks) {
            sections.add(masked.linear("Penalty", "Lagrangian term",
                    List.of(new Series("penalty", masked.numbers(), masked.measured("penalty")))));
            sections.add(masked.linear("Multipliers", "",
                    List.of(masked.line("λ₁", "lambda1"), masked.line("λ₂", "lambda2"))));
        }
        Series validation = run.validation(initialValidation);
        if (validation.size() > 0) {
            sections.add(run.linear("Validation", "cross-entropy (nats per token)", List.of(validation)));
        }
        sections.addAll(run.learningRate());
        sections.add(run.gradientNorm());
        sections.add(run.speed());
        if (hasMasks) {
            sections.add(speedBySparsity());
        }
        sections.add(stages());
        sections.addAll(run.samples());
        return sections;
    }

    private Chart sparsity() {
        return masked.linear("Sparsity", "share of the prunable parameters", List.of(
                masked.line("expected of the gates", EXPECTED),
                masked.line("realised by the mask", "realised_sparsity"),
                new Series("wanted", masked.numbers(), masked.values("wanted_sparsity"), Series.Mark.DASHED)));
    }

    private Chart timeline() {
        double[] steps = masked.numbers();
        double[] student = masked.values(EXPECTED);
        double[] taken = masked.values("snapshots");
        int[] marks = IntStream.range(0, steps.length).filter(i -> taken[i] > (i == 0 ? 0 : taken[i - 1])).toArray();
        List<Series> series = new ArrayList<>();
        series.add(new Series("student", steps, student));
        series.add(masked.line("teacher", "teacher_sparsity"));
        if (marks.length > 0) {
            series.add(new Series("snapshot", Arrays.stream(marks).mapToDouble(i -> steps[i]).toArray(),
                    Arrays.stream(marks).mapToDouble(i -> student[i]).toArray(), Series.Mark.DOTS));
        }
        return masked.linear("Teachers", "expected sparsity; 0 is the intact model", series);
    }

    /// @return e.g. `the intact model taught 32.0 % of the steps`
    String shareOfIntactTeacher() {
        double[] teacher = masked.values("teacher");
        return teacher.length == 0 ? "" : "the intact model taught "
                + Numbers.percent((double) Arrays.stream(teacher).filter(t -> t < 0).count() / teacher.length)
                + " of the steps";
    }

    /// @return a term's curve, or none if no step has it: its weight is then zero
    private List<Series> term(String name, String key) {
        if (run.steps().stream().noneMatch(line -> line.has(key))) {
            return List.of();
        }
        return run.where(line -> line.node().has(key) || line.node().path("skipped").asBoolean()).smoothed(name, key);
    }

    private Chart speedBySparsity() {
        double[] sparsity = masked.values(EXPECTED);
        double[] speed = masked.measured("tokens_per_second");
        int[] order = IntStream.range(0, speed.length)
                .filter(i -> Double.isFinite(sparsity[i]) && Double.isFinite(speed[i])).boxed()
                .sorted(Comparator.comparingDouble(i -> sparsity[i])).mapToInt(i -> i).toArray();
        double[] x = Arrays.stream(order).mapToDouble(i -> sparsity[i]).toArray();
        double[] y = Arrays.stream(order).mapToDouble(i -> speed[i]).toArray();
        return new Chart("Speed by sparsity", EXPECTED.replace('_', ' '), "tokens per second", false,
                List.of(new Series("a step", x, y, Series.Mark.DOTS), medians(x, y)));
    }

    /// @param x rising
    private static Series medians(double[] x, double[] y) {
        List<double[]> points = new ArrayList<>();
        int begin = 0;
        for (int bin = 1; bin <= BINS && begin < x.length; bin++) {
            double limit = bin == BINS ? Double.POSITIVE_INFINITY : x[0] + (x[x.length - 1] - x[0]) * bin / BINS;
            int end = begin;
            while (end < x.length && x[end] < limit) {
                end++;
            }
            if (end > begin) {
                double[] speeds = Arrays.copyOfRange(y, begin, end);
                Arrays.sort(speeds);
                points.add(new double[] {
                    Arrays.stream(x, begin, end).average().orElseThrow(), speeds[speeds.length / 2]});
            }
            begin = end;
        }
        return new Series("median", points.stream().mapToDouble(p -> p[0]).toArray(),
                points.stream().mapToDouble(p -> p[1]).toArray(), Series.Mark.POINTS);
    }

    /// The bands of the charts in words, and how each ended.
    private Section.Table stages() {
        List<List<String>> rows = new ArrayList<>();
        double before = 0;
        for (List<Fields> lines : runs(run.steps())) {
            Fields last = lines.getLast();
            boolean hasMasks = !last.text("stage").equals(ADAPTERS);
            rows.add(List.of(STAGES.get(last.text("stage")),
                    Numbers.whole(lines.getFirst().whole("step")) + " to " + Numbers.whole(last.whole("step")),
                    Numbers.duration(last.number("seconds") - before),
                    hasMasks ? Numbers.percent(last.number(EXPECTED)) : "–",
                    hasMasks ? Numbers.percent(last.number("realised_sparsity")) : "–"));
            before = last.number("seconds");
        }
        return new Section.Table("Stages", List.of(
                new Column("stage", false), new Column("steps", true), new Column("time", true),
                new Column("expected at the end", true), new Column("realised", true)), rows);
    }
}
