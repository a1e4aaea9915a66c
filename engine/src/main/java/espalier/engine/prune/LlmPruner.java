package espalier.engine.prune;

import espalier.engine.Progress;
import espalier.engine.model.Architecture;
import espalier.engine.model.ChannelGraph;
import espalier.engine.model.Keep;
import espalier.engine.model.Model;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.StepPlan;
import espalier.engine.model.StreamedModel;
import espalier.engine.model.WeightSource;
import espalier.kernels.Check;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// LLM-Pruner (Ma, Fang, Wang 2023, arXiv:2305.11627): scores the units of a model's groups, and chooses what stays.
/// [Compaction] then writes it.
public final class LlmPruner {
    /// @param scoring how units are scored
    /// @param selection which units compete
    /// @param target how much is to go
    /// @param steps prunings in a row, each scored anew; 1 for one-shot
    /// @param seed of random scores
    public record Settings(
            UnitScorer.Settings scoring, Selection selection, SizeTarget target, int steps, long seed) {
        /// Checks the number of steps.
        public Settings {
            Check.positive("iterative steps", steps);
        }

        /// Refuses a model that [#choose] would refuse whatever its scores.
        ///
        /// @param graph the model
        /// @throws IllegalArgumentException if there is nothing to prune, or selection or reduction do not fit it
        void requireFit(ChannelGraph graph) {
            List<Group> groups = groups(graph);
            TargetSearch.requireFits(selection, graph, groups);
            scoring.requireFit(groups);
        }

        private List<Group> groups(ChannelGraph graph) {
            boolean hidden = selection instanceof Selection.Channels;
            return Groups.of(graph).all().stream()
                    .filter(group -> (group.kind() == Group.Kind.HIDDEN) == hidden)
                    .toList();
        }
    }

    /// Where scores are kept between runs.
    ///
    /// @param path read if it exists, else written
    /// @param settings that the scores depend on, for the metadata
    public record ScoresAt(Path path, Map<String, String> settings) {}

    /// Gives the calibration samples of a step.
    @FunctionalInterface
    public interface Calibration {
        /// @param step from 1
        /// @return token sequences of equal length, at least two tokens each
        /// @throws IOException if they cannot be read
        int[][] samples(int step) throws IOException;
    }

    /// What was chosen.
    ///
    /// @param plan what stays
    /// @param notices what a user should hear
    /// @param reached the group ratio and what it removes in one step
    /// @param scores of the last step
    /// @param loss of the last step's samples; NaN where none was computed
    public record Chosen(
            PruningPlan plan,
            List<Notice> notices,
            TargetSearch.Reached reached,
            List<UnitScores> scores,
            double loss) {}

    private static final Logger LOG = System.getLogger(LlmPruner.class.getName());

    private LlmPruner() {}

    /// @param folder the model
    /// @param settings how
    /// @param calibration samples; not asked where scores need none or are read
    /// @param scoresAt where scores are kept; excludes more than one step
    /// @param memory bytes that may be used: decides how much of a forward is kept for its backward
    /// @param progress told of layers scored
    /// @return what was chosen
    /// @throws IOException if samples or scores cannot be read or written
    public static Chosen choose(
            ModelFolder folder,
            Settings settings,
            Calibration calibration,
            Optional<ScoresAt> scoresAt,
            long memory,
            Progress progress)
            throws IOException {
        if (scoresAt.isPresent() && settings.steps() > 1) {
            throw new IllegalArgumentException("scores are computed anew at each of the " + settings.steps()
                    + " iterative steps, so they cannot be kept in " + scoresAt.get().path());
        }
        Architecture architecture = Architecture.forModelType(folder.config().modelType());
        ModelShape initial = folder.model().shape();
        PruningPlan plan = PruningPlan.keepAll(initial);
        LinkedHashSet<Notice> notices = new LinkedHashSet<>();
        TargetSearch.Reached reached = null;
        UnitScorer.Scored scored = null;
        for (int step = 1; step <= settings.steps(); step++) {
            ModelShape current = plan.resultShape();
            ChannelGraph graph = architecture.graph(current);
            int[][] samples = scoresAt.filter(at -> Files.exists(at.path())).isEmpty()
                            && settings.scoring().importance().needsCalibration()
                    ? calibration.samples(step)
                    : new int[0][];
            Keep keep = keep(architecture, current, folder.checkpoint().bytes(), samples, memory);
            StepProgress stepProgress = new StepProgress(progress, step - 1, settings.steps());
            if (step == 1) {
                scored = scores(
                        graph, folder.model(), keep, folder.weights(), settings, samples, scoresAt, stepProgress);
                reached = TargetSearch.search(settings.selection(), settings.target(), graph, scored.units());
            } else {
                Surgery surgery = Surgery.of(architecture, plan);
                try (StreamedModel smaller = PrunedWeights.streamed(surgery, folder.weights(), folder.model().ops())) {
                    scored = scores(
                            graph, smaller.model(), keep, smaller.weights(), settings, samples, scoresAt,
                            stepProgress);
                }
            }
            double ratio = Selection.stepRatio(reached.ratio(), step, settings.steps());
            Selection.Selected selected = settings.selection().select(ratio, initial, current, scored.units());
            notices.addAll(selected.notices());
            plan = step == 1 ? selected.plan() : plan.then(selected.plan());
        }
        return new Chosen(plan, new ArrayList<>(notices), reached, scored.units(), scored.loss());
    }

    private static Keep keep(
            Architecture architecture, ModelShape shape, long weightBytes, int[][] samples, long memory) {
        if (samples.length == 0) {
            return Keep.NOTHING;
        }
        StepPlan plan = StepPlan.choose(
                PruningMemory.scoring(architecture, shape, weightBytes, samples.length, samples[0].length), memory);
        LOG.log(Level.DEBUG, plan.describe(shape.layers().size()));
        return plan.keep();
    }

    /// Progress of all steps as one.
    private record StepProgress(Progress whole, int stepsBefore, int steps) implements Progress {
        @Override
        public void at(long done, long total) {
            whole.at(stepsBefore * total + done, steps * total);
        }
    }

    private static UnitScorer.Scored scores(
            ChannelGraph graph,
            Model model,
            Keep keep,
            WeightSource source,
            Settings settings,
            int[][] samples,
            Optional<ScoresAt> scoresAt,
            Progress progress)
            throws IOException {
        List<Group> groups = settings.groups(graph);
        if (scoresAt.isPresent() && Files.exists(scoresAt.get().path())) {
            ScoresAt at = scoresAt.get();
            return new UnitScorer.Scored(ScoresFile.read(at.path(), groups, at.settings()), Double.NaN);
        }
        UnitScorer.Scored scored = UnitScorer.score(
                settings.scoring(), groups, model, keep, graph.tensors(), source, samples, settings.seed(), progress);
        if (scoresAt.isPresent()) {
            ScoresFile.write(scoresAt.get().path(), scored.units(), scoresAt.get().settings());
        }
        return scored;
    }
}
