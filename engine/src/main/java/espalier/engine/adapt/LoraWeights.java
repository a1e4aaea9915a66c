package espalier.engine.adapt;

import espalier.engine.model.Adapters;
import espalier.engine.model.HostCopy;
import espalier.engine.model.LoraAdapter;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Parameter;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Adapters in the memory of a backend, which this object owns, with their gradients where they are trained.
///
/// Whoever changes the tensors, as an optimiser does, must not do so while a pass runs.
public final class LoraWeights implements AutoCloseable {
    private final ModelShape shape;
    private final LoraSettings settings;
    private final List<LoraModule> modules;
    private final Ops ops;
    private final Workspace memory;
    private final Map<String, LoraAdapter> byModule = new LinkedHashMap<>();
    private final boolean trained;

    private LoraWeights(LoraState state, boolean trained, Ops ops) {
        this.shape = state.shape();
        this.settings = state.settings();
        this.modules = state.factors().stream().map(LoraFactors::module).toList();
        this.trained = trained;
        this.ops = ops;
        this.memory = ops.newWorkspace();
    }

    /// Adapters to train; their gradients are zero.
    ///
    /// @param state initial values
    /// @param ops the backend; it must stay open as long as this
    /// @return the adapters
    public static LoraWeights trained(LoraState state, Ops ops) {
        return load(state, true, ops);
    }

    /// Adapters to run.
    ///
    /// @param state values
    /// @param ops the backend; it must stay open as long as this
    /// @return the adapters, without gradients
    public static LoraWeights frozen(LoraState state, Ops ops) {
        return load(state, false, ops);
    }

    private static LoraWeights load(LoraState state, boolean trained, Ops ops) {
        LoraWeights weights = new LoraWeights(state, trained, ops);
        try {
            state.factors().forEach(weights::add);
            return weights;
        } catch (Throwable e) {
            weights.close();
            throw e;
        }
    }

    private void add(LoraFactors factors) {
        LoraModule module = factors.module();
        Tensor a = memory.take(module.rank(), module.in());
        Tensor b = memory.take(module.out(), module.rank());
        ops.fromHost(factors.a(), a);
        ops.fromHost(factors.b(), b);
        Tensor dA = trained ? memory.takeZeros(module.rank(), module.in()) : Tensor.NONE;
        Tensor dB = trained ? memory.takeZeros(module.out(), module.rank()) : Tensor.NONE;
        byModule.put(module.name(), new LoraAdapter(a, b, module.scale(), dA, dB));
    }

    /// @return what a pass takes: its backward adds to the gradients if these adapters are trained
    public Adapters adapters() {
        return new Adapters(byModule);
    }

    /// @return the same tensors for a pass that trains nothing, such as a validation
    public Adapters frozenAdapters() {
        Map<String, LoraAdapter> frozen = new LinkedHashMap<>();
        byModule.forEach((name, adapter) ->
                frozen.put(name, LoraAdapter.frozen(adapter.a(), adapter.b(), adapter.scale())));
        return new Adapters(frozen);
    }

    /// @return what an optimiser steps, A before B, in the order of a forward pass
    /// @throws IllegalStateException if these adapters are not trained
    public List<Parameter> parameters() {
        requireTrained();
        List<Parameter> parameters = new ArrayList<>();
        for (LoraModule module : modules) {
            LoraAdapter adapter = byModule.get(module.name());
            parameters.add(new Parameter(module.nameA(), adapter.a(), adapter.dA()));
            parameters.add(new Parameter(module.nameB(), adapter.b(), adapter.dB()));
        }
        return List.copyOf(parameters);
    }

    /// @return number of trained values, 0 for frozen adapters
    public long trainableCount() {
        return trained ? modules.stream().mapToLong(LoraModule::parameters).sum() : 0;
    }

    /// Sets every gradient to zero.
    ///
    /// @throws IllegalStateException if these adapters are not trained
    public void zeroGradients() {
        parameters().forEach(parameter -> ops.fill(parameter.gradient(), 0));
    }

    private void requireTrained() {
        if (!trained) {
            throw new IllegalStateException("these adapters are frozen, so they have no parameters to train");
        }
    }

    /// @return a copy of the present values
    public LoraState state() {
        List<LoraFactors> factors = new ArrayList<>();
        for (LoraModule module : modules) {
            LoraAdapter adapter = byModule.get(module.name());
            factors.add(new LoraFactors(module, HostCopy.of(ops, adapter.a()), HostCopy.of(ops, adapter.b())));
        }
        return new LoraState(shape, settings, factors);
    }

    /// @return bytes of factors and gradients held
    public long heldBytes() {
        return memory.heldBytes();
    }

    /// Frees the tensors; no pass may use them any more.
    @Override
    public void close() {
        memory.close();
    }
}
