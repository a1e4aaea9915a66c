package espalier.engine.model;

import espalier.engine.weights.LayerShape;
import espalier.kernels.Ops;
import espalier.kernels.RopeTable;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/// A Llama-family decoder: embedding, layers, final norm. There is one forward pass for every role; what varies comes
/// in the [Pass].
///
/// Not thread-safe: one thread at a time runs it, as a forward may make the table of rotary positions longer, and
/// operations bring threads of their own.
public final class Model implements AutoCloseable {
    /// The embedding's name in a checkpoint.
    static final String EMBEDDING = "model.embed_tokens.weight";
    /// And lm_head's, where they are not tied.
    static final String LM_HEAD = "lm_head.weight";

    private final ModelShape shape;
    private final Ops ops;
    private final Workspace memory;
    private final Weight embedding;
    private final IntFunction<DecoderLayer> layers;
    private final Norm finalNorm;
    private final LmHead lmHead;
    private RopeTable rope;
    private int ropePositions;

    private Model(
            ModelShape shape,
            Ops ops,
            Workspace memory,
            Weight embedding,
            IntFunction<DecoderLayer> layers,
            Norm finalNorm,
            Weight lmHead) {
        this.shape = shape;
        this.ops = ops;
        this.memory = memory;
        this.embedding = embedding;
        this.layers = layers;
        this.finalNorm = finalNorm;
        this.lmHead = new LmHead(lmHead, ops);
    }

    /// @param source of the tensors; it must stay open as long as the model
    /// @param shape which tensors to expect
    /// @param ops the backend
    /// @return the model with all its layers
    /// @throws IllegalArgumentException naming the first tensor that is missing or has another shape, or if layers have
    ///     different head sizes
    public static Model load(WeightSource source, ModelShape shape, Ops ops) {
        Workspace memory = ops.newWorkspace();
        try {
            return of(ModelTensors.of(source, ops, memory), shape, ops, memory);
        } catch (Throwable e) {
            memory.close();
            throw e;
        }
    }

    /// A model whose weights are trained.
    ///
    /// @param weights stay open as long as the model
    /// @param shape which tensors to expect
    /// @param ops the backend
    /// @return the model with all its layers
    /// @throws IllegalArgumentException as above
    public static Model of(ModelTensors weights, ModelShape shape, Ops ops) {
        Workspace memory = ops.newWorkspace();
        try {
            return of(weights, shape, ops, memory);
        } catch (Throwable e) {
            memory.close();
            throw e;
        }
    }

    private static Model of(ModelTensors tensors, ModelShape shape, Ops ops, Workspace memory) {
        List<DecoderLayer> all = IntStream.range(0, shape.layers().size())
                .mapToObj(layer -> DecoderLayer.of(tensors, shape, layer))
                .toList();
        return of(tensors, shape, ops, memory, all::get);
    }

    /// A model that asks for each layer when it comes to it, so that not all need to be in memory.
    ///
    /// @param tensors those outside the layers
    /// @param shape which tensors to expect
    /// @param ops the backend
    /// @param memory freed with the model
    /// @param layers gives layer `i`; the one given before is not used any more
    /// @return the model
    /// @throws IllegalArgumentException as above
    static Model of(
            ModelTensors tensors, ModelShape shape, Ops ops, Workspace memory, IntFunction<DecoderLayer> layers) {
        requireOneHeadDim(shape);
        Weight embedding = tensors.matrix(EMBEDDING, shape.vocab(), shape.hidden());
        Weight head = shape.tied() ? embedding : tensors.matrix(LM_HEAD, shape.vocab(), shape.hidden());
        Norm finalNorm = Norm.of(tensors, shape, NormSite.FINAL, 0);
        return new Model(shape, ops, memory, embedding, layers, finalNorm, head);
    }

    /// Bytes that [#packed] takes.
    ///
    /// @return of all projections and lm_head; 0 where the backend makes no copies
    public long packedBytes() {
        return ops.packedBytes(lmHead.weight())
                + IntStream.range(0, shape.layers().size())
                        .mapToLong(layer -> layers.apply(layer).packedBytes(ops))
                        .sum();
    }

    /// This model with copies of its frozen weights, laid out once for products with many rows instead of in each call.
    /// The bits of its results are the same. For models whose layers are all in memory.
    ///
    /// @param copies holds [#packedBytes]; freed by its owner after the result is closed
    /// @return to be closed before this model
    public Model packed(Workspace copies) {
        List<DecoderLayer> packed = IntStream.range(0, shape.layers().size())
                .mapToObj(layer -> layers.apply(layer).packed(ops, copies))
                .toList();
        return new Model(
                shape, ops, ops.newWorkspace(), embedding, packed::get, finalNorm, ops.pack(lmHead.weight(), copies));
    }

