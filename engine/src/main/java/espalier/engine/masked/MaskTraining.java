package espalier.engine.masked;

import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.gates.GateLayout;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.GateSparsity;
import espalier.engine.gates.GateTraining;
import espalier.engine.gates.InitialGates;
import espalier.engine.gates.SparsitySchedule;
import espalier.engine.model.Model;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.PackedModel;
import espalier.engine.model.Site;
import espalier.engine.model.StepPlan;
import espalier.engine.model.Workload;
import espalier.engine.train.AdamW;
import espalier.engine.train.Examples;
import espalier.engine.train.LearningRate;
import espalier.engine.train.LoraTraining;
import espalier.engine.train.RunRecord;
import espalier.engine.train.RunState;
import espalier.engine.train.Trainer;
import espalier.engine.train.TrainingSettings;
import espalier.engine.train.TrainingWatch;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Optional;

/// Trains masks of a frozen model, and adapters with them.
public final class MaskTraining {
    /// What to train, and how.
    ///
    /// @param method what is minimised
    /// @param gates which units have gates
    /// @param initialGates what they begin as
    /// @param sparsity what is aimed at, steps counted from the first with masks
    /// @param rates of log-alphas and multipliers
    /// @param adapters at the start; empty to train masks alone
    /// @param settings of the run, steps without masks included
    /// @param learningRate of the adapters over its steps
    /// @param optimiser of the adapters
    /// @param training what is learnt from
    /// @param validation predicted by the deterministic masks now and then; may be empty
    /// @param memory bytes that may be used
    public record Request(
            MaskMethod method,
            GateSettings gates,
            InitialGates initialGates,
            SparsitySchedule sparsity,
            GateTraining.Rates rates,
            Optional<LoraState> adapters,
            TrainingSettings settings,
            LearningRate learningRate,
            AdamW.Settings optimiser,
            Examples training,
            Examples validation,
            long memory) {
        GateTraining.Settings gateTraining() {
            return new GateTraining.Settings(settings.seed(), sparsity, rates);
        }

        /// @return who teaches when, from the first step on; empty if nobody does
        Optional<TeacherSchedule> schedule() {
            return switch (method) {
                case MaskMethod.Compresso _ -> Optional.empty();
                case MaskMethod.NutePrune nutePrune ->
                    Optional.of(new TeacherSchedule(nutePrune.teachers(), sparsity.target()));
            };
        }
    }

    /// What came out.
    ///
    /// @param outcome of the run
    /// @param layout the gates
    /// @param logAlpha one per gate, of the last step
    /// @param adapters of the last step
    /// @param snapshots that were taken
    public record Trained(
            Trainer.Outcome outcome,
            GateLayout layout,
            double[] logAlpha,
            Optional<LoraState> adapters,
            int snapshots) {}

    private static final Logger LOG = System.getLogger(MaskTraining.class.getName());

    private MaskTraining() {}

    /// Refuses, before anything is written, what [#run] would refuse.
    ///
    /// @param shape of the model
    /// @param weightBytes of its mapped files
    /// @param request what to train, and how
    /// @throws IllegalArgumentException if the gates do not fit the model or cannot reach the target, if the target is
    ///     still rising at the last step, if there is dropout before adapters whose inputs are masked, if a sequence is
    ///     longer than the model's context or has an id that is not in its vocabulary, or if the memory is too small
    public static void check(ModelShape shape, long weightBytes, Request request) {
        GateLayout layout = new GateLayout(shape, request.gates());
        new GateSparsity(layout).requireReachable(request.sparsity().target());
        long before = request.method().stepsWithoutMasks();
        long rising = request.sparsity().warmup();
        if (before + rising >= request.settings().steps()) {
            throw new IllegalArgumentException(("the run has %d steps, of which %d train no masks and in %d the wanted"
                            + " sparsity rises: none is left at the target")
                    .formatted(request.settings().steps(), before, rising));
        }
        if (before > 0 && request.adapters().isEmpty()) {
            throw new IllegalArgumentException(
                    "the first %d steps train adapters alone, but there are none".formatted(before));
        }
        requireFixedColumns(request);
        StepPlan.smallest(workload(shape, weightBytes, request)).require(request.memory());
    }

    /// Dropout is drawn by column, and columns that are masked move others.
    private static void requireFixedColumns(Request request) {
        request.adapters().map(LoraState::settings).ifPresent(settings -> {
            for (Site site : List.of(Site.O_PROJ, Site.DOWN_PROJ)) {
                if (settings.dropout() > 0 && settings.targets().contains(site)) {
                    throw new IllegalArgumentException(
                            "adapters of %s are trained beside masks without dropout only, got lora dropout %s"
                                    .formatted(LoraSettings.shortName(site), settings.dropout()));
                }
            }
        });
    }

    /// Refuses to go on from a state that is not of such a run.
    ///
    /// @param shape of the model
    /// @param request what to train, and how
    /// @param state where the run was left
    /// @throws IllegalArgumentException if it has done more steps, has gates or adapters of other sizes, naming the
    ///     tensor, or other numbers of snapshots than the teachers and the sparsity wanted can come to
    public static void check(ModelShape shape, Request request, RunState state) {
        Trainer.requireNotBeyond(state, request.settings());
        TrainedGates.check(new GateLayout(shape, request.gates()).size(), request, state);
        request.adapters().ifPresent(adapters -> LoraTraining.check(adapters, state));
    }

    /// What a run goes through, for a [StepPlan].
    ///
    /// @param shape of the model
    /// @param weightBytes of its mapped files
    /// @param request what to train
    /// @return the work of a micro-batch, and what is held beside
    /// @throws IllegalArgumentException if a sequence is longer than the context or has an unknown id
    public static Workload workload(ModelShape shape, long weightBytes, Request request) {
        return MaskMemory.workload(shape, weightBytes, request);
    }

    /// @param base the model; stays as it is
    /// @param request what to train, and how
    /// @param record where states and metrics go
    /// @param store where snapshots go
    /// @param watch told of steps
    /// @return what came out
    /// @throws IllegalArgumentException see [#check]
    /// @throws ArithmeticException see [Trainer#run]
    /// @throws IOException if something cannot be read or written
    public static Trained run(
            ModelFolder base, Request request, RunRecord record, SnapshotStore store, TrainingWatch watch)
            throws IOException {
        Model model = base.model();
        long weightBytes = base.checkpoint().bytes();
        check(model.shape(), weightBytes, request);
        Workload work = workload(model.shape(), weightBytes, request).withCopies(model.packedBytes());
        StepPlan plan = StepPlan.choose(work, request.memory());
        LOG.log(Level.DEBUG, plan.describe(model.shape().layers().size()));
        try (PackedModel packed = PackedModel.of(model, plan.mostCopyBytes());
                Student student = Student.of(packed.model(), request, store);
                MaskedLoss loss = new MaskedLoss(
                        student, request, plan.keep(), work.workspace(plan.keep(), model.ops()));
                AdamW optimiser = new AdamW(
                        List.of(new AdamW.Group(
                                student.adapterParameters(), request.optimiser(), request.learningRate())),
                        model.ops());
                Trainer trainer = new Trainer(
                        loss, optimiser, request.settings(), request.training(), request.validation(),
                        base.fingerprint(), record, watch, model.ops())) {
            Trainer.Outcome outcome = trainer.run();
            return new Trained(
                    outcome,
                    new GateLayout(model.shape(), request.gates()),
                    student.gates().logAlpha(),
                    request.adapters().map(initial -> initial.with(RunState.Values.byName(outcome.best()))),
                    student.gates().snapshots());
        }
    }
}
