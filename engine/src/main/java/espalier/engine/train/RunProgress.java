package espalier.engine.train;

import espalier.engine.model.Parameter;
import espalier.kernels.Ops;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;

/// Where a [Trainer] is: all that it must remember beside parameters and moments.
final class RunProgress {
    private static final String BEST = "best.";
    private static final String VALIDATION = "validation_data";
    private static final String EVALUATED = "evaluated_step";

    private final String validationData;

    long step;
    /// Last step with a validation; -1 before the first.
    long evaluatedStep = -1;
    /// Last step whose state is on the disk, with its validation where it had one; not part of the state.
    long savedStep = -1;
    long tokens;
    long skipped;
    int skippedInARow;
    double seconds;
    double trainingSeconds;
    double lastLoss = Double.NaN;
    double lastValidation = Double.NaN;
    double initialValidation = Double.NaN;
    double bestValidation = Double.NaN;
    long bestStep;
    /// Parameters under their names at the best step; empty before the first validation of a trained state.
    List<RunState.Values> best = List.of();

    /// @param validationData fingerprints of all that decides about validation losses beside the parameters
    RunProgress(String validationData) {
        this.validationData = validationData;
    }

    /// A step was done, or skipped.
    void stepped(Objective.LossSum sum, boolean isFinite, double stepSeconds) {
        step++;
        tokens += sum.tokens();
        trainingSeconds += stepSeconds;
        if (isFinite && sum.labels() == 0) {
            return;
        }
        if (isFinite) {
            skippedInARow = 0;
            lastLoss = sum.mean();
        } else {
            skippedInARow++;
            skipped++;
        }
    }

    /// The present parameters were validated. The state before training is measured, but is no candidate: a run is asked
    /// for the best trained state.
    ///
    /// @param resultsInBest whether the best state is kept; else the last one counts
    void evaluated(double loss, boolean resultsInBest, AdamW optimiser, Ops ops) {
        evaluatedStep = step;
        savedStep = -1;
        lastValidation = loss;
        if (step == 0) {
            initialValidation = loss;
            return;
        }
        if (!resultsInBest) {
            bestValidation = loss;
            return;
        }
        // A NaN is never smaller, and anything finite is better than none.
        if (loss < bestValidation || best.isEmpty() && Double.isFinite(loss)) {
            bestValidation = loss;
            bestStep = step;
            List<RunState.Values> values = new ArrayList<>();
            for (Parameter parameter : optimiser.parameters()) {
                values.add(HostValues.of(parameter.name(), parameter.value(), ops));
            }
            best = values;
        }
    }

    double tokensPerSecond() {
        return trainingSeconds == 0 ? 0 : tokens / trainingSeconds;
    }

    RunState state(AdamW optimiser, TrainedBeside beside) {
        Map<String, String> values = new TreeMap<>();
        values.put(VALIDATION, validationData);
        values.put("updates", Long.toString(optimiser.updates()));
        values.put(EVALUATED, Long.toString(evaluatedStep));
        values.put("tokens", Long.toString(tokens));
        values.put("skipped", Long.toString(skipped));
        values.put("skipped_in_a_row", Integer.toString(skippedInARow));
        values.put("seconds", Double.toString(seconds));
        values.put("training_seconds", Double.toString(trainingSeconds));
        values.put("last_loss", Double.toString(lastLoss));
        values.put("last_validation", Double.toString(lastValidation));
        values.put("initial_validation", Double.toString(initialValidation));
        values.put("best_validation", Double.toString(bestValidation));
        values.put("best_step", Long.toString(bestStep));
        List<RunState.Values> tensors = new ArrayList<>();
        optimiser.addTo(tensors);
        beside.addTo(values, tensors);
        best.forEach(value ->
                tensors.add(new RunState.Values(BEST + value.name(), value.rows(), value.cols(), value.data())));
        return new RunState(step, values, tensors);
    }

    /// @return last step that was validated; -1 if none was
    static long evaluatedStep(RunState state) {
        return Long.parseLong(state.value(EVALUATED));
    }

    /// @throws IllegalArgumentException naming what the state lacks
    void restore(RunState state, AdamW optimiser) {
        Map<String, RunState.Values> tensors =
                state.tensors().stream().collect(Collectors.toMap(RunState.Values::name, Function.identity()));
        optimiser.restore(Long.parseLong(state.value("updates")), tensors);
        step = state.step();
        savedStep = step;
        evaluatedStep = evaluatedStep(state);
        tokens = Long.parseLong(state.value("tokens"));
        skipped = Long.parseLong(state.value("skipped"));
        skippedInARow = Integer.parseInt(state.value("skipped_in_a_row"));
        seconds = Double.parseDouble(state.value("seconds"));
        trainingSeconds = Double.parseDouble(state.value("training_seconds"));
        lastLoss = Double.parseDouble(state.value("last_loss"));
        if (!state.value(VALIDATION).equals(validationData)) {
            // Losses on other data, or of another base, do not compare: the present state is the first candidate.
            evaluatedStep = -1;
            savedStep = -1;
            return;
        }
        lastValidation = Double.parseDouble(state.value("last_validation"));
        initialValidation = Double.parseDouble(state.value("initial_validation"));
        bestValidation = Double.parseDouble(state.value("best_validation"));
        bestStep = Long.parseLong(state.value("best_step"));
        best = state.tensors().stream()
                .filter(tensor -> tensor.name().startsWith(BEST))
                .map(tensor -> new RunState.Values(
                        tensor.name().substring(BEST.length()), tensor.rows(), tensor.cols(), tensor.data()))
                .toList();
    }
}
