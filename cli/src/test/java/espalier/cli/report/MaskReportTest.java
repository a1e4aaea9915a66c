package espalier.cli.report;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.cli.report.Section.Band;
import espalier.cli.report.Section.Bars;
import espalier.cli.report.Section.Chart;
import espalier.cli.report.Section.Figure;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;

class MaskReportTest {
    private static final List<Band> NUTEPRUNE_BANDS = List.of(new Band("pruning", 0, SampleMaskRun.AT_TARGET - 1),
            new Band("target", SampleMaskRun.AT_TARGET - 1, SampleMaskRun.STEPS));

    private static Report of(Run run) {
        return MaskReport.of("t", run, Optional.empty(), List.of());
    }

    private static Run with(Run run, List<ObjectNode> metrics) {
        return new Run(run.configuration(), run.changes(), metrics, run.result());
    }

    private static Run with(Run run, ObjectNode result) {
        return new Run(run.configuration(), run.changes(), run.metrics(), result);
    }

    private static <T extends Section> List<T> sections(Report report, Class<T> kind) {
        return report.sections().stream().filter(kind::isInstance).map(kind::cast).toList();
    }

    private static List<String> captions(Report report) {
        return sections(report, Chart.class).stream().map(Chart::caption).toList();
    }

    private static Chart chart(Report report, String caption) {
        return sections(report, Chart.class).stream().filter(c -> c.caption().equals(caption)).findFirst()
                .orElseThrow();
    }

    private static List<String> names(Chart chart) {
        return chart.series().stream().map(Series::name).toList();
    }

    private static double[] values(List<ObjectNode> lines, String key) {
        return lines.stream().mapToDouble(line -> line.get(key).doubleValue()).toArray();
    }

    @Test
    void nutePruneHasEverySeries() {
        List<ObjectNode> metrics = SampleMaskRun.nutePruneMetrics();
        Report report = of(SampleMaskRun.nutePrune());
        assertEquals(List.of("Sparsity", "Teachers", "Loss", "Terms of the loss", "Penalty", "Multipliers",
                "Validation", "Learning rate", "Gradient norm", "Speed", "Speed by sparsity"), captions(report));
        Chart sparsity = chart(report, "Sparsity");
        assertEquals(List.of("expected of the gates", "realised by the mask", "wanted"), names(sparsity));
        assertArrayEquals(values(metrics, "expected_sparsity"), sparsity.series().get(0).y());
        assertArrayEquals(values(metrics, "realised_sparsity"), sparsity.series().get(1).y());
        assertArrayEquals(values(metrics, "wanted_sparsity"), sparsity.series().get(2).y());
        assertEquals(List.of("KL of a step", "KL, smoothed", "layers of a step", "layers, smoothed"),
                names(chart(report, "Terms of the loss")));
        assertTrue(chart(report, "Terms of the loss").log());
        Chart multipliers = chart(report, "Multipliers");
        assertArrayEquals(values(metrics, "lambda1"), multipliers.series().get(0).y());
        assertArrayEquals(values(metrics, "lambda2"), multipliers.series().get(1).y());
        assertArrayEquals(new double[] {0, 100, 200, 300, 400, 500, 600},
                chart(report, "Validation").series().getFirst().x());
        assertEquals(2.4117, chart(report, "Validation").series().getFirst().y()[0]);
        for (Chart chart : sections(report, Chart.class)) {
            assertEquals(chart.xLabel().equals("step") ? NUTEPRUNE_BANDS : List.of(), chart.bands(), chart.caption());
        }
    }

    @Test
    void aSkippedStepLeavesAGapInWhatItLacks() {
        Report report = of(SampleMaskRun.nutePrune());
        for (String caption : List.of("Loss", "Terms of the loss", "Penalty", "Gradient norm")) {
            Series series = chart(report, caption).series().getFirst();
            assertEquals(SampleMaskRun.STEPS, series.size(), caption);
            for (int i = 0; i < series.size(); i++) {
                assertEquals(i == SampleMaskRun.SKIPPED - 1, Double.isNaN(series.y()[i]), caption + " " + i);
            }
        }
    }

