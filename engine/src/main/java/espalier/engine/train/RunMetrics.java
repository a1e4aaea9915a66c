package espalier.engine.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.JsonLines;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// `metrics.jsonl`: a line for each step with its loss, those that were skipped included, and lines for validations and
/// for what else there is to tell of a step.
///
/// @param file may be absent, which reads as no line
record RunMetrics(Path file) {
    /// Refuses metrics that lack what was on the disk before the state was saved: somebody cut the file, or the disk
    /// lost it.
    ///
    /// @param state the last one
    /// @throws CheckpointException if a step up to the state's, or its last validation, is missing, or a step is twice
    /// @throws IOException if the file cannot be read
    void requireWhole(RunState state) throws IOException {
        List<ObjectNode> lines = JsonLines.readWhile(file, line -> isUpTo(line, state.step()));
        List<Long> steps =
                lines.stream().filter(line -> line.has(Trainer.LOSS)).map(RunMetrics::step).toList();
        int inOrder = 0;
        while (inOrder < steps.size() && steps.get(inOrder) == inOrder + 1) {
            inOrder++;
        }
        if (inOrder < steps.size() || inOrder != state.step()) {
            throw lacks("lines of steps up to the saved state are %d, expected %d, one for each in order"
                    .formatted(steps.size(), state.step()));
        }
        long evaluated = RunProgress.evaluatedStep(state);
        boolean isThere = lines.stream()
                .anyMatch(line -> line.has(Trainer.VALIDATION_LOSS) && step(line) == evaluated);
        if (evaluated >= 0 && !isThere) {
            throw lacks("has no validation of step %d, which the saved state of step %d has seen"
                    .formatted(evaluated, state.step()));
        }
    }

    /// Cuts off what came after a state, which a run that goes on does again.
    ///
    /// @param step of the state
    void cutAfter(long step) throws IOException {
        JsonLines.keepWhile(file, line -> isUpTo(line, step));
    }

    private CheckpointException lacks(String what) {
        return new CheckpointException("%s: %s; only --overwrite starts again without them".formatted(file, what));
    }

    private static boolean isUpTo(ObjectNode line, long step) {
        return step(line) <= step;
    }

    private static long step(ObjectNode line) {
        return line.path("step").asLong();
    }
}
