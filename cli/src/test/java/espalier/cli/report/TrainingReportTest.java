package espalier.cli.report;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.cli.report.Section.Chart;
import espalier.cli.report.Section.Figure;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TrainingReportTest {
    private static Report of(List<ObjectNode> metrics, ObjectNode result, List<ObjectNode> stages) {
        return TrainingReport.of("t", new Run(SampleRun.configuration(), List.of(), metrics, result), stages);
    }

    private static <T extends Section> List<T> sections(Report report, Class<T> kind) {
        return report.sections().stream().filter(kind::isInstance).map(kind::cast).toList();
    }

    @Test
    void lossChartHasRawSmoothedAndValidation() {
        List<Chart> charts = sections(SampleRun.report("t"), Chart.class);
        assertEquals(List.of("Loss", "Learning rate", "Gradient norm", "Speed"),
                charts.stream().map(Chart::caption).toList());
        List<Series> loss = charts.getFirst().series();
        assertEquals(List.of(Series.Mark.FAINT, Series.Mark.LINE, Series.Mark.POINTS),
                loss.stream().map(Series::mark).toList());
        assertEquals(SampleRun.STEPS, loss.getFirst().size());
        assertTrue(Double.isNaN(loss.get(0).y()[170]) && Double.isNaN(loss.get(1).y()[171]), "skipped steps are gaps");
        assertArrayEquals(new double[] {0, 100, 200, 300}, loss.get(2).x());
        assertEquals(2.9310127, loss.get(2).y()[0]);
        assertTrue(Double.isNaN(charts.get(2).series().getFirst().y()[170]));
    }

    @Test
    void validationsMayHaveLinesOfTheirOwn() {
        List<ObjectNode> metrics = new ArrayList<>();
        metrics.add(SampleRun.metrics().getFirst().objectNode().put("step", 0).put("validation_loss", 3.5));
        for (ObjectNode line : SampleRun.metrics().subList(0, 4)) {
            line.remove("validation_loss");
            metrics.add(line);
        }
        metrics.add(metrics.getFirst().objectNode().put("step", 4).put("validation_loss", 3.25));
        List<Series> loss = sections(of(metrics, SampleRun.result(), List.of()), Chart.class).getFirst().series();
        assertArrayEquals(new double[] {1, 2, 3, 4}, loss.getFirst().x());
        assertArrayEquals(new double[] {0, 4}, loss.getLast().x());
        assertArrayEquals(new double[] {3.5, 3.25}, loss.getLast().y());
    }

    @Test
    void figuresAndNotices() {
        Report report = SampleRun.report("t");
        assertEquals(List.of(
                new Figure("Validation loss", "1.781", "from 2.931, best at step 300"),
                new Figure("Training loss", "1.734", "last step"),
                new Figure("Steps", "300", ""), new Figure("Tokens", "870,000", ""),
                new Figure("Time", "14 min 30 s", "1,000 tokens/s"), new Figure("Peak memory", "1.83 GiB", "")),
                sections(report, Section.Figures.class).getFirst().figures());
        assertEquals(List.of("2 steps were not applied because the loss or a gradient was not finite.",
                "14 rows were left out because no label was within the length."),
                sections(report, Section.Notices.class).getFirst().lines());
    }

    @Test
    void aRunWithoutValidationSkipsOrStages() {
        ObjectNode result = SampleRun.result().put("skipped_steps", 0).put("skipped_rows", 0)
                .putNull("validation_loss").putNull("loss");
        result.remove(List.of("initial_validation_loss", "best_step", "peak_bytes"));
        List<ObjectNode> metrics = new ArrayList<>(SampleRun.metrics().subList(0, 5));
        Report report = of(metrics, result, List.of());
        assertEquals(3, sections(report, Section.Figures.class).getFirst().figures().size());
        assertEquals(0, sections(report, Section.Notices.class).size());
        assertEquals(0, sections(report, Section.Table.class).size());
        assertEquals(List.of("training loss"),
                sections(report, Chart.class).getFirst().series().stream().map(Series::name).toList());
        assertEquals(0, sections(of(List.of(), result, List.of()), Chart.class).size());
    }

    @Test
    void changesAreNotices() {
        ObjectNode change = SampleRun.configuration().objectNode().put("step", 40);
        change.putArray("differences").addObject().put("path", "lora.alpha").put("was", "16.0").put("is", "8.0");
        ObjectNode result = SampleRun.result().put("skipped_steps", 0).put("skipped_rows", 0);
        Report report = TrainingReport.of("t",
                new Run(SampleRun.configuration(), List.of(change), SampleRun.metrics(), result), List.of());
        assertEquals(
                List.of("After step 40 the run went on with other settings: lora.alpha is 8.0, was 16.0."),
                sections(report, Section.Notices.class).getFirst().lines());
    }

    @Test
    void stagesAreAligned() {
        ObjectNode last = SampleRun.stages().getLast();
        last.remove("perplexity");
        Section.Table table = sections(of(SampleRun.metrics(), SampleRun.result(),
                List.of(SampleRun.stages().getFirst(), last)), Section.Table.class).getFirst();
        assertEquals(List.of(List.of("dense", "134,515,008", "100.0 %", "33.42", "61.3"),
                List.of("recovered", "101,923,776", "75.8 %", "–", "870.4")), table.rows());
        assertEquals("of dense", table.columns().get(2).name());
    }

    @Test
    void settingsAreFlattenedAsTheyAre() {
        ObjectNode configuration = SampleRun.configuration();
        configuration.putNull("eval_data").putObject("empty");
        configuration.putArray("no_targets");
        configuration.put("ratio", 0.35).put("small", 3.5e-7).put("merge", false).put("alpha", 1e22);
        Report report = TrainingReport.of(
                "t", new Run(configuration, List.of(), List.of(), SampleRun.result()), List.of());
        Map<String, String> values = sections(report, Section.Settings.class).getLast().values();
        assertEquals("model", values.keySet().iterator().next());
        assertEquals("q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj", values.get("lora.targets"));
        assertEquals("16", values.get("lora.alpha"));
        assertEquals("1e-4", values.get("optimizer.learning_rate"));
        assertEquals("none", values.get("eval_data"));
        assertEquals("{}", values.get("empty"));
        assertEquals("none", values.get("no_targets"));
        assertEquals("0.35", values.get("ratio"));
        assertEquals("3.5e-7", values.get("small"));
        assertEquals("1e22", values.get("alpha"));
        assertEquals("false", values.get("merge"));
    }

    @Test
    void aWideRangeGetsALogarithmicAxis() {
        List<ObjectNode> metrics = SampleRun.metrics();
        assertFalse(sections(of(metrics, SampleRun.result(), List.of()), Chart.class).get(2).log());
        metrics.get(7).put("gradient_norm", 400.0);
        assertTrue(sections(of(metrics, SampleRun.result(), List.of()), Chart.class).get(2).log());
    }

    @Test
    void smoothingKeepsAConstantAndPassesGaps() {
        double[] values = new double[40];
        Arrays.fill(values, 3);
        values[11] = Double.NaN;
        double[] smooth = RunCurves.smoothed(values);
        for (int i = 0; i < smooth.length; i++) {
            assertEquals(i == 11 ? Double.NaN : 3, smooth[i], 1e-12);
        }
        assertArrayEquals(new double[] {6, 2.4}, RunCurves.smoothed(new double[] {6, 0}), 1e-12);
    }

    @Test
    void brokenInputIsNamed() {
        List<ObjectNode> metrics = SampleRun.metrics();
        metrics.get(11).remove("loss");
        HtmlReportTest.assertMessage("metrics line 12 has no 'loss'",
                () -> of(metrics, SampleRun.result(), List.of()));
        metrics.get(11).put("loss", "high");
        HtmlReportTest.assertMessage("metrics line 12: 'loss' is \"high\", expected a number",
                () -> of(metrics, SampleRun.result(), List.of()));
        HtmlReportTest.assertMessage("result: 'steps' is 1.5, expected a whole number",
                () -> of(SampleRun.metrics(), SampleRun.result().put("steps", 1.5), List.of()));
        HtmlReportTest.assertMessage("stage 1: 'stage' is 3, expected text",
                () -> of(List.of(), SampleRun.result(), List.of(SampleRun.stages().getFirst().put("stage", 3))));
        HtmlReportTest.assertMessage("result has no 'tokens'",
                () -> of(List.of(), SampleRun.result().without(List.of("tokens")), List.of()));
    }

    @Test
    void valuesThatAreNotFiniteMayBeStrings() {
        List<ObjectNode> metrics = SampleRun.metrics();
        metrics.get(4).put("skipped", true).put("loss", "NaN").put("gradient_norm", "Infinity");
        List<Chart> charts = sections(of(metrics, SampleRun.result(), List.of()), Chart.class);
        assertTrue(Double.isNaN(charts.getFirst().series().getFirst().y()[4]));
        assertEquals(Double.POSITIVE_INFINITY, charts.get(2).series().getFirst().y()[4]);
    }
}