    @Test
    void teachersFollowAndWalkBack() {
        List<ObjectNode> metrics = SampleMaskRun.nutePruneMetrics();
        Chart teachers = chart(of(SampleMaskRun.nutePrune()), "Teachers");
        assertEquals(List.of("student", "teacher", "snapshot"), names(teachers));
        assertArrayEquals(values(metrics, "teacher_sparsity"), teachers.series().get(1).y());
        Series marks = teachers.series().get(2);
        int snapshots = metrics.getLast().get("snapshots").intValue();
        assertEquals(snapshots, marks.size());
        for (int i = 0; i < snapshots; i++) {
            ObjectNode line = metrics.get((int) marks.x()[i] - 1);
            assertEquals(i + 1, line.get("snapshots").intValue());
            assertEquals(line.get("expected_sparsity").doubleValue(), marks.y()[i]);
        }
    }

    @Test
    void aRunWithTheIntactTeacherAloneHasNoMarks() {
        List<ObjectNode> metrics = SampleMaskRun.nutePruneMetrics();
        metrics.forEach(line -> line.put("teacher", -1).put("teacher_sparsity", 0).put("snapshots", 0));
        Report report = of(with(SampleMaskRun.nutePrune(), metrics));
        assertEquals(List.of("student", "teacher"), names(chart(report, "Teachers")));
        assertTrue(sections(report, Section.Figures.class).getFirst().figures()
                .contains(new Figure("Snapshots", "29", "the intact model taught 100.0 % of the steps")));
    }

    @Test
    void compressoHasNoTeachersAndBeginsWithoutMasks() {
        Report report = of(SampleMaskRun.compresso());
        assertEquals(List.of("Sparsity", "Loss", "Terms of the loss", "Penalty", "Multipliers", "Learning rate",
                "Gradient norm", "Speed", "Speed by sparsity"), captions(report));
        Chart sparsity = chart(report, "Sparsity");
        int masked = SampleMaskRun.STEPS - SampleMaskRun.ADAPTERS;
        assertEquals(masked, sparsity.series().getFirst().size());
        assertEquals(SampleMaskRun.ADAPTERS + 1, sparsity.series().getFirst().x()[0]);
        assertEquals(new Band("adapters", 0, SampleMaskRun.ADAPTERS), sparsity.bands().getFirst());
        assertEquals(3, sparsity.bands().size());
        assertEquals(List.of("cross-entropy of a step", "cross-entropy, smoothed"),
                names(chart(report, "Terms of the loss")));
        assertEquals(SampleMaskRun.STEPS, chart(report, "Terms of the loss").series().getFirst().size());
        Section.Table stages = sections(report, Section.Table.class).getFirst();
        assertEquals(List.of("adapters alone", "1 to 60", "3 min 06 s", "–", "–"),
                stages.rows().getFirst());
        assertEquals(SampleMaskRun.AT_TARGET + SampleMaskRun.ADAPTERS + " to 600",
                stages.rows().getLast().get(1));
        assertEquals(List.of("After step 240 the run went on with other settings: gate_rate is 0.02, was 0.05."),
                sections(report, Section.Notices.class).getFirst().lines());
    }

    @Test
    void stagesSayWhatShareOfThePrunableParametersIsGone() {
        List<ObjectNode> rows = SampleMaskRun.stages();
        rows.getLast().remove("prunable_removed");
        Section.Table stages = sections(
                MaskReport.of("t", SampleMaskRun.nutePrune(), Optional.empty(), rows), Section.Table.class)
                .getFirst();
        assertEquals(List.of("stage", "parameters", "of dense", "prunable removed", "perplexity", "seconds"),
                stages.columns().stream().map(Section.Column::name).toList());
        assertEquals(List.of("0.0 %", "29.3 %", "–"), stages.rows().stream().map(row -> row.get(3)).toList());
    }

