package espalier.engine.gates;

/// Log-alphas and multipliers while they are trained. A step of a method is: [#sample] per micro-batch, the task's loss
/// and its gradients; [#penalty] once; then [#step]. A step that is skipped changes nothing.
public final class GateTraining {
    private static final String LOG_ALPHA = "log-alpha";

    private final GateLayout layout;
    private final GateSparsity sparsity;
    private final Settings settings;
    private final HostAdam logAlpha;
    private final HostAdam multipliers;

    /// @param seed of the run
    /// @param schedule sparsity wanted
    /// @param rates how fast
    public record Settings(long seed, SparsitySchedule schedule, Rates rates) {}

    /// Learning rates.
    ///
    /// @param gates of log-alphas, positive
    /// @param multipliers of the multipliers, which ascend; positive. The constraint counts once they have grown to
    ///     what the task loses by a share of the model, and Adam lets them grow by this much a step: a run of few steps
    ///     needs a higher one
    public record Rates(double gates, double multipliers) {
        /// Those of the releases of Compresso and NutePrune.
        public static final Rates RELEASED = new Rates(0.1, 0.1);

        /// Checks the ranges.
        public Rates {
            positive("gates", gates);
            positive("multipliers", multipliers);
        }

        private static void positive(String name, double rate) {
            if (!(rate > 0 && rate < Double.POSITIVE_INFINITY)) {
                throw new IllegalArgumentException(
                        "learning rate of " + name + " is " + rate + ", expected a positive number");
            }
        }
    }

    /// What the constraint adds to a step.
    ///
    /// @param expected expected sparsity
    /// @param wanted the schedule's
    /// @param value what is added to the loss
    /// @param slope of the value over the expected sparsity
    public record Penalty(double expected, double wanted, double value, double slope) {
        /// @return expected minus wanted sparsity
        double gap() {
            return expected - wanted;
        }
    }

    /// @param layout the gates
    /// @param initial what they begin as
    /// @param settings how they are trained
    /// @throws IllegalArgumentException if the gates cannot reach the target
    public GateTraining(GateLayout layout, InitialGates initial, Settings settings) {
        this.layout = layout;
        this.sparsity = new GateSparsity(layout);
        this.settings = settings;
        sparsity.requireReachable(settings.schedule().target());
        this.logAlpha = new HostAdam(initial.logAlpha(layout, settings.seed()), settings.rates().gates());
        this.multipliers = new HostAdam(new double[2], -settings.rates().multipliers());
    }

    /// @return what the gates remove
    public GateSparsity sparsity() {
        return sparsity;
    }

    /// @return a copy of the log-alphas, one per gate
    public double[] logAlpha() {
        return logAlpha.values().clone();
    }

    /// @return number of gates
    public int size() {
        return layout.size();
    }

    /// @return steps done
    public long updates() {
        return logAlpha.updates();
    }

    /// @return the multipliers
    public Lagrangian lagrangian() {
        double[] lambda = multipliers.values();
        return new Lagrangian(lambda[0], lambda[1]);
    }

    /// @param step optimiser steps since pruning began
    /// @param microBatch of the step
    /// @return the gates of all its tokens
    public GateSample sample(long step, int microBatch) {
        return GateSample.of(layout, logAlpha.values(), new GateKey(settings.seed(), step, microBatch));
    }

    /// @param step optimiser steps since pruning began
    /// @return what the constraint adds
    public Penalty penalty(long step) {
        double expected = sparsity.expected(logAlpha.values());
        double wanted = settings.schedule().at(step);
        Lagrangian lagrangian = lagrangian();
        double gap = expected - wanted;
        return new Penalty(expected, wanted, lagrangian.value(gap), lagrangian.slope(gap));
    }

    /// Steps log-alphas down and multipliers up, then clamps log-alphas.
    ///
    /// @param taskGradient `[gates]`, of the task's mean loss, finite; a mean of [GateSample#gradient]
    /// @param penalty of this step
    /// @throws IllegalArgumentException naming the first gradient that is not finite; nothing has changed
    public void step(double[] taskGradient, Penalty penalty) {
        layout.check("gradient", taskGradient);
        double[] gradient = sparsity.expectedGradient(logAlpha.values());
        for (int i = 0; i < gradient.length; i++) {
            gradient[i] = taskGradient[i] + penalty.slope() * gradient[i];
        }
        logAlpha.step(gradient);
        multipliers.step(Lagrangian.multiplierGradient(penalty.gap()));
        logAlpha.clamp(HardConcrete.MIN_LOG_ALPHA, HardConcrete.MAX_LOG_ALPHA);
    }

    /// @param rule widths that may be left
    /// @return the mask outside training
    public GateMask deterministic(WidthRule rule) {
        return DeterministicMask.of(layout, logAlpha.values(), rule);
    }

    /// @return values for a run file, without loss
    public GateState state() {
        return new GateState(logAlpha.updates(), logAlpha.state(), multipliers.state());
    }

    /// @param state from [#state] of a training of the same gates
    /// @throws IllegalArgumentException naming what has another length or is not finite
    public void restore(GateState state) {
        logAlpha.restore(LOG_ALPHA, state.updates(), state.logAlpha());
        multipliers.restore("multipliers", state.updates(), state.multipliers());
    }
}
