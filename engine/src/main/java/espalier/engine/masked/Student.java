package espalier.engine.masked;

import espalier.engine.adapt.LoraWeights;
import espalier.engine.gates.GateLayout;
import espalier.engine.gates.GateTraining;
import espalier.engine.model.LiveModel;
import espalier.engine.model.Model;
import espalier.engine.model.Parameter;
import espalier.kernels.Ops;
import java.util.List;
import java.util.Optional;

/// The roles of a run on its one model: a student, what it has of its own, and what it learns from.
///
/// @param live runs all roles
/// @param task what is learnt
/// @param gates of the student
/// @param adapters of the student, if it has any
/// @param terms told of the terms of each step
record Student(LiveModel live, Task task, TrainedGates gates, Optional<LoraWeights> adapters, StepTerms terms)
        implements AutoCloseable {
    /// @param model stays open as long as the student
    /// @param request how it is trained
    /// @param store where snapshots go
    /// @return the student before training
    static Student of(Model model, MaskTraining.Request request, SnapshotStore store) {
        return of(new LiveModel(model), request, store);
    }

    /// @param live belongs to the student
    /// @param request how it is trained
    /// @param store where snapshots go
    /// @return the student before training
    static Student of(LiveModel live, MaskTraining.Request request, SnapshotStore store) {
        Model model = live.model();
        // What can be refused comes before what owns memory.
        GateLayout layout = new GateLayout(model.shape(), request.gates());
        GateTraining training = new GateTraining(layout, request.initialGates(), request.gateTraining());
        Optional<TeacherSchedule> schedule = request.schedule();
        Ops ops = model.ops();
        Optional<LoraWeights> adapters = request.adapters().map(state -> LoraWeights.trained(state, ops));
        Task task = switch (request.method()) {
            case MaskMethod.Compresso _ -> new CrossEntropyTask(live.model().lmHead());
            case MaskMethod.NutePrune method -> new DistillationTask(live, method, new Teachers(
                    schedule.orElseThrow(), store, request.settings().steps(), model.shape(), ops));
        };
        StepTerms terms = new StepTerms();
        TrainedGates gates =
                new TrainedGates(training, request, adapters, schedule, store, List.of(terms, task), ops);
        return new Student(live, task, gates, adapters, terms);
    }

    /// @return what the optimiser steps; none if masks are trained alone
    List<Parameter> adapterParameters() {
        return adapters.map(LoraWeights::parameters).orElse(List.of());
    }

    @Override
    public void close() {
        gates.close();
        task.close();
        adapters.ifPresent(LoraWeights::close);
        live.close();
    }
}