    /// Masks that are trained alone have rates of their own, which stay as they are.
    @Test
    void withoutAdaptersThereIsNoLearningRate() {
        List<ObjectNode> metrics = SampleMaskRun.nutePruneMetrics();
        metrics.forEach(line -> line.remove("learning_rate"));
        metrics.get(9).put("validation_loss", 3.0);
        List<String> captions = captions(of(with(SampleMaskRun.nutePrune(), metrics)));
        assertFalse(captions.contains("Learning rate"), captions.toString());
        Chart norm = chart(of(with(SampleMaskRun.nutePrune(), metrics)), "Gradient norm");
        assertEquals(SampleMaskRun.STEPS, norm.series().getFirst().size());
    }

    @Test
    void noticesOfTheResultAreAtTheTop() {
        Run masks = SampleMaskRun.nutePrune();
        ObjectNode result = masks.result().deepCopy();
        result.putArray("notices").add("no attention head is left in layer 4").add("the result's sparsity is 0.3000");
        Report report = of(with(masks, result));
        assertEquals(
                List.of("No attention head is left in layer 4.", "The result's sparsity is 0.3000."),
                sections(report, Section.Notices.class).getFirst().lines().subList(0, 2));
        assertTrue(report.sections().get(1) instanceof Section.Notices);
        assertFalse(sections(report, Section.Settings.class).getFirst().values().containsKey("notices"));
    }

    @Test
    void aTermWithoutWeightIsNotShown() {
        List<ObjectNode> metrics = SampleMaskRun.nutePruneMetrics();
        metrics.forEach(line -> line.remove("kl"));
        Report report = of(with(SampleMaskRun.nutePrune(), metrics));
        assertEquals(List.of("layers of a step", "layers, smoothed"),
                names(chart(report, "Terms of the loss")));
        metrics.forEach(line -> line.remove("layers"));
        assertFalse(captions(of(with(SampleMaskRun.nutePrune(), metrics))).contains("Terms of the loss"));
    }

    @Test
    void aRunThatOnlyWarmedUpHasNoMasksToShow() {
        Report report = of(with(
                SampleMaskRun.compresso(), SampleMaskRun.compressoMetrics().subList(0, SampleMaskRun.ADAPTERS)));
        assertEquals(List.of("Loss", "Terms of the loss", "Learning rate", "Gradient norm", "Speed"),
                captions(report));
        assertEquals(List.of(), captions(of(with(SampleMaskRun.compresso(), List.of()))));
    }

    @Test
    void speedsAreSortedBySparsityAndHaveMedians() {
        Chart chart = chart(of(SampleMaskRun.nutePrune()), "Speed by sparsity");
        Series cloud = chart.series().getFirst();
        Series medians = chart.series().getLast();
        assertEquals(SampleMaskRun.STEPS, cloud.size());
        assertEquals(DoubleStream.of(values(SampleMaskRun.nutePruneMetrics(), "tokens_per_second")).sum(),
                DoubleStream.of(cloud.y()).sum(), 1e-6);
        assertEquals(25, medians.size());
        double[] first = Arrays.stream(cloud.y(), 0,
                (int) Arrays.stream(cloud.x()).filter(x -> x < cloud.x()[0] + (max(cloud.x()) - cloud.x()[0]) / 25)
                        .count()).sorted().toArray();
        assertEquals(first[first.length / 2], medians.y()[0]);
    }

    private static double max(double[] values) {
        return Arrays.stream(values).max().orElseThrow();
    }

    @Test
    void whatIsNotFiniteLeavesAGap() {
        List<ObjectNode> metrics = SampleMaskRun.nutePruneMetrics();
        metrics.get(9).put("expected_sparsity", "NaN");
        Report report = of(with(SampleMaskRun.nutePrune(), metrics));
        assertTrue(Double.isNaN(chart(report, "Sparsity").series().getFirst().y()[9]));
        assertEquals(SampleMaskRun.STEPS - 1, chart(report, "Speed by sparsity").series().getFirst().size());
    }

