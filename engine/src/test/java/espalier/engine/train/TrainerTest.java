package espalier.engine.train;

import static espalier.engine.testing.Compare.relativeError;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.Parameter;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Workspace;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongPredicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// The loop itself, on a loss whose gradients are known: half the squared distance of a parameter from each token id.
class TrainerTest {
    private static final TrainingSettings SETTINGS = new TrainingSettings(12, 4, 3, 5, 0, 4, 5);

    private final Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
    private final Workspace memory = ops.newWorkspace();

    @AfterEach
    void close() {
        memory.close();
        ops.close();
    }

    /// Labels are tokens; every token is one.
    private final class Distance implements Objective {
        final Parameter parameter = new Parameter("p", memory.takeZeros(1, 1), memory.takeZeros(1, 1));
        final List<MicroBatch> parts = new ArrayList<>();
        LongPredicate poisoned = step -> false;

        @Override
        public List<Parameter> parameters() {
            return List.of(parameter);
        }

        float value() {
            float[] host = new float[1];
            ops.toHost(parameter.value(), host);
            return host[0];
        }

        @Override
        public LossSum train(MicroBatch part) {
            parts.add(part);
            float[] gradient = new float[1];
            ops.toHost(parameter.gradient(), gradient);
            for (Example example : part.examples().list()) {
                for (int i = Math.max(1, example.firstLabel()); i < example.ids().length; i++) {
                    gradient[0] += (float) (part.scale() * (value() - example.ids()[i]));
                }
            }
            if (poisoned.test(part.step())) {
                gradient[0] = Float.NaN;
            }
            ops.fromHost(gradient, parameter.gradient());
            return evaluate(part.examples());
        }

        @Override
        public LossSum evaluate(Examples examples) {
            double sum = 0;
            long labels = 0;
            for (Example example : examples.list()) {
                for (int i = Math.max(1, example.firstLabel()); i < example.ids().length; i++) {
                    sum += 0.5 * Math.pow(value() - example.ids()[i], 2);
                    labels++;
                }
            }
            return new LossSum(sum, labels, examples.tokens());
        }
    }

    /// A record in memory.
    private static final class Memory implements RunRecord {
        final List<RunState> states = new ArrayList<>();
        final List<ObjectNode> lines = new ArrayList<>();

        @Override
        public Optional<RunState> latest() {
            return states.isEmpty() ? Optional.empty() : Optional.of(states.getLast());
        }

        @Override
        public void save(RunState state) {
            states.add(state);
        }

        @Override
        public void append(ObjectNode metrics) {
            lines.add(metrics);
        }
    }

