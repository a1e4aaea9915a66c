package espalier.engine.train;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.train.Objective.LossSum;
import espalier.kernels.Ops;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/// The training loop of every method. A step's loss is the sum over all labelled tokens of its batch divided by their
/// number in the whole batch, however it is cut into micro-batches; their gradients are added by a [GradientTree].
///
/// A step is a function of the state before it, so a run that goes on from a saved state gives the same bits as one that
/// never stopped.
public final class Trainer implements AutoCloseable {
    /// What a line of metrics has if it is that of a step.
    static final String LOSS = "loss";

    /// What it has if it is that of a validation.
    static final String VALIDATION_LOSS = "validation_loss";

    private static final int MOST_SKIPPED_IN_A_ROW = 10;

    private final Objective objective;
    private final TrainedBeside beside;
    private final AdamW optimiser;
    private final GradientTree tree;
    private final TrainingSettings settings;
    private final Examples training;
    private final Examples validation;
    private final BatchOrder order;
    private final RunRecord record;
    private final TrainingWatch watch;
    private final Ops ops;
    private final RunProgress progress;
    private long startNanos;

    /// What a run came to.
    ///
    /// @param steps done, those that were skipped included
    /// @param tokens run through in training
    /// @param loss of the last step that was not skipped; NaN if there was none
    /// @param initialValidationLoss before training; NaN without validation data
    /// @param validationLoss of the result: the smallest, or the last one if the run results in the last state; NaN
    ///     without validation data
    /// @param bestStep step of the result
    /// @param skippedSteps whose loss or gradient was not finite
    /// @param seconds of training and validation, earlier parts of a resumed run included
    /// @param tokensPerSecond of training alone
    /// @param best the optimiser's parameters at that step
    /// @param isComplete whether all steps are done; false if the run was asked to stop
    public record Outcome(
            long steps,
            long tokens,
            double loss,
            double initialValidationLoss,
            double validationLoss,
            long bestStep,
            long skippedSteps,
            double seconds,
            double tokensPerSecond,
            List<RunState.Values> best,
            boolean isComplete) {}

    /// @param objective what is minimised
    /// @param optimiser steps the objective's parameters; closed by its owner
    /// @param settings how
    /// @param training what is learnt from, at least one sequence
    /// @param validation decides which state is the best; may be empty
    /// @param frozen what else its losses depend on, such as the fingerprint of the base: states of different ones do
    ///     not compare
    /// @param record where states and metrics go
    /// @param watch told of steps
    /// @param ops the backend
    public Trainer(
            Objective objective,
            AdamW optimiser,
            TrainingSettings settings,
            Examples training,
            Examples validation,
            String frozen,
            RunRecord record,
            TrainingWatch watch,
            Ops ops) {
        this.objective = objective;
        this.beside = objective.beside();
        this.optimiser = optimiser;
        this.settings = settings;
        this.training = training;
        this.validation = validation;
        this.order = new BatchOrder(training.size(), settings.batch(), settings.seed());
        this.record = record;
        this.watch = watch;
        this.ops = ops;
        this.progress = new RunProgress(validation.fingerprint() + " " + frozen);
        if (objective.parameters().isEmpty()) {
            throw new IllegalArgumentException("there is nothing to train");
        }
        this.tree = new GradientTree(objective.parameters(), ops);
    }

    /// Runs from the last saved state, or from the beginning, to the last step or until it is asked to stop.
    ///
    /// @return what it came to
    /// @throws ArithmeticException if ten steps in a row had a loss or gradient that is not finite; the parameters
    ///     before them are saved; or if there is validation data and no validation gave a finite loss
    /// @throws IOException if something cannot be read or written
    public Outcome run() throws IOException {
        Optional<RunState> latest = record.latest();
        if (latest.isPresent()) {
            requireNotBeyond(latest.get(), settings);
            progress.restore(latest.get(), optimiser);
            beside.restore(latest.get());
        }
        optimiser.zeroGradients();
        startNanos = System.nanoTime();
        double before = progress.seconds;
        while (true) {
            boolean isStopped = isEvaluationDue() && !evaluate() || watch.isStopRequested();
            progress.seconds = before + secondsSinceStart();
            if (isStopped || isSaveDue()) {
                save();
            }
            if (isStopped || progress.step == settings.steps()) {
                return outcome(!isStopped);
            }
            step(before);
        }
    }

    /// @param state where a run was left
    /// @param settings of the run
    /// @throws IllegalArgumentException if the state is of a later step than the last one
    public static void requireNotBeyond(RunState state, TrainingSettings settings) {
        if (state.step() > settings.steps()) {
            throw new IllegalArgumentException("the run has done %d steps, more than the %d that are asked for"
                    .formatted(state.step(), settings.steps()));
        }
    }

    private boolean isEvaluationDue() {
        return validation.size() > 0
                && progress.evaluatedStep < progress.step
                && (progress.evaluatedStep < 0 || settings.isEvaluated(progress.step));
    }

    private boolean isSaveDue() {
        return progress.savedStep < progress.step
                && (progress.step == settings.steps()
                        || progress.step % settings.saveEvery() == 0
                        || progress.evaluatedStep == progress.step);
    }

    private void save() throws IOException {
        record.save(progress.state(optimiser, beside));
        progress.savedStep = progress.step;
    }

