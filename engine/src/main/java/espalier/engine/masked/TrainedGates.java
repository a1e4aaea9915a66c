package espalier.engine.masked;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.adapt.LoraWeights;
import espalier.engine.gates.GateMask;
import espalier.engine.gates.GateSample;
import espalier.engine.gates.GateState;
import espalier.engine.gates.GateTraining;
import espalier.engine.gates.Lagrangian;
import espalier.engine.gates.MaskValues;
import espalier.engine.gates.WidthRule;
import espalier.engine.model.HostCopy;
import espalier.engine.model.Parameter;
import espalier.engine.train.RunState;
import espalier.engine.train.TrainedBeside;
import espalier.kernels.Ops;
import espalier.kernels.Workspace;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Gates and multipliers of a run, and the snapshots that are taken of its student.
final class TrainedGates implements TrainedBeside, AutoCloseable {
    private static final String LOG_ALPHA = "gates.log_alpha";
    private static final String MULTIPLIERS = "gates.multipliers";
    private static final String UPDATES = "gates.updates";
    private static final String SNAPSHOTS = "teachers.snapshots";
    private static final String REACHED = "teachers.reached";
    private static final String REMAINING = "teachers.remaining_then";

    private final MaskTraining.Request request;
    private final GateTraining training;
    private final Optional<LoraWeights> adapters;
    private final Optional<TeacherSchedule> teachers;
    private final SnapshotStore store;
    private final Ops ops;
    private final Workspace memory;
    private final Parameter gradients;
    private final List<StepNote> notes;
    private final double[] taskGradient;

    private GateTraining.Penalty penalty;
    private double realised;
    /// Steps done when the last penalty was found; -1 before there was one.
    private long penaltyStep = -1;

    /// @param training of the gates; belongs to this
    /// @param request of the run
    /// @param adapters of the student, which snapshots copy
    /// @param teachers asks for snapshots; empty if none are wanted
    /// @param store where they go
    /// @param notes what else is told of a step
    /// @param ops the backend
    TrainedGates(
            GateTraining training,
            MaskTraining.Request request,
            Optional<LoraWeights> adapters,
            Optional<TeacherSchedule> teachers,
            SnapshotStore store,
            List<StepNote> notes,
            Ops ops) {
        this.request = request;
        this.training = training;
        this.adapters = adapters;
        this.teachers = teachers;
        this.store = store;
        this.notes = List.copyOf(notes);
        this.ops = ops;
        this.memory = ops.newWorkspace();
        this.taskGradient = new double[training.size()];
        // The tree of micro-batches adds these; nothing steps the value.
        this.gradients = new Parameter(
                LOG_ALPHA, memory.takeZeros(1, training.size()), memory.takeZeros(1, training.size()));
    }

    /// @return log-alphas with their gradients, `[1, gates]`, of which only the gradients are used
    Parameter gradients() {
        return gradients;
    }

    /// @param step steps of the run done before
    /// @return whether its student has masks
    boolean areOn(long step) {
        return step >= request.method().stepsWithoutMasks();
    }

    /// @return whether they were stepped at all
    boolean areTrained() {
        return training.updates() > 0;
    }

    private long gatedSteps(long step) {
        return step - request.method().stepsWithoutMasks();
    }

    /// @param step steps of the run done before, with masks
    /// @param microBatch of the step
    /// @return the draw of all its tokens
    GateSample sample(long step, int microBatch) {
        return training.sample(gatedSteps(step), microBatch);
    }