    private static Examples examples(int count) {
        List<Example> list = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int[] ids = new int[2 + i % 3];
            for (int j = 0; j < ids.length; j++) {
                ids[j] = i + j;
            }
            list.add(new Example(ids, 1));
        }
        return new Examples(list);
    }

    private Trainer.Outcome run(
            Distance objective, TrainingSettings settings, Examples training, RunRecord record, TrainingWatch watch)
            throws IOException {
        LearningRate rate = new LearningRate(0.3, LearningRate.Shape.LINEAR, 2, settings.steps());
        AdamW.Group group = new AdamW.Group(objective.parameters(), AdamW.Settings.DEFAULT, rate);
        try (AdamW optimiser = new AdamW(List.of(group), ops);
                Trainer trainer = new Trainer(
                        objective, optimiser, settings, training, examples(3), "base", record, watch, ops)) {
            return trainer.run();
        }
    }

    @Test
    void theLossFallsAndIsReported() throws IOException {
        Memory record = new Memory();
        Trainer.Outcome outcome = run(new Distance(), SETTINGS, examples(10), record, TrainingWatch.NONE);
        assertTrue(outcome.isComplete());
        assertEquals(12, outcome.steps());
        assertTrue(outcome.validationLoss() < outcome.initialValidationLoss(), outcome.toString());
        List<Long> validated = record.lines.stream()
                .filter(line -> line.has("validation_loss"))
                .map(line -> line.get("step").longValue())
                .toList();
        assertEquals(List.of(0L, 4L, 8L, 12L), validated);
        assertEquals(12, record.lines.stream().filter(line -> line.has("loss")).count());
        // After each validation and every five steps.
        assertEquals(List.of(0L, 4L, 5L, 8L, 10L, 12L), record.states.stream().map(RunState::step).toList());
    }

    @Test
    void theScaleIsOneOverTheLabelsOfTheWholeBatch() throws IOException {
        Distance objective = new Distance();
        run(objective, SETTINGS, examples(10), RunRecord.NONE, TrainingWatch.NONE);
        Objective.MicroBatch first = objective.parts.get(0);
        Objective.MicroBatch second = objective.parts.get(1);
        assertEquals(3, first.examples().size());
        assertEquals(1, second.examples().size());
        assertEquals(0, first.firstRow());
        assertEquals(3, second.firstRow());
        long labels = first.examples().tokens() - 3 + second.examples().tokens() - 1;
        assertEquals(1.0 / labels, first.scale());
        assertEquals(1.0 / labels, second.scale());
    }

    @Test
    void theBestStateIsTheOneWithTheSmallestValidationLoss() throws IOException {
        Memory record = new Memory();
        // Training data far away from the validation data: it passes them and goes on.
        Distance objective = new Distance();
        Trainer.Outcome outcome = run(
                objective,
                new TrainingSettings(40, 4, 4, 5, 0, 1, 100),
                new Examples(List.of(new Example(new int[] {0, 100}, 1))),
                record,
                TrainingWatch.NONE);
        double smallest = record.lines.stream()
                .filter(line -> line.has("validation_loss") && line.get("step").longValue() > 0)
                .mapToDouble(line -> line.get("validation_loss").doubleValue())
                .min()
                .orElseThrow();
        assertEquals(smallest, outcome.validationLoss());
        assertTrue(outcome.bestStep() < 40, "the last state must not be the best here");
        assertEquals(1, outcome.best().size());
        assertFalse(outcome.best().getFirst().data()[0] == objective.value());
    }

    /// Stops before each step, in the middle of a step and in the middle of a validation, and goes on in a new process's
    /// place: with new objects and the saved state.
    @Test
    void aRunThatWasStoppedGoesOnBitForBit() throws IOException {
        Memory whole = new Memory();
        Trainer.Outcome expected = run(new Distance(), SETTINGS, examples(10), whole, TrainingWatch.NONE);
        for (int questions = 0; questions < 60; questions++) {
            Memory record = new Memory();
            int allowed = questions;
            Trainer.Outcome first = run(new Distance(), SETTINGS, examples(10), record, new TrainingWatch() {
                private int asked;

                @Override
                public boolean isStopRequested() {
                    return asked++ >= allowed;
                }
            });
            Trainer.Outcome outcome = first.isComplete()
                    ? first
                    : run(new Distance(), SETTINGS, examples(10), record, TrainingWatch.NONE);
            assertTrue(outcome.isComplete());
            assertSame(whole.latest().orElseThrow(), record.latest().orElseThrow());
            assertEquals(whole.lines.size(), record.lines.size(), "lines after a stop at question " + questions);
            assertEquals(expected.bestStep(), outcome.bestStep());
            assertEquals(expected.tokens(), outcome.tokens());
            assertArrayEquals(expected.best().getFirst().data(), outcome.best().getFirst().data());
        }
    }

    /// A kill without notice loses what came after the last saved state, and goes on from there.
    @Test
    void anyEarlierStateLeadsToTheSameEnd() throws IOException {
        Memory whole = new Memory();
        run(new Distance(), SETTINGS, examples(10), whole, TrainingWatch.NONE);
        for (RunState state : whole.states) {
            Memory record = new Memory();
            record.states.add(state);
            run(new Distance(), SETTINGS, examples(10), record, TrainingWatch.NONE);
            assertSame(whole.latest().orElseThrow(), record.latest().orElseThrow());
        }
    }

    private static void assertSame(RunState expected, RunState actual) {
        assertEquals(expected.step(), actual.step());
        expected.values().forEach((key, value) -> {
            if (!key.endsWith("seconds")) {
                assertEquals(value, actual.values().get(key), key);
            }
        });
        assertEquals(expected.tensors().size(), actual.tensors().size());
        for (int i = 0; i < expected.tensors().size(); i++) {
            assertEquals(expected.tensors().get(i).name(), actual.tensors().get(i).name());
            assertArrayEquals(expected.tensors().get(i).data(), actual.tensors().get(i).data());
        }
    }

    @Test
    void theCutIntoMicroBatchesChangesNothingButRounding() throws IOException {
        float[][] values = new float[3][];
        int[] cuts = {1, 2, 4};
        for (int i = 0; i < cuts.length; i++) {
            Distance objective = new Distance();
            run(objective, new TrainingSettings(12, 4, cuts[i], 5, 0.5, 4, 5), examples(10), RunRecord.NONE,
                    TrainingWatch.NONE);
            values[i] = new float[] {objective.value()};
        }
        assertTrue(relativeError(values[0], values[1]) < 1e-6);
        assertTrue(relativeError(values[0], values[2]) < 1e-6);
    }

    @Test
    void stepsThatAreNotFiniteAreSkippedAndCounted() throws IOException {
        Distance objective = new Distance();
        objective.poisoned = step -> step >= 3 && step < 6;
        Memory record = new Memory();
        Trainer.Outcome outcome = run(objective, SETTINGS, examples(10), record, TrainingWatch.NONE);
        assertEquals(3, outcome.skippedSteps());
        assertEquals("9", record.latest().orElseThrow().values().get("updates"));
        assertTrue(Float.isFinite(objective.value()));
        List<ObjectNode> skipped = record.lines.stream().filter(line -> line.has("skipped")).toList();
        assertEquals(3, skipped.size());
        assertTrue(skipped.getFirst().get("gradient_norm").isNull(), "NaN is no JSON");
    }

    @Test
    void tenSkippedStepsInARowEndTheRunWithTheLastGoodStateSaved() {
        Distance objective = new Distance();
        objective.poisoned = step -> step >= 1;
        Memory record = new Memory();
        ArithmeticException e = assertThrows(
                ArithmeticException.class,
                () -> run(objective, new TrainingSettings(30, 4, 4, 5, 0, 50, 50), examples(10), record,
                        TrainingWatch.NONE));
        assertEquals(
                "10 steps in a row, up to step 11, had a loss or a gradient that is not finite; they changed nothing,"
                        + " and the last good parameters are saved",
                e.getMessage());
        RunState saved = record.latest().orElseThrow();
        assertEquals(11, saved.step());
        assertTrue(saved.tensors().stream().allMatch(tensor -> Float.isFinite(tensor.data()[0])));
    }

    @Test
    void aStateOfAnotherBaseIsNotCompared() throws IOException {
        Memory record = new Memory();
        run(new Distance(), SETTINGS, examples(10), record, TrainingWatch.NONE);
        RunState last = record.latest().orElseThrow();
        Map<String, String> values = new HashMap<>(last.values());
        values.put("validation_data", "another base");
        values.put("best_validation", "0.0");
        record.states.add(new RunState(last.step(), values, last.tensors()));
        Trainer.Outcome outcome = run(new Distance(), SETTINGS, examples(10), record, TrainingWatch.NONE);
        assertTrue(outcome.validationLoss() > 0, "measured anew, though the step had been validated");
        assertEquals(12, outcome.bestStep());
    }

    @Test
    void aBatchWithoutLabelsChangesNothing() throws IOException {
        Distance objective = new Distance();
        Examples nothing = new Examples(List.of(new Example(new int[] {3, 4}, 2)));
        Trainer.Outcome outcome = run(objective, SETTINGS, nothing, RunRecord.NONE, TrainingWatch.NONE);
        assertEquals(0, objective.value());
        assertTrue(Double.isNaN(outcome.loss()), "a mean of nothing is no loss");
        assertEquals(0, outcome.skippedSteps());
    }
}
