package espalier.cli.report;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.cli.report.Section.Chart;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;

/// The [Report] of a training run, from what its run directory holds.
public final class TrainingReport {
    private TrainingReport() {}

    /// `run.metrics` are an object a step with `step`, `loss`, `learning_rate`, `gradient_norm`, `tokens_per_second`,
    /// and `skipped: true` for a step that was not applied (its loss and gradient norm may then be missing, null or
    /// not finite, and leave a gap); where measured `validation_loss`, in that object or in one of its own with `step`;
    /// where it was made `sample`, a text, likewise. `run.result` has `steps`, `tokens`, `seconds`,
    /// `tokens_per_second`; optional `loss`, `validation_loss`, `best_step`, `initial_validation_loss`,
    /// `skipped_steps`, `skipped_rows`, `peak_bytes`.
    ///
    /// @param title heading of the page
    /// @param run what was done
    /// @param stages rows of the table before/after, or none: `stage`, `parameters`, optional `prunable_removed`,
    ///     `perplexity`, `seconds`
    /// @throws IllegalArgumentException naming the line and the key where something is missing or no number
    public static Report of(String title, Run run, List<ObjectNode> stages) {
        List<Section> sections = new ArrayList<>();
        sections.addAll(figures(run));
        sections.addAll(RunSummary.beforeAndAfter(stages));
        sections.addAll(curves(run));
        sections.add(new Section.Settings("Result", new Fields("result", run.result()).flat()));
        sections.add(new Section.Settings("Settings", new Fields("configuration", run.configuration()).flat()));
        return new Report(title, sections);
    }

    /// @return how it went, in numbers and notices
    static List<Section> figures(Run run) {
        Fields result = new Fields("result", run.result());
        List<Section> sections = new ArrayList<>();
        sections.add(new Section.Figures(RunSummary.figures(result)));
        sections.addAll(RunSummary.notices(result, run.changes()));
        return sections;
    }

    /// @return how it went, step by step
    static List<Section> curves(Run run) {
        RunCurves curves = RunCurves.of(run.metrics());
        List<Section> sections = new ArrayList<>();
        if (!run.metrics().isEmpty()) {
            OptionalDouble initial = new Fields("result", run.result()).optional("initial_validation_loss");
            sections.add(loss(curves, initial));
            sections.addAll(curves.learningRate());
            sections.add(curves.gradientNorm());
            sections.add(curves.speed());
        }
        sections.addAll(curves.samples());
        return sections;
    }

    private static Chart loss(RunCurves curves, OptionalDouble initialValidation) {
        List<Series> loss = new ArrayList<>(curves.smoothed("training loss", "loss"));
        Series validation = curves.validation(initialValidation);
        if (validation.size() > 0) {
            loss.add(validation);
        }
        return curves.chart("Loss", "loss (nats per token)", loss);
    }
}
