package espalier.engine.model;

import espalier.kernels.Tensor;
import java.util.List;

/// The result of a forward pass up to the final norm; the vocabulary comes in only at the [LmHead].
public final class Hidden {
    private final Batch batch;
    private final Tensor normed;
    private final Tensor rstd;
    private final List<Tensor> states;
    private final List<LayerTape> tapes;

    Hidden(Batch batch, Tensor normed, Tensor rstd, List<Tensor> states, List<LayerTape> tapes) {
        this.batch = batch;
        this.normed = normed;
        this.rstd = rstd;
        this.states = List.copyOf(states);
        this.tapes = List.copyOf(tapes);
    }

    /// @return the tokens
    public Batch batch() {
        return batch;
    }

    /// @return `[tokens, hidden]`, after the final norm
    public Tensor normed() {
        return normed;
    }

    /// @return the raw residual stream: element 0 is the gated embedding, element `l` what layer `l - 1` put out, all
    ///     `[tokens, hidden]`; only the last element after a pass that kept nothing
    public List<Tensor> states() {
        return states;
    }

    Tensor rstd() {
        return rstd;
    }

    /// One for each layer, [LayerTape#NONE] where activations were not kept; none after a pass that kept nothing.
    List<LayerTape> tapes() {
        return tapes;
    }
}
