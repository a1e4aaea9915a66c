package espalier.engine.masked;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.train.RunRecord;
import espalier.engine.train.RunState;
import espalier.engine.train.TrainingWatch;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Remembers everything, and asks for a stop after some steps.
final class Remembered implements RunRecord, TrainingWatch {
    final List<ObjectNode> lines = new ArrayList<>();
    final List<String> words = new ArrayList<>();
    RunState state;
    long stopAfter = Long.MAX_VALUE;
    private long done;

    @Override
    public Optional<RunState> latest() {
        return Optional.ofNullable(state);
    }

    @Override
    public void save(RunState saved) {
        state = saved;
    }

    @Override
    public void append(ObjectNode metrics) {
        lines.add(metrics);
    }

    @Override
    public void step(Step step) {
        done = step.step();
        words.add(step.beside());
    }

    @Override
    public boolean isStopRequested() {
        return done >= stopAfter;
    }
}
