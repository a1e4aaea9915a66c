package espalier.bench;

import espalier.engine.adapt.LoraFactors;
import espalier.engine.adapt.LoraState;
import espalier.engine.gates.GateLayout;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.GateSparsity;
import espalier.engine.gates.GateTraining;
import espalier.engine.gates.InitialGates;
import espalier.engine.gates.SparsitySchedule;
import espalier.engine.masked.MaskMethod;
import espalier.engine.masked.MaskTraining;
import espalier.engine.masked.SnapshotStore;
import espalier.engine.masked.TeacherSettings;
import espalier.engine.model.Model;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.StepPlan;
import espalier.engine.train.AdamW;
import espalier.engine.train.Example;
import espalier.engine.train.Examples;
import espalier.engine.train.LearningRate;
import espalier.engine.train.RunRecord;
import espalier.engine.train.TrainingSettings;
import espalier.engine.train.TrainingWatch;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// Steps of NutePrune as a run of [MaskTraining] takes them: the whole model teaches, a student under sampled gates
/// learns with adapters of q_proj and v_proj, and gates, multipliers and adapters are stepped.
///
/// A first run of one step on a few tokens makes a state, in which the log-alphas are set to those of a [DrawnState];
/// the run that is measured goes on from there, at its target. Gates are stepped with a rate so small that the share of
/// zeros stays as it was drawn.
///
/// Useful is the teacher's forward, and the student's forward and gradients of inputs at the widths that its gates are
/// expected to leave open. Not counted are recomputation, copies of what lives, losses, gates and adapters.
final class NutePruneRun implements MeasuredRun {
    private static final GateTraining.Rates RATES = new GateTraining.Rates(1e-3, 1e-3);
    private static final double MOST_DRIFT = 0.01;
    private static final int FIRST_TOKENS = 8;
    private static final MaskMethod.NutePrune METHOD = new MaskMethod.NutePrune(
            MaskMethod.NutePrune.RELEASED.klWeight(), MaskMethod.NutePrune.RELEASED.layerWeight(),
            MaskMethod.NutePrune.RELEASED.temperature(), intactTeacher());

    private final ModelFolder folder;
    private final int[][] samples;
    private final long memory;
    private final LoraState adapters;
    private final DrawnState drawn;
    private final StepPlan plan;

    /// @param folder the model, of any weights; closed by its owner
    /// @param sequences of the batch
    /// @param tokens of each
    /// @param memory bytes that the process may use
    /// @param zeros share of key/value groups and FFN channels whose log-alpha is the smallest
    /// @throws IllegalArgumentException if the bytes do not suffice
    NutePruneRun(ModelFolder folder, int sequences, int tokens, long memory, double zeros) {
        Model model = folder.model();
        this.folder = folder;
        this.samples = Steps.samples(model.shape().vocab(), sequences, tokens);
        this.memory = memory;
        this.adapters = LoraState.initial(model.shape(), Steps.ADAPTERS, 1);
        this.drawn = DrawnState.of(
                new GateLayout(model.shape(), GateSettings.standard(model.shape().layers().size())), zeros);
        this.plan = StepPlan.choose(
                MaskTraining.workload(model.shape(), folder.checkpoint().bytes(), request(samples, 1))
                        .withCopies(model.packedBytes()),
                memory);
    }

    private static TeacherSettings intactTeacher() {
        TeacherSettings released = TeacherSettings.RELEASED;
        return new TeacherSettings(
                TeacherSettings.Mode.INTACT, released.interval(), released.gap(), released.asReleased());
    }

    private MaskTraining.Request request(int[][] batch, long steps) {
        return new MaskTraining.Request(
                METHOD, drawn.layout().settings(), InitialGates.RELEASED,
                new SparsitySchedule(drawn.expected(), 0, SparsitySchedule.Shape.LINEAR), RATES,
                Optional.of(adapters),
                new TrainingSettings(steps, batch.length, batch.length, 1, 1, steps, steps),
                new LearningRate(1e-3, LearningRate.Shape.CONSTANT, 0, steps), AdamW.Settings.DEFAULT,
                new Examples(Arrays.stream(batch).map(ids -> new Example(ids, 0)).toList()),
                new Examples(List.of()), memory);
    }

    @Override
    public String plan() {
        return plan.describe(drawn.layout().model().layers().size())
                + ", expected sparsity %.3f".formatted(drawn.expected());
    }

    @Override
    public double usefulFlops() {
        UsefulFlops teacher = UsefulFlops.whole(drawn.layout().model(), samples.length, samples[0].length);
        UsefulFlops student = teacher.of(drawn.widths());
        return teacher.forward() + student.forward() + student.inputs();
    }

    @Override
    public int tokens() {
        return samples.length * samples[0].length;
    }

    /// The first step's time has the preparation of the run in it.
    @Override
    public void run(int repeats, Watch watch) throws IOException {
        RunRecord record = RunRecord.inMemory();
        int[] few = Arrays.copyOf(samples[0], Math.min(FIRST_TOKENS, samples[0].length));
        MaskTraining.Trained first = MaskTraining.run(
                folder, request(new int[][] {few}, 1), record, SnapshotStore.inMemory(), TrainingWatch.NONE);
        record.save(drawn.in(record.latest().orElseThrow()));
        Times times = new Times(watch);
        MaskTraining.Trained last = MaskTraining.run(
                folder, request(samples, 1L + repeats), record, SnapshotStore.inMemory(), times);
        verify(first, last);
    }

    private void verify(MaskTraining.Trained first, MaskTraining.Trained last) {
        if (last.outcome().skippedSteps() > 0 || !Double.isFinite(last.outcome().loss())) {
            throw new AssertionError("%d steps were skipped, the last loss is %s"
                    .formatted(last.outcome().skippedSteps(), last.outcome().loss()));
        }
        List<LoraFactors> before = first.adapters().orElseThrow().factors();
        List<LoraFactors> after = last.adapters().orElseThrow().factors();
        for (int i = 0; i < before.size(); i++) {
            if (Arrays.equals(before.get(i).b(), after.get(i).b())) {
                throw new AssertionError("adapter " + before.get(i).module().name() + " was not stepped");
            }
        }
        if (Arrays.equals(drawn.logAlpha(), last.logAlpha())) {
            throw new AssertionError("no log-alpha was stepped");
        }
        double expected = new GateSparsity(drawn.layout()).expected(last.logAlpha());
        if (!(Math.abs(expected - drawn.expected()) <= MOST_DRIFT)) {
            throw new AssertionError("expected sparsity went from %s to %s".formatted(drawn.expected(), expected));
        }
    }

    /// Tells how long it was since the step before.
    private static final class Times implements TrainingWatch {
        private final Watch watch;
        private long before = System.nanoTime();

        Times(Watch watch) {
            this.watch = watch;
        }

        @Override
        public void step(Step step) {
            long now = System.nanoTime();
            watch.step((now - before) * 1e-9, step.loss());
            before = System.nanoTime();
        }
    }

    @Override
    public void close() {}
}