    private double secondsSinceStart() {
        return (System.nanoTime() - startNanos) * 1e-9;
    }

    /// @return false if the run was asked to stop meanwhile; then nothing has changed
    private boolean evaluate() throws IOException {
        LossSum sum = LossSum.ZERO;
        for (int from = 0; from < validation.size(); from += settings.microBatch()) {
            if (watch.isStopRequested()) {
                return false;
            }
            int to = Math.min(validation.size(), from + settings.microBatch());
            sum = sum.plus(objective.evaluate(new Examples(validation.list().subList(from, to))));
            watch.validating(progress.step, to, validation.size());
        }
        progress.evaluated(sum.mean(), beside.resultsInBest(), optimiser, ops);
        ObjectNode line = JsonNodeFactory.instance.objectNode();
        line.put("step", progress.step);
        FiniteJson.put(line, VALIDATION_LOSS, sum.mean());
        record.append(line);
        return true;
    }

    /// One step, unless the run is asked to stop before it is complete; then nothing has changed.
    private void step(double secondsBefore) throws IOException {
        long start = System.nanoTime();
        Examples batch = training.pick(order.rows(progress.step));
        long labels = batch.labels();
        double scale = labels == 0 ? 0 : 1.0 / labels;
        LossSum sum = LossSum.ZERO;
        int parts = 0;
        for (int from = 0; from < batch.size(); from += settings.microBatch()) {
            if (watch.isStopRequested()) {
                tree.clear();
                return;
            }
            int to = Math.min(batch.size(), from + settings.microBatch());
            Examples part = new Examples(batch.list().subList(from, to));
            sum = sum.plus(objective.train(new Objective.MicroBatch(
                    part, progress.step, from, batch.size(), scale)));
            tree.take(parts++);
        }
        tree.finish(parts);
        double norm = optimiser.gradientNorm();
        double learningRate = optimiser.learningRate(progress.step);
        double penalty = beside.penalty(progress.step);
        boolean isFinite = Double.isFinite(sum.sum()) && Double.isFinite(norm) && Double.isFinite(penalty);
        if (isFinite && labels > 0) {
            beside.step(progress.step);
            optimiser.step(progress.step, AdamW.clipScale(norm, settings.clip()));
        }
        optimiser.zeroGradients();
        double stepSeconds = (System.nanoTime() - start) * 1e-9;
        progress.stepped(sum, isFinite, stepSeconds);
        progress.seconds = secondsBefore + secondsSinceStart();
        report(sum, norm, penalty, learningRate, isFinite, stepSeconds);
    }

    private void report(
            LossSum sum, double norm, double penalty, double learningRate, boolean isFinite, double stepSeconds)
            throws IOException {
        ObjectNode line = JsonNodeFactory.instance.objectNode();
        line.put("step", progress.step);
        FiniteJson.put(line, LOSS, labelled(sum));
        if (!Double.isNaN(learningRate)) {
            line.put("learning_rate", learningRate);
        }
        FiniteJson.put(line, "gradient_norm", norm);
        line.put("labels", sum.labels());
        line.put("tokens", progress.tokens);
        line.put("seconds", progress.seconds);
        line.put("tokens_per_second", sum.tokens() / stepSeconds);
        if (!isFinite) {
            line.put("skipped", true);
        }
        beside.describe(line);
        record.append(line);
        watch.step(new TrainingWatch.Step(
                progress.step,
                settings.steps(),
                labelled(sum),
                progress.lastValidation,
                learningRate,
                norm,
                progress.tokensPerSecond(),
                progress.trainingSeconds / progress.step * (settings.steps() - progress.step),
                progress.skipped,
                beside.inWords()));
        if (!isFinite) {
            watch.say("step %d was skipped: loss %s, penalty %s, gradient norm %s"
                    .formatted(progress.step, sum.mean(), penalty, norm));
        }
        if (progress.skippedInARow >= MOST_SKIPPED_IN_A_ROW) {
            save();
            throw new ArithmeticException(("%d steps in a row, up to step %d, had a loss or a gradient that is not"
                            + " finite; they changed nothing, and the last good parameters are saved")
                    .formatted(progress.skippedInARow, progress.step));
        }
    }

    /// A mean of nothing is no loss.
    private static double labelled(LossSum sum) {
        return sum.labels() == 0 ? Double.NaN : sum.mean();
    }

    private Outcome outcome(boolean isComplete) {
        boolean lacksBest = beside.resultsInBest() && progress.best.isEmpty();
        if (isComplete && validation.size() > 0 && lacksBest) {
            throw new ArithmeticException("no validation gave a finite loss, so no state can be called the best");
        }
        List<RunState.Values> best = progress.best.isEmpty() ? current() : progress.best;
        return new Outcome(
                progress.step,
                progress.tokens,
                progress.lastLoss,
                progress.initialValidation,
                progress.bestValidation,
                progress.best.isEmpty() ? progress.step : progress.bestStep,
                progress.skipped,
                progress.seconds,
                progress.tokensPerSecond(),
                best,
                isComplete);
    }

    private List<RunState.Values> current() {
        return optimiser.parameters().stream()
                .map(parameter -> HostValues.of(parameter.name(), parameter.value(), ops))
                .toList();
    }

    /// Frees the sums of gradients.
    @Override
    public void close() {
        tree.close();
    }
}
