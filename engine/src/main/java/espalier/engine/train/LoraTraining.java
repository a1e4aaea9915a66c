package espalier.engine.train;

import espalier.engine.adapt.LoraFactors;
import espalier.engine.adapt.LoraModule;
import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.adapt.LoraWeights;
import espalier.engine.model.AdapterDropout;
import espalier.engine.model.Gates;
import espalier.engine.model.Model;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.PackedModel;
import espalier.engine.model.Parameter;
import espalier.engine.model.Pass;
import espalier.engine.model.StepPlan;
import espalier.engine.model.WeightGradients;
import espalier.engine.model.Workload;
import espalier.kernels.Ops;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Trains adapters of a frozen model to predict the labelled tokens: recovery after pruning (LLM-Pruner, Ma et al.
/// 2023, arXiv:2305.11627, section 3.3), and fine-tuning in general.
public final class LoraTraining {
    /// What to train, and how.
    ///
    /// @param initial adapters at the start
    /// @param settings of the run
    /// @param learningRate over its steps
    /// @param optimiser of the adapters
    /// @param training what is learnt from
    /// @param validation decides which state is the best; may be empty
    /// @param memory bytes that may be used: decides which activations are kept and which computed again
    public record Request(
            LoraState initial,
            TrainingSettings settings,
            LearningRate learningRate,
            AdamW.Settings optimiser,
            Examples training,
            Examples validation,
            long memory) {}

    /// What came out.
    ///
    /// @param outcome of the run
    /// @param best adapters of the best step
    public record Trained(Trainer.Outcome outcome, LoraState best) {}

    private static final Logger LOG = System.getLogger(LoraTraining.class.getName());

    private LoraTraining() {}

    /// @param base the model; stays as it is
    /// @param request what to train, and how
    /// @param record where states and metrics go
    /// @param watch told of steps
    /// @return what came out
    /// @throws IllegalArgumentException if a sequence is longer than the model's context or has an id that is not in
    ///     its vocabulary, or if the memory is too small
    /// @throws ArithmeticException see [Trainer#run]
    /// @throws IOException if something cannot be read or written
    public static Trained run(ModelFolder base, Request request, RunRecord record, TrainingWatch watch)
            throws IOException {
        Model model = base.model();
        long weightBytes = base.checkpoint().bytes();
        Workload work = workload(model.shape(), weightBytes, request).withCopies(model.packedBytes());
        StepPlan plan = StepPlan.choose(work, request.memory());
        LOG.log(Level.DEBUG, plan.describe(model.shape().layers().size()));
        Ops ops = model.ops();
        try (PackedModel packed = PackedModel.of(model, plan.mostCopyBytes());
                LoraWeights adapters = LoraWeights.trained(request.initial(), ops);
                NextTokenLoss loss = new NextTokenLoss(
                        packed.model(), new AdaptersRole(model, adapters, request), plan.keep(),
                        work.workspace(plan.keep(), ops));
                AdamW optimiser = new AdamW(
                        List.of(new AdamW.Group(adapters.parameters(), request.optimiser(), request.learningRate())),
                        ops);
                Trainer trainer = new Trainer(
                        loss, optimiser, request.settings(), request.training(), request.validation(),
                        base.fingerprint(), record, watch, ops)) {
            Trainer.Outcome outcome = trainer.run();
            return new Trained(outcome, request.initial().with(RunState.Values.byName(outcome.best())));
        }
    }

    /// Refuses, before anything is written, what [#run] would refuse.
    ///
    /// @param shape of the model
    /// @param weightBytes of its mapped files
    /// @param request what to train, and how
    /// @throws IllegalArgumentException as [#run]
    public static void check(ModelShape shape, long weightBytes, Request request) {
        StepPlan.smallest(workload(shape, weightBytes, request)).require(request.memory());
    }

    /// Refuses to go on from a state that is not of such a run.
    ///
    /// @param request what to train, and how
    /// @param state where the run was left
    /// @throws IllegalArgumentException if it has done more steps, or has adapters of other sizes, naming the tensor
    public static void check(Request request, RunState state) {
        Trainer.requireNotBeyond(state, request.settings());
        check(request.initial(), state);
    }

    /// Likewise, of the adapters alone.
    ///
    /// @param initial adapters of the run
    /// @param state where it was left
    /// @throws IllegalArgumentException if it has adapters of other sizes, naming the tensor
    public static void check(LoraState initial, RunState state) {
        Map<String, RunState.Values> values = new HashMap<>();
        state.tensors().forEach(tensor -> values.put(tensor.name(), tensor));
        for (LoraFactors factors : initial.factors()) {
            LoraModule module = factors.module();
            HostValues.require(values, AdamW.PARAMETER + module.nameA(), module.rank(), module.in());
            HostValues.require(values, AdamW.PARAMETER + module.nameB(), module.out(), module.rank());
        }
    }

    private record AdaptersRole(Model model, LoraWeights adapters, Request request) implements NextTokenLoss.Role {
        @Override
        public List<Parameter> parameters() {
            return adapters.parameters();
        }

        @Override
        public Pass training(long step, int firstRow) {
            Gates open = Gates.open(model.shape().layers().size());
            return new Pass(open, open, adapters.adapters(), WeightGradients.NONE)
                    .withDropout(new AdapterDropout(
                            request.initial().settings().dropout(), request.settings().seed(), step, firstRow));
        }

        @Override
        public Pass evaluation() {
            return Pass.frozen(Gates.open(model.shape().layers().size()), adapters.frozenAdapters());
        }
    }

    /// What a run goes through, for a [StepPlan].
    ///
    /// @param shape of the model
    /// @param weightBytes of its mapped files
    /// @param request what to train
    /// @return the work of a micro-batch, and what is held beside
    /// @throws IllegalArgumentException if a sequence is longer than the context or has an unknown id
    public static Workload workload(ModelShape shape, long weightBytes, Request request) {
        LoraSettings lora = request.initial().settings();
        int rank = request.initial().factors().stream().mapToInt(factors -> factors.module().rank()).max().orElse(0);
        return new TrainingMemory(
                        shape, weightBytes, request.initial().parameters(), request.settings(), request.training(),
                        request.validation())
                .workload()
                .withAdapters(new Workload.AdaptersPerLayer(lora.targets(), rank, lora.dropout() > 0));
    }
}
