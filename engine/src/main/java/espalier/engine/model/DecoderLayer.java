package espalier.engine.model;

import espalier.engine.weights.LayerShape;
import espalier.kernels.HeadMap;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import java.util.List;
import java.util.stream.Stream;

/// One Llama-family decoder layer, forward and backward. Holds weights only; activations belong to a [LayerTape].
public final class DecoderLayer {
    private final AttentionBlock attention;
    private final FeedForwardBlock feedForward;

    private DecoderLayer(AttentionBlock attention, FeedForwardBlock feedForward) {
        this.attention = attention;
        this.feedForward = feedForward;
    }

    /// @param tensors of the model
    /// @param shape of the model
    /// @param layer index of the layer
    /// @return the layer
    /// @throws IllegalArgumentException naming the first tensor that is missing or has another shape
    static DecoderLayer of(ModelTensors tensors, ModelShape shape, int layer) {
        Loader loader = new Loader(tensors, shape, layer);
        LayerShape widths = shape.layers().get(layer);
        boolean qkvBias = shape.biases().qkv();
        boolean mlpBias = shape.biases().mlp();
        AttentionBlock attention = new AttentionBlock(
                loader.norm(NormSite.INPUT),
                loader.projection(Site.Q_PROJ, widths.queryWidth(), shape.hidden(), qkvBias),
                loader.projection(Site.K_PROJ, widths.kvWidth(), shape.hidden(), qkvBias),
                loader.projection(Site.V_PROJ, widths.kvWidth(), shape.hidden(), qkvBias),
                loader.projection(Site.O_PROJ, shape.hidden(), widths.queryWidth(), shape.biases().o()),
                widths.headMap());
        FeedForwardBlock feedForward = new FeedForwardBlock(
                loader.norm(NormSite.POST_ATTENTION),
                loader.projection(Site.GATE_PROJ, widths.ffn(), shape.hidden(), mlpBias),
                loader.projection(Site.UP_PROJ, widths.ffn(), shape.hidden(), mlpBias),
                loader.projection(Site.DOWN_PROJ, shape.hidden(), widths.ffn(), mlpBias));
        return new DecoderLayer(attention, feedForward);
    }

    private record Loader(ModelTensors tensors, ModelShape shape, int layer) {
        Norm norm(NormSite site) {
            return Norm.of(tensors, shape, site, layer);
        }

        Projection projection(Site site, int out, int in, boolean hasBias) {
            String module = site.module(layer);
            Weight weight = tensors.matrix(module + ".weight", out, in);
            Tensor bias = hasBias ? tensors.vector(module + ".bias", out) : Tensor.NONE;
            return new Projection(site, weight, bias);
        }
    }

    /// Bytes that [#packed] takes.
    long packedBytes(Ops ops) {
        return Stream.of(attention.projections(), feedForward.projections())
                .flatMap(List::stream)
                .mapToLong(projection -> ops.packedBytes(projection.weight()))
                .sum();
    }

    /// The same with copies of its weights for products with many rows.
    DecoderLayer packed(Ops ops, Workspace copies) {
        return new DecoderLayer(attention.packed(ops, copies), feedForward.packed(ops, copies));
    }

    /// Bytes that [#gathered] takes at most.
    long gatheredBytes(Ops ops) {
        return Stream.of(attention.projections(), feedForward.projections())
                .flatMap(List::stream)
                .mapToLong(projection -> projection.gatheredBytes(ops))
                .sum();
    }

    HeadMap heads() {
        return attention.heads();
    }

    /// The same with copies of the parts that live of its weights; a block that is whole keeps its own.
    DecoderLayer gathered(LiveLayer live, Ops ops, Workspace copies) {
        return new DecoderLayer(attention.gathered(live, ops, copies), feedForward.gathered(live, ops, copies));
    }

    /// @param y `[tokens, hidden]`, =
    /// @param x `[tokens, hidden]`
    /// @param call what the layer is run with; its workspace keeps the activations
    /// @return the activations; whoever took the workspace's mark before decides how long they stay
    LayerTape forward(Tensor y, Tensor x, LayerCall call) {
        Tensor middle = call.ws().take(x.rows(), x.cols());
        AttentionBlock.Kept first = attention.forward(middle, x, call);
        FeedForwardBlock.Kept second = feedForward.forward(y, middle, call);
        return new LayerTape(x, middle, first, second);
    }

    /// @param d `[tokens, hidden]`: the gradient of the layer's output on entry, of its input on return
    /// @param tape from the forward with the same call
    /// @param call as in the forward
    void backward(Tensor d, LayerTape tape, LayerCall call) {
        feedForward.backward(d, tape.middle(), tape.feedForward(), call);
        attention.backward(d, tape.input(), tape.attention(), call);
    }
}
