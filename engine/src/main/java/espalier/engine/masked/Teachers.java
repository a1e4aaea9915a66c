package espalier.engine.masked;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.adapt.LoraWeights;
import espalier.engine.model.Adapters;
import espalier.engine.model.Gates;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Pass;
import espalier.kernels.Ops;
import espalier.kernels.Workspace;
import java.io.IOException;
import java.util.Optional;
import java.util.OptionalInt;

/// The teachers of a run, of which one is in the memory of the backend.
final class Teachers implements StepNote, AutoCloseable {
    private static final int INTACT = -1;

    private final TeacherSchedule schedule;
    private final SnapshotStore store;
    private final long steps;
    private final ModelShape shape;
    private final Ops ops;
    private final Workspace memory;
    private Optional<LoraWeights> adapters = Optional.empty();
    private int index = INTACT;
    private double sparsity;
    private Pass pass;

    /// @param schedule who teaches when
    /// @param store where snapshots are
    /// @param steps of the run
    /// @param shape of the model
    /// @param ops the backend
    Teachers(TeacherSchedule schedule, SnapshotStore store, long steps, ModelShape shape, Ops ops) {
        this.schedule = schedule;
        this.store = store;
        this.steps = steps;
        this.shape = shape;
        this.ops = ops;
        this.memory = ops.newWorkspace();
        this.pass = Pass.plain(shape.layers().size());
    }

    /// @param step steps of the run done before
    /// @return the role of who teaches that step
    /// @throws IOException if its snapshot cannot be read
    Pass at(long step) throws IOException {
        int wanted = index(step);
        if (wanted != index) {
            forget();
            if (wanted != INTACT) {
                load(store.get(wanted));
            }
            index = wanted;
        }
        return pass;
    }

    private int index(long step) {
        OptionalInt teacher = schedule.teacher(steps - step);
        return teacher.isPresent() ? teacher.getAsInt() : INTACT;
    }

    private void load(Snapshot snapshot) {
        Gates gates = UploadedMasks.upload(snapshot.masks(), shape, ops, memory);
        adapters = snapshot.adapters().map(state -> LoraWeights.frozen(state, ops));
        pass = Pass.frozen(gates, adapters.map(LoraWeights::adapters).orElse(Adapters.NONE));
        sparsity = snapshot.expected();
    }

    private void forget() {
        index = INTACT;
        pass = Pass.plain(shape.layers().size());
        sparsity = 0;
        adapters.ifPresent(LoraWeights::close);
        adapters = Optional.empty();
        memory.release(0);
    }

    @Override
    public void describe(ObjectNode metrics) {
        metrics.put("teacher", index);
        metrics.put("teacher_sparsity", sparsity);
    }

    @Override
    public String inWords() {
        return index == INTACT ? "teacher intact" : "teacher %.3f".formatted(sparsity);
    }

    @Override
    public void close() {
        adapters.ifPresent(LoraWeights::close);
        memory.close();
    }
}