    /// Another handle to the same weights, whose closing leaves them open.
    Model shared() {
        return withLayers(layers);
    }

    /// Likewise, with layers made from this model's.
    ///
    /// @param others gives layer `i`; the one given before is not used any more
    Model withLayers(IntFunction<DecoderLayer> others) {
        return new Model(shape, ops, ops.newWorkspace(), embedding, others, finalNorm, lmHead.weight());
    }

    /// A layer, which may be gone when the next is asked for.
    DecoderLayer layer(int index) {
        return layers.apply(index);
    }

    /// All layers share one table of rotations.
    private static void requireOneHeadDim(ModelShape shape) {
        int[] sizes = shape.layers().stream().mapToInt(LayerShape::headDim).distinct().toArray();
        if (sizes.length > 1) {
            throw new IllegalArgumentException("layers have heads of " + Arrays.toString(sizes)
                    + " channels; a model with more than one head_dim cannot be run");
        }
    }

    /// @return its shape
    public ModelShape shape() {
        return shape;
    }

    /// @return the backend
    public Ops ops() {
        return ops;
    }

    /// @return the only producer of vocabulary-wide data
    public LmHead lmHead() {
        return lmHead;
    }

    Weight embedding() {
        return embedding;
    }

    /// Runs the model up to the final norm.
    ///
    /// @param batch the tokens
    /// @param pass the role
    /// @param keep what stays in the workspace for a backward
    /// @param ws holds the result and what is kept; take a mark before, release it after use
    /// @return hidden states
    /// @throws IllegalArgumentException if an id is not in the vocabulary or a position beyond the context
    public Hidden forward(Batch batch, Pass pass, Keep keep, Workspace ws) {
        checkTokens(batch);
        batch.cache().ifPresent(slots -> slots.cache().reserve(batch));
        List<Tensor> states = new ArrayList<>();
        List<LayerTape> tapes = new ArrayList<>();
        int tokens = batch.tokens();
        Tensor normed = ws.take(tokens, shape.hidden());
        Tensor rstd = ws.take(tokens, 1);
        Tensor x = ws.take(tokens, shape.hidden());
        embed(x, batch, pass);
        LayerCall call = call(0, batch, pass, ws);
        Tensor spare = keep.hasLayerInputs() ? Tensor.NONE : ws.take(tokens, shape.hidden());
        for (int layer = 0; layer < shape.layers().size(); layer++) {
            if (pass.gates().skippedLayers().contains(layer)) {
                states.add(x);
                tapes.add(LayerTape.NONE);
                continue;
            }
            Tensor y = keep.hasLayerInputs() ? ws.take(tokens, shape.hidden()) : spare;
            long mark = ws.mark();
            LayerTape tape = layers.apply(layer).forward(y, x, call.at(layer));
            states.add(x);
            if (keep.hasActivations(layer, shape.layers().size())) {
                tapes.add(tape);
            } else {
                tapes.add(LayerTape.NONE);
                ws.release(mark);
            }
            if (!keep.hasLayerInputs()) {
                spare = x;
            }
            x = y;
        }
        states.add(x);
        finalNorm.forward(normed, rstd, x, call);
        batch.cache().ifPresent(slots -> slots.cache().advance(batch));
        return keep.hasLayerInputs()
                ? new Hidden(batch, normed, rstd, states, tapes)
                : new Hidden(batch, normed, rstd, List.of(x), List.of());
    }

    private void embed(Tensor x, Batch batch, Pass pass) {
        ops.embed(x, embedding, batch.ids());
        if (pass.gates().hidden().isPresent()) {
            ops.gateColumns(x, x, pass.gates().hidden(), 1, false);
        }
    }

    /// Runs one layer alone, for proofs that compare layers.
    ///
    /// @param layer index of the layer
    /// @param x `[tokens, hidden]`, the residual stream before it
    /// @param batch the tokens, without a cache
    /// @param pass the role
    /// @param ws holds the result
    /// @return `[tokens, hidden]`, the residual stream after it
    public Tensor layer(int layer, Tensor x, Batch batch, Pass pass, Workspace ws) {
        Tensor y = ws.take(batch.tokens(), shape.hidden());
        long mark = ws.mark();
        checkTokens(batch);
        layers.apply(layer).forward(y, x, call(layer, batch, pass, ws));
        ws.release(mark);
        return y;
    }

    /// Runs the final norm alone, likewise.
    ///
    /// @param x `[tokens, hidden]`, the residual stream after the last layer
    /// @param batch the tokens
    /// @param pass the role
    /// @param ws holds the result
    /// @return `[tokens, hidden]`
    public Tensor normed(Tensor x, Batch batch, Pass pass, Workspace ws) {
        Tensor normed = ws.take(batch.tokens(), shape.hidden());
        finalNorm.forward(normed, ws.take(batch.tokens(), 1), x, call(0, batch, pass, ws));
        return normed;
    }

