package espalier.engine.train;

import espalier.engine.model.Adapters;
import espalier.engine.model.Gates;
import espalier.engine.model.InitialWeights;
import espalier.engine.model.Model;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Parameter;
import espalier.engine.model.Pass;
import espalier.engine.model.StepPlan;
import espalier.engine.model.TensorShape;
import espalier.engine.model.TrainedWeights;
import espalier.engine.model.Workload;
import espalier.kernels.Ops;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// Trains all weights of a model from scratch to predict the next token. Matrices, the embedding included, decay; norms
/// and biases do not.
public final class WeightTraining {
    /// What to train, and how.
    ///
    /// @param shape of the model
    /// @param tensors of it, as its architecture declares them
    /// @param initial weights at the start
    /// @param settings of the run
    /// @param learningRate over its steps
    /// @param optimiser of the matrices; of norms and biases too, but for the decay
    /// @param training what is learnt from
    /// @param validation decides which state is the best; may be empty
    /// @param samples what the model writes on the way
    /// @param memory bytes that may be used: decides whether activations are kept or computed again
    public record Request(
            ModelShape shape,
            List<TensorShape> tensors,
            InitialWeights initial,
            TrainingSettings settings,
            LearningRate learningRate,
            AdamW.Settings optimiser,
            Examples training,
            Examples validation,
            TextSamples.Settings samples,
            long memory) {
        /// Copies the list.
        public Request {
            tensors = List.copyOf(tensors);
        }

        /// @return elements of all tensors
        public long parameters() {
            return tensors.stream().mapToLong(TensorShape::elements).sum();
        }
    }

    private static final Logger LOG = System.getLogger(WeightTraining.class.getName());

    private WeightTraining() {}

    /// @param request what to train, and how
    /// @param record where states and metrics go
    /// @param watch told of steps and samples
    /// @param ops the backend
    /// @return what came out: the weights of the best step, or of the last one without validation data
    /// @throws IllegalArgumentException if a sequence is longer than the model's context or has an id that is not in
    ///     its vocabulary, or if the memory is too small
    /// @throws ArithmeticException see [Trainer#run]
    /// @throws IOException if something cannot be read or written
    public static Trainer.Outcome run(Request request, RunRecord record, TrainingWatch watch, Ops ops)
            throws IOException {
        StepPlan plan = StepPlan.choose(workload(request), request.memory());
        LOG.log(Level.DEBUG, plan.describe(request.shape().layers().size()));
        try (TrainedWeights weights = new TrainedWeights(request.tensors(), request.initial()::values, ops);
                Model model = Model.of(weights, request.shape(), ops);
                NextTokenLoss loss = new NextTokenLoss(
                        model, new AllWeights(model, weights), plan.keep(),
                        workload(request).workspace(plan.keep(), ops));
                AdamW optimiser = new AdamW(groups(weights, request), ops);
                Trainer trainer = new Trainer(
                        loss, optimiser, request.settings(), request.training(), request.validation(),
                        request.shape().toString(), record,
                        new TextSamples(request.samples(), model, record, watch), ops)) {
            return trainer.run();
        }
    }

    private static List<AdamW.Group> groups(TrainedWeights weights, Request request) {
        return List.of(
                new AdamW.Group(weights.matrices(), request.optimiser(), request.learningRate()),
                new AdamW.Group(weights.vectors(), request.optimiser().withWeightDecay(0), request.learningRate()));
    }

    /// Refuses, before anything is written, what [#run] would refuse.
    ///
    /// @param request what to train, and how
    /// @throws IllegalArgumentException as [#run]
    public static void check(Request request) {
        StepPlan.smallest(workload(request)).require(request.memory());
    }

    /// Refuses to go on from a state that is not of such a run.
    ///
    /// @param request what to train, and how
    /// @param state where the run was left
    /// @throws IllegalArgumentException if it has done more steps, or is of a model of other sizes, naming the tensor
    public static void check(Request request, RunState state) {
        Trainer.requireNotBeyond(state, request.settings());
        Map<String, RunState.Values> values = new HashMap<>();
        state.tensors().forEach(tensor -> values.put(tensor.name(), tensor));
        for (TensorShape tensor : request.tensors()) {
            HostValues.require(
                    values,
                    AdamW.PARAMETER + tensor.name(),
                    TrainedWeights.valueRows(tensor),
                    TrainedWeights.valueCols(tensor));
        }
    }

    /// What a run goes through, for a [StepPlan].
    ///
    /// @param request what to train
    /// @return the work of a micro-batch, and what is held beside
    /// @throws IllegalArgumentException if a sequence is longer than the context or has an unknown id
    public static Workload workload(Request request) {
        return new TrainingMemory(
                        request.shape(), 0, request.parameters(), request.settings(), request.training(),
                        request.validation())
                .workload();
    }

    private record AllWeights(Model model, TrainedWeights weights) implements NextTokenLoss.Role {
        @Override
        public List<Parameter> parameters() {
            return Stream.concat(weights.matrices().stream(), weights.vectors().stream()).toList();
        }

        @Override
        public Pass training(long step, int firstRow) {
            return evaluation().withWeightGradients(weights.gradients());
        }

        @Override
        public Pass evaluation() {
            return Pass.frozen(Gates.open(model.shape().layers().size()), Adapters.NONE);
        }
    }
}
