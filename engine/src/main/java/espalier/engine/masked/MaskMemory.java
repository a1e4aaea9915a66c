package espalier.engine.masked;

import espalier.engine.adapt.LoraModule;
import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.gates.GateLayout;
import espalier.engine.gates.GateSettings;
import espalier.engine.model.MemoryPlan;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Workload;
import espalier.engine.train.TrainingMemory;
import espalier.engine.weights.LayerShape;
import java.util.List;
import java.util.Optional;

/// What a run that trains masks holds, from shapes alone. What it writes afterwards needs the memory of a pruning
/// without gradients, [espalier.engine.prune.PruningMemory#withoutGradients], when that of the run is free again.
///
/// @param shape of the model
/// @param weightBytes of its mapped files
/// @param gates which units have gates
/// @param adapters of the student; empty if masks are trained alone
/// @param hasTeacher whether a snapshot of the student teaches it
public record MaskMemory(
        ModelShape shape, long weightBytes, GateSettings gates, Optional<LoraSettings> adapters, boolean hasTeacher) {
    /// Of each gate on the host: log-alpha and its moments, and what a step makes of them: a draw, its gradients, the
    /// expected sparsity, the deterministic mask with its order, much of it in F64. Measured 184, and 24
    /// go to the backend and back.
    private static final long HOST_BYTES_OF_A_GATE = 240;
    /// A snapshot on its way from or to the disk, beside the teacher that is in use.
    private static final int COPIES_OF_A_SNAPSHOT = 2;

    /// @param shape of the model
    /// @param weightBytes of its mapped files
    /// @param request what to train
    /// @return the work of a micro-batch, and what is held beside
    /// @throws IllegalArgumentException if a sequence is longer than the context or has an unknown id
    static Workload workload(ModelShape shape, long weightBytes, MaskTraining.Request request) {
        MaskMemory memory = new MaskMemory(
                shape, weightBytes, request.gates(), request.adapters().map(LoraState::settings),
                request.method() instanceof MaskMethod.NutePrune);
        return memory.with(new TrainingMemory(
                        shape, weightBytes, memory.trained(), request.settings(), request.training(),
                        request.validation())
                .workload());
    }

    /// @param batch sequences of a step
    /// @param microBatch sequences that are run at once
    /// @param longest tokens of a sequence
    /// @return the work of a micro-batch, and what is held beside, but for the data
    public Workload workload(int batch, int microBatch, int longest) {
        return with(TrainingMemory.workload(shape, weightBytes, trained(), batch, microBatch, longest));
    }

    /// A gate counts as an element of an adapter does: its gradient, the sums of micro-batches, its part of a saved
    /// state; the host has moments of its own.
    private long trained() {
        return modules().stream().mapToLong(LoraModule::parameters).sum() + gateCount();
    }

    private long gateCount() {
        return new GateLayout(shape, gates).size();
    }

    private List<LoraModule> modules() {
        return adapters.map(settings -> settings.modules(shape)).orElse(List.of());
    }

    private Workload with(Workload training) {
        Workload work = training.withGates().withRoles(roles());
        if (adapters.isPresent()) {
            int rank = modules().stream().mapToInt(LoraModule::rank).max().orElse(0);
            work = work.withAdapters(new Workload.AdaptersPerLayer(
                    adapters.get().targets(), rank, adapters.get().dropout() > 0));
        }
        if (hasTeacher) {
            work = work.withTeacher().with("teacher", teacher());
        }
        return work.with("gates", HOST_BYTES_OF_A_GATE * gateCount()).with("live_layer", liveLayer());
    }

    /// The student's masks and their gradients; of each role what a [espalier.engine.model.LiveModel] narrows, the
    /// student's with gradients.
    private long roles() {
        int narrowed = hasTeacher ? 3 : 2;
        return 2 * maskBytes() + narrowed * (layerMaskBytes() + narrowedAdapterBytes());
    }

    private long maskBytes() {
        return layerMaskBytes() + (gates.hidden() ? Workload.tensorBytes(shape.hidden()) : 0);
    }

    private long layerMaskBytes() {
        long bytes = 0;
        for (LayerShape layer : shape.layers()) {
            bytes += gates.heads() ? Workload.tensorBytes(layer.heads()) : 0;
            bytes += gates.ffn() ? Workload.tensorBytes(layer.ffn()) : 0;
        }
        return bytes;
    }

    /// Rows of B where outputs leave, columns of A where inputs do.
    private long narrowedAdapterBytes() {
        return modules().stream()
                .mapToLong(module -> Workload.tensorBytes((long) module.rank() * switch (module.site()) {
                    case Q_PROJ, K_PROJ, V_PROJ, GATE_PROJ, UP_PROJ -> module.out();
                    case O_PROJ, DOWN_PROJ -> module.in();
                }))
                .sum();
    }

    private long teacher() {
        long adapterBytes = modules().stream()
                .mapToLong(module -> Workload.tensorBytes((long) module.rank() * module.in())
                        + Workload.tensorBytes((long) module.out() * module.rank()))
                .sum();
        return MemoryPlan.grown(maskBytes())
                + MemoryPlan.grown(adapterBytes)
                + COPIES_OF_A_SNAPSHOT * (maskBytes() + adapterBytes);
    }

    /// The copies of a [espalier.engine.model.LiveModel] of one layer, at most all of it. Norms, which would make an
    /// element smaller, are not counted.
    private long liveLayer() {
        long hidden = shape.hidden();
        long largest = 0;
        long all = hidden * shape.vocab() * (shape.tied() ? 1 : 2);
        for (LayerShape layer : shape.layers()) {
            long elements = hidden * (2L * layer.queryWidth() + 2L * layer.kvWidth() + 3L * layer.ffn());
            largest = Math.max(largest, elements);
            all += elements;
        }
        return Math.round(largest * ((double) weightBytes / all));
    }
}