    /// Sets the gradients of log-alphas to those of a micro-batch.
    ///
    /// @param sample its draw
    /// @param dValues of the mask's values
    void setGradient(GateSample sample, MaskValues dValues) {
        double[] gradient = sample.gradient(dValues);
        float[] floats = new float[gradient.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) gradient[i];
        }
        ops.fromHost(floats, gradients.gradient());
    }

    /// @param widths that may be left
    /// @return the mask outside training
    GateMask deterministic(WidthRule widths) {
        return training.deterministic(widths);
    }

    /// @return a copy of the log-alphas, one per gate
    double[] logAlpha() {
        return training.logAlpha();
    }

    /// @return snapshots that were taken
    int snapshots() {
        return teachers.map(TeacherSchedule::size).orElse(0);
    }

    @Override
    public double penalty(long step) {
        if (!areOn(step)) {
            return 0;
        }
        float[] floats = HostCopy.of(ops, gradients.gradient());
        boolean isFinite = true;
        for (int i = 0; i < floats.length; i++) {
            taskGradient[i] = floats[i];
            isFinite &= Float.isFinite(floats[i]);
        }
        penalty = training.penalty(gatedSteps(step));
        realised = training.sparsity().realised(deterministic(WidthRule.FREE));
        penaltyStep = step;
        return isFinite ? penalty.value() : Double.NaN;
    }

    @Override
    public void step(long step) throws IOException {
        if (!areOn(step)) {
            return;
        }
        long remaining = request.settings().steps() - step;
        if (teachers.isPresent() && teachers.get().record(penalty.expected(), remaining)) {
            store.add(new Snapshot(
                    teachers.get().size() - 1, step, penalty.expected(), realised,
                    deterministic(WidthRule.FREE).values(), adapters.map(LoraWeights::state)));
        }
        training.step(taskGradient, penalty);
    }

    @Override
    public void describe(ObjectNode metrics) {
        notes.forEach(note -> note.describe(metrics));
        if (penaltyStep < 0) {
            metrics.put("stage", "adapters");
            return;
        }
        Lagrangian lagrangian = training.lagrangian();
        metrics.put("stage", gatedSteps(penaltyStep) < request.sparsity().warmup() ? "pruning" : "target");
        metrics.put("penalty", penalty.value());
        metrics.put("expected_sparsity", penalty.expected());
        metrics.put("realised_sparsity", realised);
        metrics.put("wanted_sparsity", penalty.wanted());
        metrics.put("lambda1", lagrangian.lambda1());
        metrics.put("lambda2", lagrangian.lambda2());
        teachers.ifPresent(schedule -> metrics.put("snapshots", schedule.size()));
    }

    @Override
    public String inWords() {
        if (penaltyStep < 0) {
            return "adapters alone";
        }
        Lagrangian lagrangian = training.lagrangian();
        String own = "sparsity %.3f of %.3f (mask %.3f), λ %.3g %.3g".formatted(
                penalty.expected(), penalty.wanted(), realised, lagrangian.lambda1(), lagrangian.lambda2());
        return Stream.concat(Stream.of(own), notes.stream().map(StepNote::inWords))
                .filter(text -> !text.isEmpty())
                .collect(Collectors.joining(", "));
    }

    @Override
    public void addTo(Map<String, String> values, List<RunState.Values> tensors) {
        GateState state = training.state();
        values.put(UPDATES, Long.toString(state.updates()));
        add(tensors, LOG_ALPHA, state.logAlpha());
        add(tensors, MULTIPLIERS, state.multipliers());
        teachers.map(TeacherSchedule::state).ifPresent(schedule -> {
            values.put(SNAPSHOTS, Integer.toString(schedule.snapshots()));
            values.put(REACHED, Boolean.toString(schedule.isReached()));
            values.put(REMAINING, Long.toString(schedule.remainingThen()));
        });
    }

    private static void add(List<RunState.Values> tensors, String name, GateState.Vector vector) {
        int n = vector.values().length;
        tensors.add(new RunState.Values(name, 1, n, vector.values()));
        tensors.add(new RunState.Values("m." + name, 1, n, vector.m()));
        tensors.add(new RunState.Values("v." + name, 1, n, vector.v()));
    }

    /// @param gates how many there are
    /// @param request what to train
    /// @param state where a run was left
    /// @throws IllegalArgumentException naming what it lacks, has another length, or does not fit the teachers wanted
    static void check(int gates, MaskTraining.Request request, RunState state) {
        Map<String, float[]> tensors = RunState.Values.byName(state.tensors());
        check(tensors, LOG_ALPHA, gates);
        check(tensors, MULTIPLIERS, 2);
        updates(state);
        request.schedule().ifPresent(schedule -> restore(schedule, state));
    }

    private static void check(Map<String, float[]> tensors, String name, int expected) {
        GateState.Vector vector = vector(tensors, name);
        for (float[] part : List.of(vector.values(), vector.m(), vector.v())) {
            if (part.length != expected) {
                throw new IllegalArgumentException("tensor %s of the saved state has %d values, expected %d"
                        .formatted(name, part.length, expected));
            }
        }
    }

    @Override
    public void restore(RunState state) {
        Map<String, float[]> tensors = RunState.Values.byName(state.tensors());
        training.restore(new GateState(updates(state), vector(tensors, LOG_ALPHA), vector(tensors, MULTIPLIERS)));
        teachers.ifPresent(schedule -> restore(schedule, state));
    }

    private static long updates(RunState state) {
        return Long.parseLong(state.value(UPDATES));
    }

    private static void restore(TeacherSchedule schedule, RunState state) {
        schedule.restore(new TeacherSchedule.State(
                Integer.parseInt(state.value(SNAPSHOTS)),
                Boolean.parseBoolean(state.value(REACHED)),
                Long.parseLong(state.value(REMAINING))));
    }

    private static GateState.Vector vector(Map<String, float[]> tensors, String name) {
        return new GateState.Vector(
                require(tensors, name), require(tensors, "m." + name), require(tensors, "v." + name));
    }

    private static float[] require(Map<String, float[]> tensors, String name) {
        float[] values = tensors.get(name);
        if (values == null) {
            throw new IllegalArgumentException("the saved state has no tensor " + name);
        }
        return values;
    }

    /// Which state predicts best says nothing: the first ones have lost nothing yet.
    @Override
    public boolean resultsInBest() {
        return false;
    }

    @Override
    public void close() {
        memory.close();
    }
}
