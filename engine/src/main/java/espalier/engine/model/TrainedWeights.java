package espalier.engine.model;

import espalier.kernels.Check;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/// All weights of a model in F32 with their gradients, for pretraining. A model made of them reads the tensors that the
/// optimiser steps, so it is never behind.
public final class TrainedWeights implements ModelTensors, AutoCloseable {
    private final List<TensorShape> tensors;
    private final Map<String, Parameter> parameters = new LinkedHashMap<>();
    private final Ops ops;
    private final Workspace memory;

    /// @param tensors those of the model, as its [Architecture] declares them
    /// @param initial gives the elements of each, row-major, not kept
    /// @param ops the backend; it must stay open as long as this
    public TrainedWeights(List<TensorShape> tensors, Function<TensorShape, float[]> initial, Ops ops) {
        this.tensors = List.copyOf(tensors);
        this.ops = ops;
        this.memory = ops.newWorkspace();
        try {
            for (TensorShape tensor : tensors) {
                int rows = valueRows(tensor);
                int cols = valueCols(tensor);
                Tensor value = memory.take(rows, cols);
                ops.fromHost(initial.apply(tensor), value);
                parameters.put(tensor.name(), new Parameter(tensor.name(), value, memory.takeZeros(rows, cols)));
            }
        } catch (Throwable e) {
            memory.close();
            throw e;
        }
    }

    /// @param tensor of a model
    /// @return rows of its parameter: a vector is one row
    public static int valueRows(TensorShape tensor) {
        return tensor.isVector() ? 1 : tensor.rows();
    }

    /// @param tensor of a model
    /// @return columns of its parameter
    public static int valueCols(TensorShape tensor) {
        return tensor.isVector() ? tensor.rows() : tensor.cols();
    }

    /// @return embedding, projections and lm_head
    public List<Parameter> matrices() {
        return parameters(false);
    }

    /// @return norms and biases
    public List<Parameter> vectors() {
        return parameters(true);
    }

    private List<Parameter> parameters(boolean vectors) {
        return tensors.stream()
                .filter(tensor -> tensor.isVector() == vectors)
                .map(tensor -> parameters.get(tensor.name()))
                .toList();
    }

    @Override
    public Weight matrix(String name, int rows, int cols) {
        return ops.weightOf(name, value(name, rows, cols));
    }

    @Override
    public Tensor vector(String name, int length) {
        return value(name, 1, length);
    }

    private Tensor value(String name, int rows, int cols) {
        Tensor value = parameter(name).value();
        Check.shape(name, value, rows, cols);
        return value;
    }

    private Parameter parameter(String name) {
        Parameter parameter = parameters.get(name);
        if (parameter == null) {
            throw new IllegalArgumentException("the weights have no tensor " + name);
        }
        return parameter;
    }

    private Tensor gradient(String name) {
        return parameter(name).gradient();
    }

    /// @return adds whole gradients to those of the parameters
    public WeightGradients gradients() {
        return new WeightGradients() {
            @Override
            public void projection(int layer, Site site, Weight weight, Tensor dY, Tensor x) {
                ops.weightGradient(gradient(weight.name()), dY, 0, x, true);
            }

            @Override
            public Tensor bias(int layer, Site site) {
                return gradient(site.module(layer) + ".bias");
            }

            @Override
            public Tensor norm(NormSite site, int layer) {
                return gradient(site.weight(layer));
            }

            @Override
            public Tensor lmHead() {
                return gradient(parameters.containsKey(Model.LM_HEAD) ? Model.LM_HEAD : Model.EMBEDDING);
            }

            @Override
            public boolean wantsVocabulary() {
                return true;
            }

            @Override
            public void vocabulary(VocabularyGradient vocabulary) {
                vocabulary.addEmbedding(gradient(Model.EMBEDDING), 0, 0, vocabulary.batch().tokens());
            }
        };
    }

    /// Frees values and gradients.
    @Override
    public void close() {
        memory.close();
    }
}