    @Test
    void figuresSayWhatWasAimedAtAndWhatCameOut() {
        List<Figure> figures =
                sections(of(SampleMaskRun.nutePrune()), Section.Figures.class).getFirst().figures();
        assertEquals(List.of(
                new Figure("Sparsity, target", "30.0 %", "of the prunable parameters"),
                new Figure("Sparsity, expected", "30.0 %", "of the gates"),
                new Figure("Sparsity, realised", "29.9 %", "of the mask; 29.3 % as written"),
                new Figure("Parameters left", "76.2 %", "102,554,304 of 134,515,008"),
                new Figure("Hidden dimensions", "541", "of 576")), figures.subList(0, 5));
        assertEquals(List.of("Snapshots", "Validation loss", "Steps", "Tokens", "Time", "Peak memory", "Skipped steps"),
                figures.subList(5, figures.size()).stream().map(Figure::label).toList());
        assertEquals("935 tokens/s", figures.get(9).note());
        assertEquals("1", figures.getLast().value());
    }

    @Test
    void barsShowWhatIsLeftOfEachLayer() {
        ObjectNode result = SampleMaskRun.result("nuteprune", 3, 9, 3, 1536).put("teachers", 0);
        ObjectNode layer = (ObjectNode) result.get("kept").get("layers").get(2);
        layer.put("heads", 0).put("kv_heads", 0).put("ffn", 1024);
        List<Bars> bars = sections(of(with(SampleMaskRun.nutePrune(), result)), Bars.class);
        assertEquals(List.of("Heads kept", "FFN channels kept", "Hidden dimensions kept"),
                bars.stream().map(Bars::caption).toList());
        assertEquals("of 9, and of 3 key/value heads (thin bars)",
                bars.getFirst().note());
        assertEquals(new Section.Bar("2", 0, 9, Optional.of(new Section.Groups(0, 3)),
                "layer 2: 0 of 9 heads, 0 of 3 key/value heads"), bars.get(0).bars().get(2));
        assertEquals(new Section.Bar("2", 1024, 1536, Optional.empty(), "layer 2: 1,024 of 1,536 channels"),
                bars.get(1).bars().get(2));
        assertEquals(new Section.Bar("", 541, 576, Optional.empty(), "541 of 576 hidden dimensions"),
                bars.get(2).bars().getFirst());
        layer.put("of_ffn", 2048);
        result.get("kept").get("layers").forEach(l -> ((ObjectNode) l).remove(List.of("kv_heads", "of_kv_heads")));
        bars = sections(of(with(SampleMaskRun.nutePrune(), result)), Bars.class);
        assertTrue(bars.getFirst().bars().stream().allMatch(bar -> bar.groups().isEmpty()));
        assertEquals("of 1,536 to 2,048", bars.get(1).note());
    }

    @Test
    void headsWithoutGroupsHaveOneBar() {
        Bars heads = sections(of(SampleMaskRun.compresso()), Bars.class).getFirst();
        assertEquals("of 32", heads.note());
        assertTrue(heads.bars().stream().allMatch(bar -> bar.groups().isEmpty()));
    }

    @Test
    void aRecoveryFollowsWithItsOwnCurves() {
        Report report = SampleMaskRun.nutePrune("t");
        assertEquals(2, sections(report, Section.Figures.class).size());
        List<String> captions = captions(report);
        assertEquals(List.of("Loss", "Learning rate", "Gradient norm", "Speed"),
                captions.subList(captions.size() - 4, captions.size()));
        assertEquals("Recovery", sections(report, Section.Text.class).getFirst().caption());
        assertEquals(List.of("Result", "Result of the recovery", "Settings", "Settings of the recovery"),
                sections(report, Section.Settings.class).stream().map(Section.Settings::caption).toList());
        Map<String, String> result = sections(report, Section.Settings.class).getFirst().values();
        assertEquals("0.30041", result.get("sparsity.expected"));
        assertEquals("541", result.get("kept.hidden"));
        assertFalse(result.containsKey("kept.layers"));
        assertEquals("Before and after", sections(report, Section.Table.class).getFirst().caption());
        assertEquals("52.81", sections(report, Section.Table.class).getFirst().rows().getLast().get(4));
    }

