package espalier.engine.train;

import espalier.engine.model.Parameter;
import espalier.kernels.AdamWStep;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// AdamW with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101) over groups of parameters, each with
/// settings and a learning rate of its own. Holds the moments.
public final class AdamW implements AutoCloseable {
    /// What the names of parameters begin with in a [RunState].
    static final String PARAMETER = "parameter.";

    private final Ops ops;
    private final Workspace memory;
    private final List<Moments> moments = new ArrayList<>();
    private final List<Group> groups;
    private long updates;

    /// @param beta1 decay of the first moment, in `[0, 1)`
    /// @param beta2 decay of the second moment, in `[0, 1)`
    /// @param eps added to the root of the second moment, not negative
    /// @param weightDecay not negative
    public record Settings(double beta1, double beta2, double eps, double weightDecay) {
        /// PyTorch's: 0.9, 0.999, 1e-8, no decay.
        public static final Settings DEFAULT = new Settings(0.9, 0.999, 1e-8, 0);

        /// @param decay weight decay
        /// @return these with that decay
        public Settings withWeightDecay(double decay) {
            return new Settings(beta1, beta2, eps, decay);
        }

        /// Checks the ranges.
        public Settings {
            fraction("beta1", beta1);
            fraction("beta2", beta2);
            notNegative("eps", eps);
            notNegative("weight decay", weightDecay);
        }

        private static void fraction(String name, double value) {
            if (!(value >= 0 && value < 1)) {
                throw new IllegalArgumentException(name + " is " + value + ", expected a number in [0, 1)");
            }
        }

        private static void notNegative(String name, double value) {
            if (!(value >= 0 && value < Double.POSITIVE_INFINITY)) {
                throw new IllegalArgumentException(name + " is " + value + ", expected a number that is not negative");
            }
        }

        AdamWStep step(double learningRate, long update, double gradientScale) {
            return new AdamWStep(learningRate, beta1, beta2, eps, weightDecay, update, gradientScale);
        }
    }

    /// Parameters that are stepped alike.
    ///
    /// @param parameters what is trained
    /// @param settings how
    /// @param learningRate over the steps of the run
    public record Group(List<Parameter> parameters, Settings settings, LearningRate learningRate) {
        /// Copies the list.
        public Group {
            parameters = List.copyOf(parameters);
        }
    }

    private record Moments(Parameter parameter, Group group, Tensor m, Tensor v) {}

    /// @param groups at least one; no parameter twice
    /// @param ops the backend; it must stay open as long as this
    public AdamW(List<Group> groups, Ops ops) {
        this.ops = ops;
        this.groups = List.copyOf(groups);
        this.memory = ops.newWorkspace();
        try {
            Set<String> names = new HashSet<>();
            for (Group group : groups) {
                for (Parameter parameter : group.parameters()) {
                    if (!names.add(parameter.name())) {
                        throw new IllegalArgumentException("parameter " + parameter.name() + " is given twice");
                    }
                    int rows = parameter.value().rows();
                    int cols = parameter.value().cols();
                    moments.add(new Moments(
                            parameter, group, memory.takeZeros(rows, cols), memory.takeZeros(rows, cols)));
                }
            }
        } catch (Throwable e) {
            memory.close();
            throw e;
        }
    }

    /// @return all parameters, in the order of the groups
    public List<Parameter> parameters() {
        return moments.stream().map(Moments::parameter).toList();
    }

    /// The norm of all gradients together.
    ///
    /// @return root of the sum of squares, in float64; not finite where a gradient is not
    public double gradientNorm() {
        double sum = 0;
        for (Moments moment : moments) {
            sum += ops.sumOfSquares(moment.parameter.gradient());
        }
        return Math.sqrt(sum);
    }

    /// Sets every gradient to zero.
    public void zeroGradients() {
        moments.forEach(moment -> ops.fill(moment.parameter.gradient(), 0));
    }

    /// What clipping to a norm multiplies gradients by, as `torch.nn.utils.clip_grad_norm_` does.
    ///
    /// @param norm from [#gradientNorm], finite
    /// @param clip largest norm, or 0 for no clipping
    /// @return in (0, 1]
    public static double clipScale(double norm, double clip) {
        return clip == 0 ? 1 : Math.min(1, clip / (norm + 1e-6));
    }

    /// Steps every parameter by its gradient.
    ///
    /// @param step steps of the run done before, for the learning rates
    /// @param gradientScale what gradients are multiplied by first
    public void step(long step, double gradientScale) {
        updates++;
        for (Moments moment : moments) {
            double rate = moment.group.learningRate().at(step);
            Parameter parameter = moment.parameter;
            ops.adamW(
                    parameter.value(),
                    moment.m,
                    moment.v,
                    parameter.gradient(),
                    moment.group.settings().step(rate, updates, gradientScale));
        }
    }

    /// @param step steps of the run done before
    /// @return the first group's learning rate; NaN if nothing is stepped
    public double learningRate(long step) {
        return moments.isEmpty() ? Double.NaN : groups.getFirst().learningRate().at(step);
    }

    /// @return updates done: what the bias corrections count, fewer than steps where some were skipped
    public long updates() {
        return updates;
    }

    /// @param tensors receives parameters and moments, under the names that [#restore] reads
    void addTo(List<RunState.Values> tensors) {
        for (Moments moment : moments) {
            String name = moment.parameter.name();
            tensors.add(HostValues.of(PARAMETER + name, moment.parameter.value(), ops));
            tensors.add(HostValues.of("m." + name, moment.m, ops));
            tensors.add(HostValues.of("v." + name, moment.v, ops));
        }
    }

    /// Sets parameters and moments.
    ///
    /// @param doneUpdates from [#updates]
    /// @param tensors by name
    /// @throws IllegalArgumentException naming a tensor that is missing or has another shape
    void restore(long doneUpdates, Map<String, RunState.Values> tensors) {
        updates = doneUpdates;
        for (Moments moment : moments) {
            String name = moment.parameter.name();
            HostValues.restore(tensors, PARAMETER + name, moment.parameter.value(), ops);
            HostValues.restore(tensors, "m." + name, moment.m, ops);
            HostValues.restore(tensors, "v." + name, moment.v, ops);
        }
    }

    /// @return bytes of the moments
    public long heldBytes() {
        return memory.heldBytes();
    }

    /// Frees the moments.
    @Override
    public void close() {
        memory.close();
    }
}