    /// Carries a gradient back through the model; adapter, gate and weight gradients go where the pass says.
    ///
    /// @param hidden from a forward that kept at least the layer inputs, over a batch without a cache
    /// @param dNormed `[tokens, hidden]`, gradient of [Hidden#normed]
    /// @param states gradients of losses that look at the residual stream
    /// @param pass as in the forward
    /// @param ws for temporaries
    public void backward(Hidden hidden, Tensor dNormed, StateGradients states, Pass pass, Workspace ws) {
        backward(hidden, dNormed, states, pass, LmHead.Backward.NONE, ws);
    }

    /// Like the other, for passes whose sink wants the gradients of embedding and lm_head.
    ///
    /// @param hidden as above
    /// @param dNormed as above
    /// @param states as above
    /// @param pass as above
    /// @param head the loss that `dNormed` comes from
    /// @param ws for temporaries
    public void backward(
            Hidden hidden, Tensor dNormed, StateGradients states, Pass pass, LmHead.Backward head, Workspace ws) {
        Batch batch = hidden.batch();
        int layerCount = shape.layers().size();
        if (hidden.states().size() != layerCount + 1 || batch.cache().isPresent()) {
            throw new IllegalStateException("a backward needs a forward that kept its layer inputs, without a cache");
        }
        long start = ws.mark();
        Tensor d = ws.takeZeros(batch.tokens(), shape.hidden());
        LayerCall first = call(0, batch, pass, ws);
        finalNorm.backward(d, dNormed, hidden.states().get(layerCount), hidden.rstd(), first);
        Tensor unused = hidden.tapes().stream().allMatch(LayerTape::isKept)
                ? Tensor.NONE
                : ws.take(batch.tokens(), shape.hidden());
        for (int layer = layerCount - 1; layer >= 0; layer--) {
            states.add(layer + 1, d);
            if (pass.gates().skippedLayers().contains(layer)) {
                continue;
            }
            long mark = ws.mark();
            DecoderLayer decoder = layers.apply(layer);
            LayerCall call = first.at(layer);
            LayerTape kept = hidden.tapes().get(layer);
            LayerTape tape = kept.isKept() ? kept : decoder.forward(unused, hidden.states().get(layer), call);
            decoder.backward(d, tape, call);
            ws.release(mark);
        }
        embedBackward(d, batch, pass, ws);
        if (pass.weightGradients().wantsVocabulary()) {
            pass.weightGradients().vocabulary(new VocabularyGradient(this, batch, d, head));
        }
        ws.release(start);
    }

    /// d: gradient of the gated embedding on entry, of the embedding on return.
    private void embedBackward(Tensor d, Batch batch, Pass pass, Workspace ws) {
        Tensor gate = pass.gates().hidden();
        if (!gate.isPresent()) {
            return;
        }
        long mark = ws.mark();
        Tensor embedded = ws.take(d.rows(), d.cols());
        ops.embed(embedded, embedding, batch.ids());
        ops.gateColumnsBackward(d, pass.gateGradients().hidden(), d, embedded, gate, 1);
        ws.release(mark);
    }

    private LayerCall call(int layer, Batch batch, Pass pass, Workspace ws) {
        int[] rows = pass.dropout().isOn() ? batch.rows(pass.dropout().firstRow()) : new int[0];
        return new LayerCall(layer, batch, pass, rope, ops, ws, rows);
    }

    private void checkTokens(Batch batch) {
        for (int id : batch.ids()) {
            if (id < 0 || id >= shape.vocab()) {
                throw new IllegalArgumentException(
                        "token id %d is not in the vocabulary of %d".formatted(id, shape.vocab()));
            }
        }
        int longest = 0;
        for (int position : batch.positions()) {
            longest = Math.max(longest, position + 1);
        }
        if (longest > shape.maxPositions()) {
            throw new IllegalArgumentException(
                    "%d tokens exceed the model's context of %d".formatted(longest, shape.maxPositions()));
        }
        ensureRope(longest);
    }

    /// The table grows by doubling: most runs need a fraction of the longest context.
    private void ensureRope(int positions) {
        if (positions > ropePositions) {
            ropePositions = Math.min(shape.maxPositions(), Math.max(positions, 2 * ropePositions));
            int headDim = shape.layers().isEmpty() ? 2 : shape.layers().getFirst().headDim();
            rope = RopeTable.create(ops, memory, shape.ropeTheta(), headDim, ropePositions);
        }
    }

    @Override
    public void close() {
        memory.close();
    }
}
