package espalier.cli.report;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.cli.report.Section.Bar;
import espalier.cli.report.Section.Bars;
import espalier.cli.report.Section.Figure;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/// The [Report] of a run that trained masks, and of the recovery after it.
public final class MaskReport {
    private static final String NUTEPRUNE = "nuteprune";
    private static final String HEADS = "of_heads";
    private static final String KV_HEADS = "of_kv_heads";
    private static final String FFN = "of_ffn";

    private MaskReport() {}

    /// Beside what [TrainingReport#of] says of them, but for `learning_rate`, which no step has where masks are trained
    /// alone, every step in `masks.metrics` has `seconds` (of the run so far) and a `stage`: `adapters` (no masks
    /// yet), `pruning` (the wanted sparsity rises) or `target`. In the latter two it has `expected_sparsity`,
    /// `realised_sparsity`, `wanted_sparsity` (shares of the prunable parameters), `lambda1`, `lambda2` and `penalty`,
    /// and of NutePrune `teacher` (index of a snapshot, -1 for the intact model), `teacher_sparsity` and `snapshots`
    /// (taken so far). Terms of the loss are optional: `kl`, `layers`, `cross_entropy`; a step
    /// that was skipped may lack them and `penalty`.
    ///
    /// `masks.result` has further `method` (`nuteprune`, `compresso`), `target_sparsity`, `sparsity` with `expected`,
    /// `realised` (of the mask) and `aligned` (of the written model), `parameters_before`, `parameters_after`, of
    /// NutePrune `teachers` (the number of snapshots), and `kept` with `hidden`, `of_hidden` and `layers`, each with
    /// `heads`, `of_heads`, `ffn`, `of_ffn` and optional `kv_heads`, `of_kv_heads`. Optional `notices` are texts.
    ///
    /// @param title heading of the page
    /// @param masks the run that trained them
    /// @param recovery the fine-tuning that followed, see [TrainingReport#of]
    /// @param stages rows of the table before/after, or none: `stage`, `parameters`, optional `prunable_removed`,
    ///     `perplexity`, `seconds`
    /// @throws IllegalArgumentException naming the line and the key where something is missing or not as it should be
    public static Report of(String title, Run masks, Optional<Run> recovery, List<ObjectNode> stages) {
        Fields result = new Fields("result", masks.result());
        Fields kept = result.inner("kept");
        boolean teachers = result.text("method").equals(NUTEPRUNE);
        MaskCurves curves = MaskCurves.of(masks.metrics(), teachers);
        List<Section> sections = new ArrayList<>();
        sections.add(new Section.Figures(figures(result, kept, curves)));
        sections.addAll(RunSummary.notices(result, masks.changes()));
        sections.addAll(RunSummary.beforeAndAfter(stages));
        sections.addAll(bars(kept));
        sections.addAll(curves.sections(result.optional("initial_validation_loss")));
        recovery.ifPresent(run -> sections.addAll(recovered(run)));
        sections.add(new Section.Settings("Result", rest(masks.result())));
        recovery.ifPresent(run -> sections.add(
                new Section.Settings("Result of the recovery", new Fields("result", run.result()).flat())));
        sections.add(new Section.Settings("Settings", new Fields("configuration", masks.configuration()).flat()));
        recovery.ifPresent(run -> sections.add(new Section.Settings(
                "Settings of the recovery", new Fields("configuration", run.configuration()).flat())));
        return new Report(title, sections);
    }

    private static List<Section> recovered(Run run) {
        List<Section> sections = new ArrayList<>();
        sections.add(new Section.Text("Recovery", "Fine-tuning of the pruned model. Its steps count from one."));
        try {
            sections.addAll(TrainingReport.figures(run));
            sections.addAll(TrainingReport.curves(run));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("recovery: " + e.getMessage(), e);
        }
        return sections;
    }

