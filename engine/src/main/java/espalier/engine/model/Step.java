package espalier.engine.model;

import espalier.kernels.HeadMap;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// One step of a forward pass, as far as pruning is concerned: which tensor axes carry the channels of which signal,
/// and which signals have the same channels. LLM-Pruner (arXiv 2305.11627, section 3.1) reads the same from a traced
/// autograd graph: a linear layer's rows and columns are independent, so it ties nothing; a norm and an element-wise
/// operation tie what goes in to what comes out.
public sealed interface Step {
    /// @return 0-based decoder layer, or [Space#WHOLE_MODEL]
    int layer();

    /// @return tensor axes along which this step's signals run
    List<Carrier> carriers();

    /// @return signals whose channels can only leave together
    List<Tie> ties();

    /// An activation.
    ///
    /// @param id unique within a graph, ascending in order of execution
    /// @param space its channels
    /// @param width number of channels
    record Signal(int id, Space space, int width) {}

    /// A tensor axis, or a stretch of it, whose channels are those of a signal.
    ///
    /// @param tensor the tensor
    /// @param axis which axis
    /// @param offset first index along the axis; not 0 only in fused matrices
    /// @param signal the signal
    /// @param scored whether the tensor counts towards the importance of a channel; a bias does not
    record Carrier(TensorShape tensor, Axis axis, int offset, Signal signal, boolean scored) {}

    /// Two signals with the same channels, or with channels that are repeated.
    ///
    /// @param from the narrower signal
    /// @param to the wider signal; channel `c` of it is channel `source.of(c)` of `from`
    /// @param source the index map
    /// @param unit consecutive channels of either that can only leave together: `headDim` in attention, otherwise 1
    record Tie(Signal from, Signal to, Source source, int unit) {}

    /// The index map of a [Tie].
    sealed interface Source {
        /// Channel for channel.
        record Same() implements Source {}

        /// Keys and values repeated to the query heads that read them.
        ///
        /// @param heads which key/value head each query head reads
        record Repeat(HeadMap heads) implements Source {}

        /// @param channel a channel of the wider signal
        /// @return the channel of the narrower signal
        default int of(int channel) {
            return switch (this) {
                case Same() -> channel;
                case Repeat(HeadMap heads) ->
                    heads.kvOfQuery()[channel / heads.headDim()] * heads.headDim() + channel % heads.headDim();
            };
        }
    }

    /// Rows of the embedding, looked up.
    ///
    /// @param weight `[vocab, hidden]`
    /// @param out `[hidden]`
    record Embed(int layer, TensorShape weight, Signal out) implements Step {
        @Override
        public List<Carrier> carriers() {
            return List.of(new Carrier(weight, Axis.COLUMNS, 0, out, true));
        }

        @Override
        public List<Tie> ties() {
            return List.of();
        }
    }

    /// A matrix product, with one output or, fused, several.
    ///
    /// @param weight `[out, in]`
    /// @param bias `[out]`
    /// @param in what the columns read
    /// @param outs what the rows write, in the order of the rows
    record Linear(int layer, TensorShape weight, Optional<TensorShape> bias, Signal in, List<Signal> outs)
            implements Step {
        /// Copies the list.
        public Linear {
            outs = List.copyOf(outs);
        }

        @Override
        public List<Carrier> carriers() {
            List<Carrier> carriers = new ArrayList<>();
            carriers.add(new Carrier(weight, Axis.COLUMNS, 0, in, true));
            int offset = 0;
            for (Signal out : outs) {
                carriers.add(new Carrier(weight, Axis.ROWS, offset, out, true));
                if (bias.isPresent()) {
                    carriers.add(new Carrier(bias.get(), Axis.ROWS, offset, out, false));
                }
                offset += out.width();
            }
            return carriers;
        }

        @Override
        public List<Tie> ties() {
            return List.of();
        }
    }

    /// RMSNorm over a whole signal.
    ///
    /// @param weight `[in]`
    /// @param in its input
    /// @param out its output
    record Norm(int layer, TensorShape weight, Signal in, Signal out) implements Step {
        @Override
        public List<Carrier> carriers() {
            return List.of(new Carrier(weight, Axis.ROWS, 0, in, true));
        }

        @Override
        public List<Tie> ties() {
            return List.of(same(in, out));
        }
    }

    /// RMSNorm over each head, with one weight for all heads (Qwen3). The weight belongs to no head, so none carries
    /// it.
    ///
    /// @param weight `[headDim]`
    /// @param in its input
    /// @param out its output
    record HeadNorm(int layer, TensorShape weight, Signal in, Signal out) implements Step {
        @Override
        public List<Carrier> carriers() {
            return List.of();
        }

        @Override
        public List<Tie> ties() {
            return List.of(new Tie(in, out, new Source.Same(), weight.rows()));
        }
    }

    /// Rotary embedding and attention.
    ///
    /// @param query `[heads * headDim]`
    /// @param key `[kvHeads * headDim]`
    /// @param value `[kvHeads * headDim]`
    /// @param heads which key/value head each query head reads
    /// @param out `[heads * headDim]`
    record Attend(int layer, Signal query, Signal key, Signal value, HeadMap heads, Signal out) implements Step {
        @Override
        public List<Carrier> carriers() {
            return List.of();
        }

        @Override
        public List<Tie> ties() {
            int unit = heads.headDim();
            Source repeat = query.width() == key.width() ? new Source.Same() : new Source.Repeat(heads);
            return List.of(
                    new Tie(query, out, new Source.Same(), unit),
                    new Tie(key, out, repeat, unit),
                    new Tie(value, out, repeat, unit));
        }
    }

    /// The gated activation `silu(gate) * up`.
    ///
    /// @param gate `[ffn]`
    /// @param up `[ffn]`
    /// @param out `[ffn]`
    record SwiGlu(int layer, Signal gate, Signal up, Signal out) implements Step {
        @Override
        public List<Carrier> carriers() {
            return List.of();
        }

        @Override
        public List<Tie> ties() {
            return List.of(same(gate, out), same(up, out));
        }
    }

    /// The residual sum.
    ///
    /// @param residual `[hidden]`
    /// @param branch `[hidden]`
    /// @param out `[hidden]`
    record Add(int layer, Signal residual, Signal branch, Signal out) implements Step {
        @Override
        public List<Carrier> carriers() {
            return List.of();
        }

        @Override
        public List<Tie> ties() {
            return List.of(same(residual, out), same(branch, out));
        }
    }

    private static Tie same(Signal from, Signal to) {
        return new Tie(from, to, new Source.Same(), 1);
    }
}