    /// The samples stay in `target/`, to be looked at in a browser.
    @Test
    void theSamplesAreWellFormedAndFetchNothing() throws Exception {
        Path target = Files.createDirectories(Path.of("target"));
        String nutePrune = HtmlReport.render(SampleMaskRun.nutePrune("Pruning of SmolLM2-135M by NutePrune"));
        String compresso = HtmlReport.render(MaskReport.of("Pruning of SmolLM2-135M by Compresso",
                SampleMaskRun.compresso(), Optional.empty(), SampleMaskRun.stages().subList(0, 2)));
        Files.writeString(target.resolve("report-nuteprune.html"), nutePrune);
        Files.writeString(target.resolve("report-compresso.html"), compresso);
        for (String page : List.of(nutePrune, compresso)) {
            for (String reference : List.of("http", "src=", "href", "url(", "@import", "<script", "<link", "<!--")) {
                assertFalse(page.contains(reference), reference);
            }
            assertFalse(page.contains("NaN"), "a coordinate is not a number");
            assertTrue(page.length() < 1_000_000, () -> page.length() + " characters");
        }
        Document document = HtmlReportTest.parse(nutePrune);
        assertEquals(11 + 3 + 4, document.getElementsByTagName("figure").getLength());
        var descriptions = document.getElementsByTagName("desc");
        assertEquals(3, descriptions.getLength());
        assertTrue(descriptions.item(0).getTextContent().startsWith("layer 0: "));
        assertEquals("Heads kept", descriptions.item(0).getPreviousSibling().getTextContent());
    }

    @Test
    void whatIsMissingIsNamed() {
        for (String key : List.of("stage", "loss", "seconds", "expected_sparsity", "realised_sparsity",
                "wanted_sparsity", "lambda1", "lambda2", "penalty", "teacher", "teacher_sparsity", "snapshots")) {
            List<ObjectNode> metrics = SampleMaskRun.nutePruneMetrics();
            metrics.getLast().remove(key);
            HtmlReportTest.assertMessage("metrics line 600 has no '" + key + "'",
                    () -> of(with(SampleMaskRun.nutePrune(), metrics)));
        }
        List<ObjectNode> metrics = SampleMaskRun.nutePruneMetrics();
        metrics.get(4).put("stage", "rest");
        HtmlReportTest.assertMessage("metrics line 5: 'stage' is \"rest\", expected adapters, pruning or target",
                () -> of(with(SampleMaskRun.nutePrune(), metrics)));
        for (String key : List.of("method", "target_sparsity", "sparsity", "parameters_before", "parameters_after",
                "teachers", "kept", "steps")) {
            ObjectNode result = SampleMaskRun.nutePrune().result().without(List.of(key));
            HtmlReportTest.assertMessage("result has no '" + key + "'",
                    () -> of(with(SampleMaskRun.nutePrune(), result)));
        }
        ObjectNode result = SampleMaskRun.nutePrune().result();
        ((ObjectNode) result.get("kept").get("layers").get(7)).remove("ffn");
        HtmlReportTest.assertMessage("result.kept.layers[7] has no 'ffn'",
                () -> of(with(SampleMaskRun.nutePrune(), result)));
        result.put("sparsity", 0.3);
        HtmlReportTest.assertMessage("result.sparsity is 0.3, expected an object",
                () -> of(with(SampleMaskRun.nutePrune(), result)));
        List<ObjectNode> recovery = SampleRun.metrics();
        recovery.get(2).remove("learning_rate");
        HtmlReportTest.assertMessage("recovery: metrics line 3 has no 'learning_rate'",
                () -> MaskReport.of("t", SampleMaskRun.nutePrune(),
                        Optional.of(with(SampleRun.run(), recovery)), List.of()));
        ObjectNode broken = SampleMaskRun.nutePrune().result();
        ((ObjectNode) broken.get("kept")).put("layers", 30);
        HtmlReportTest.assertMessage("result.kept: 'layers' is 30, expected an array",
                () -> of(with(SampleMaskRun.nutePrune(), broken)));
    }
}
