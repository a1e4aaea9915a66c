package espalier.engine.model;

import espalier.engine.model.Step.Signal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Who produces and who consumes each channel of a model: its forward pass with everything left out but tensors, widths
/// and index maps. Groups, gates, surgery, sizes and export read only this, so a new family of models is a new
/// declaration ([Architecture]) and nothing else.
///
/// @param shape the model
/// @param tensors every tensor of the checkpoint, once, in the order in which a forward pass reads them
/// @param steps the forward pass
public record ChannelGraph(ModelShape shape, List<TensorShape> tensors, List<Step> steps) {
    /// Copies the lists.
    public ChannelGraph {
        tensors = List.copyOf(tensors);
        steps = List.copyOf(steps);
    }

    /// @param name a tensor's name
    /// @return its shape
    /// @throws IllegalArgumentException if the model has no such tensor
    public TensorShape tensor(String name) {
        return tensors.stream()
                .filter(tensor -> tensor.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("the model has no tensor " + name));
    }

    /// Records a forward pass. Each method appends one step and returns what it computes.
    public static final class Builder {
        private final ModelShape shape;
        private final Map<String, TensorShape> tensors = new LinkedHashMap<>();
        private final List<Step> steps = new ArrayList<>();
        private int layer = Space.WHOLE_MODEL;
        private int signals;

        /// @param shape decides all widths
        public Builder(ModelShape shape) {
            this.shape = shape;
        }

        /// @param newLayer the decoder layer that following steps belong to, or [Space#WHOLE_MODEL]
        public void layer(int newLayer) {
            layer = newLayer;
        }

        /// @param module the embedding; its tensor is `module.weight`
        /// @return the embedded tokens
        public Signal embed(String module) {
            TensorShape weight = tensor(TensorShape.matrix(
                    module + ".weight", layer, List.of(Space.VOCAB), List.of(Space.HIDDEN), shape));
            Signal out = signal(Space.HIDDEN);
            steps.add(new Step.Embed(layer, weight, out));
            return out;
        }

        /// @param module the norm; its tensor is `module.weight`
        /// @param in what is normalised
        /// @return the normalised signal
        public Signal norm(String module, Signal in) {
            TensorShape weight = tensor(TensorShape.vector(module + ".weight", layer, List.of(in.space()), shape));
            Signal out = signal(in.space());
            steps.add(new Step.Norm(layer, weight, in, out));
            return out;
        }

        /// @param module a norm over single heads; its tensor is `module.weight`
        /// @param in queries or keys of this layer
        /// @return the normalised signal
        public Signal headNorm(String module, Signal in) {
            TensorShape weight =
                    tensor(TensorShape.vector(module + ".weight", layer, List.of(Space.head(layer)), shape));
            Signal out = signal(in.space());
            steps.add(new Step.HeadNorm(layer, weight, in, out));
            return out;
        }

        /// A projection. Naming a module a second time, with the same shape, shares its tensor: a tied lm_head.
        ///
        /// @param module its tensors are `module.weight` and perhaps `module.bias`
        /// @param in what it reads
        /// @param out the channels it writes
        /// @param bias whether it has a bias
        /// @return its output
        public Signal linear(String module, Signal in, Space out, boolean bias) {
            return fusedLinear(module, in, List.of(out), bias).getFirst();
        }

        /// A projection whose rows write several signals.
        ///
        /// @param module its tensors are `module.weight` and perhaps `module.bias`
        /// @param in what it reads
        /// @param outs the channels it writes, in the order of its rows
        /// @param bias whether it has a bias
        /// @return its outputs
        public List<Signal> fusedLinear(String module, Signal in, List<Space> outs, boolean bias) {
            TensorShape weight =
                    tensor(TensorShape.matrix(module + ".weight", layer, outs, List.of(in.space()), shape));
            Optional<TensorShape> biasVector = bias
                    ? Optional.of(tensor(TensorShape.vector(module + ".bias", layer, outs, shape)))
                    : Optional.empty();
            List<Signal> signalsOut = outs.stream().map(this::signal).toList();
            steps.add(new Step.Linear(layer, weight, biasVector, in, signalsOut));
            return signalsOut;
        }

        /// @param query queries of this layer
        /// @param key keys
        /// @param value values
        /// @return each head's output, side by side
        public Signal attend(Signal query, Signal key, Signal value) {
            Signal out = signal(query.space());
            steps.add(new Step.Attend(layer, query, key, value, shape.layers().get(layer).headMap(), out));
            return out;
        }

        /// @param gate before the activation
        /// @param up its factor
        /// @return `silu(gate) * up`
        public Signal swiGlu(Signal gate, Signal up) {
            Signal out = signal(gate.space());
            steps.add(new Step.SwiGlu(layer, gate, up, out));
            return out;
        }

        /// @param residual the stream
        /// @param branch what is added to it
        /// @return the sum
        public Signal add(Signal residual, Signal branch) {
            Signal out = signal(residual.space());
            steps.add(new Step.Add(layer, residual, branch, out));
            return out;
        }

        /// @return what was recorded
        public ChannelGraph build() {
            return new ChannelGraph(shape, List.copyOf(tensors.values()), steps);
        }

        private Signal signal(Space space) {
            return new Signal(signals++, space, space.width(shape));
        }

        private TensorShape tensor(TensorShape tensor) {
            TensorShape known = tensors.putIfAbsent(tensor.name(), tensor);
            if (known != null && !known.equals(tensor)) {
                throw new IllegalArgumentException("tensor %s is declared as %s and as %s"
                        .formatted(tensor.name(), known.dims(), tensor.dims()));
            }
            return tensor;
        }
    }
}
