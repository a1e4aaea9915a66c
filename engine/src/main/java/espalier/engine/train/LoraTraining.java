package espalier.engine.train;

import espalier.engine.adapt.LoraFactors;
import espalier.engine.adapt.LoraModule;
import espalier.engine.adapt.LoraState;
import espalier.engine.adapt.LoraWeights;
import espalier.engine.model.AdapterDropout;
import espalier.engine.model.Gates;
import espalier.engine.model.Keep;
import espalier.engine.model.MemoryPlan;
import espalier.engine.model.Model;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.PackedModel;
import espalier.engine.model.Parameter;
import espalier.engine.model.Pass;
import espalier.engine.model.WeightGradients;
import espalier.kernels.Ops;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Trains adapters of a frozen model to predict the labelled tokens: recovery after pruning (LLM-Pruner, Ma et al. 2023,
/// arXiv:2305.11627, section 3.3), and fine-tuning in general.
public final class LoraTraining {
    /// What to train, and how.
    ///
    /// @param initial adapters at the start
    /// @param settings of the run
    /// @param learningRate over its steps
    /// @param optimiser of the adapters
    /// @param training what is learnt from
    /// @param validation decides which state is the best; may be empty
    /// @param memory bytes that may be used: decides whether activations are kept or computed again
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

    private LoraTraining() {}

    /// @param base the model; stays as it is
    /// @param request what to train, and how
    /// @param record where states and metrics go
    /// @param watch told of steps
    /// @return what came out
    /// @throws IllegalArgumentException if a sequence is longer than the model's context, or the memory is too small
    /// @throws ArithmeticException see [Trainer#run]
    /// @throws IOException if something cannot be read or written
    public static Trained run(ModelFolder base, Request request, RunRecord record, TrainingWatch watch)
            throws IOException {
        Model model = base.model();
        long weightBytes = base.checkpoint().bytes();
        Keep keep = memory(model.shape(), weightBytes, request).keep(request.memory());
        // What is left of the memory goes to packed copies of the weights, which save less than kept activations.
        long spare = request.memory() - plan(model.shape(), weightBytes, request, keep).total();
        Ops ops = model.ops();
        try (PackedModel packed = PackedModel.of(model, spare);
                LoraWeights adapters = LoraWeights.trained(request.initial(), ops);
                NextTokenLoss loss =
                        new NextTokenLoss(packed.model(), new AdaptersRole(model, adapters, request), keep);
                AdamW optimiser = new AdamW(
                        List.of(new AdamW.Group(adapters.parameters(), request.optimiser(), request.learningRate())),
                        ops);
                Trainer trainer = new Trainer(
                        loss, optimiser, request.settings(), request.training(), request.validation(),
                        base.fingerprint(), record, watch, ops)) {
            Trainer.Outcome outcome = trainer.run();
            return new Trained(outcome, state(request.initial(), outcome.best()));
        }
    }

    /// Refuses, before anything is written, what [#run] would refuse.
    ///
    /// @param shape of the model
    /// @param weightBytes of its mapped files
    /// @param request what to train, and how
    /// @throws IllegalArgumentException as [#run]
    public static void check(ModelShape shape, long weightBytes, Request request) {
        memory(shape, weightBytes, request).keep(request.memory());
    }

    /// Refuses to go on from a state that is not of such a run.
    ///
    /// @param request what to train, and how
    /// @param state where the run was left
    /// @throws IllegalArgumentException if it has done more steps, or has adapters of other sizes, naming the tensor
    public static void check(Request request, RunState state) {
        Trainer.requireNotBeyond(state, request.settings());
        Map<String, RunState.Values> values = new HashMap<>();
        state.tensors().forEach(tensor -> values.put(tensor.name(), tensor));
        for (LoraFactors factors : request.initial().factors()) {
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

    /// The memory that a run takes.
    ///
    /// @param shape of the model
    /// @param weightBytes of its mapped files
    /// @param request what to train
    /// @param keep what a forward keeps
    /// @return the plan
    public static MemoryPlan plan(ModelShape shape, long weightBytes, Request request, Keep keep) {
        return memory(shape, weightBytes, request).plan(keep);
    }

    private static TrainingMemory memory(ModelShape shape, long weightBytes, Request request) {
        return new TrainingMemory(
                shape, weightBytes, request.initial().parameters(), request.settings(), request.training(),
                request.validation());
    }

    /// @return the adapters with these values
    private static LoraState state(LoraState initial, List<RunState.Values> values) {
        Map<String, float[]> byName = new HashMap<>();
        values.forEach(value -> byName.put(value.name(), value.data()));
        List<LoraFactors> factors = initial.factors().stream()
                .map(LoraFactors::module)
                .map((LoraModule module) ->
                        new LoraFactors(module, byName.get(module.nameA()), byName.get(module.nameB())))
                .toList();
        return new LoraState(initial.shape(), initial.settings(), factors);
    }
}