    /// The layers are a picture, as text they would be a page of braces; notices are at the top.
    private static Map<String, String> rest(ObjectNode result) {
        ObjectNode shown = result.deepCopy();
        shown.remove(RunSummary.NOTICES);
        shown.withObject("/kept").remove("layers");
        return new Fields("result", shown).flat();
    }

    private static List<Figure> figures(Fields result, Fields kept, MaskCurves curves) {
        Fields sparsity = result.inner("sparsity");
        long before = result.whole("parameters_before");
        long after = result.whole("parameters_after");
        List<Figure> figures = new ArrayList<>();
        figures.add(new Figure("Sparsity, target", Numbers.percent(result.number("target_sparsity")),
                "of the prunable parameters"));
        figures.add(new Figure("Sparsity, expected", Numbers.percent(sparsity.number("expected")), "of the gates"));
        figures.add(new Figure("Sparsity, realised", Numbers.percent(sparsity.number("realised")),
                "of the mask; " + Numbers.percent(sparsity.number("aligned")) + " as written"));
        figures.add(new Figure("Parameters left", Numbers.percent((double) after / before),
                Numbers.whole(after) + " of " + Numbers.whole(before)));
        figures.add(new Figure("Hidden dimensions", Numbers.whole(kept.whole("hidden")),
                "of " + Numbers.whole(kept.whole("of_hidden"))));
        if (curves.teachers()) {
            figures.add(new Figure(
                    "Snapshots", Numbers.whole(result.whole("teachers")), curves.shareOfIntactTeacher()));
        }
        figures.addAll(RunSummary.figures(result));
        figures.add(new Figure("Skipped steps", Numbers.whole(
                result.has("skipped_steps") ? result.whole("skipped_steps") : 0), ""));
        return figures;
    }

    private static List<Section> bars(Fields kept) {
        List<Fields> layers = kept.inners("layers");
        boolean grouped = layers.stream().anyMatch(l -> l.has(KV_HEADS) && l.whole(KV_HEADS) != l.whole(HEADS));
        Function<Fields, Optional<Section.Groups>> groups = layer -> grouped
                ? Optional.of(new Section.Groups(layer.whole("kv_heads"), layer.whole(KV_HEADS))) : Optional.empty();
        return List.of(
                new Bars("Heads kept", of(layers, HEADS)
                        + (grouped ? ", and " + of(layers, KV_HEADS) + " key/value heads (thin bars)" : ""),
                        rows(layers, "heads", "heads", groups)),
                new Bars("FFN channels kept", of(layers, FFN),
                        rows(layers, "ffn", "channels", _ -> Optional.empty())),
                new Bars("Hidden dimensions kept", "of " + Numbers.whole(kept.whole("of_hidden")),
                        List.of(new Bar("", kept.whole("hidden"), kept.whole("of_hidden"), Optional.empty(),
                                share("hidden dimensions", kept.whole("hidden"), kept.whole("of_hidden"))))));
    }

    private static List<Bar> rows(
            List<Fields> layers, String key, String name, Function<Fields, Optional<Section.Groups>> groups) {
        List<Bar> rows = new ArrayList<>();
        for (Fields layer : layers) {
            long left = layer.whole(key);
            long of = layer.whole("of_" + key);
            Optional<Section.Groups> shared = groups.apply(layer);
            rows.add(new Bar(Integer.toString(rows.size()), left, of, shared,
                    "layer " + rows.size() + ": " + share(name, left, of) + shared.map(
                            g -> ", " + share("key/value heads", g.kept(), g.of())).orElse("")));
        }
        return rows;
    }

    private static String share(String name, long left, long of) {
        return Numbers.whole(left) + " of " + Numbers.whole(of) + " " + name;
    }

    /// @return e.g. `of 9`, or `of 7 to 9` where layers differ
    private static String of(List<Fields> layers, String key) {
        List<Long> counts = layers.stream().map(layer -> layer.whole(key)).distinct().sorted().toList();
        return "of " + Numbers.whole(counts.getFirst())
                + (counts.size() == 1 ? "" : " to " + Numbers.whole(counts.getLast()));
    }
}
