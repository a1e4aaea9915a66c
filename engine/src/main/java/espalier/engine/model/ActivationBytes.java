package espalier.engine.model;

import espalier.engine.weights.LayerShape;
import java.util.List;

/// What a [Workload] takes from its workspace, counted as `Model`, `DecoderLayer`, its blocks and `LmHead` take it: a
/// change there needs one here, and a test compares the two.
///
/// Counted for every token: what is smaller where some tokens have no target is not. Adapters are taken to be in every
/// layer.
///
/// @param work what is run
record ActivationBytes(Workload work) {
    /// Tensors begin at multiples of as many bytes.
    static final int ALIGNMENT = 64;

    /// @return bytes of a tensor `[tokens, width]`
    private long of(long width) {
        return aligned(Math.multiplyExact(work.tokens(), width));
    }

    /// @param elements of a tensor
    /// @return bytes that it takes
    static long aligned(long elements) {
        return Math.ceilDiv(Math.multiplyExact(elements, Float.BYTES), (long) ALIGNMENT) * ALIGNMENT;
    }

    private ModelShape shape() {
        return work.shape();
    }

    private long hidden() {
        return of(shape().hidden());
    }

    /// What stays after the forward passes: states and tapes, the teacher's included.
    long kept(Keep keep) {
        List<LayerShape> layers = shape().layers();
        long bytes = work.roleBytes() + states();
        for (int layer = 0; layer < layers.size(); layer++) {
            bytes += keep.hasActivations(layer, layers.size()) ? tape(layers.get(layer)) : 0;
        }
        return bytes + (work.hasTeacher() ? states() : 0);
    }

    /// What is held at most at a time.
    long peak(Keep keep) {
        return Math.max(forwardPeak(keep), kept(keep) + hidden() + Math.max(lossPeak(), backwardPeak(keep)));
    }

    /// The final norm and its rstd; the gated embedding, and what each layer puts out.
    private long states() {
        return hidden() + of(1) + (shape().layers().size() + 1) * hidden();
    }

    /// While a layer is run, the outputs of later ones are not there yet, nor are their tapes.
    private long forwardPeak(Keep keep) {
        List<LayerShape> layers = shape().layers();
        long bytes = work.roleBytes() + (work.hasTeacher() ? states() : 0) + hidden() + of(1) + hidden();
        long peak = bytes;
        for (int layer = 0; layer < layers.size(); layer++) {
            bytes += hidden();
            peak = Math.max(peak, bytes + layerForward(layers.get(layer)));
            bytes += keep.hasActivations(layer, layers.size()) ? tape(layers.get(layer)) : 0;
        }
        return peak;
    }

    /// The middle of the stream, and what the two halves keep.
    private long tape(LayerShape layer) {
        return hidden() + attentionKept(layer) + hidden() + of(1) + 2 * of(layer.ffn());
    }

    private long attentionKept(LayerShape layer) {
        return hidden() + of(1) + 2 * of(layer.queryWidth()) + 2 * of(layer.kvWidth()) + of(layer.heads());
    }

    private long layerForward(LayerShape layer) {
        long attention = hidden() + attentionKept(layer) + Math.max(
                widest(Site.Q_PROJ, Site.K_PROJ, Site.V_PROJ, adapterForward(shape().hidden())),
                gated(of(layer.queryWidth())) + gated(hidden()) + adapterForward(Site.O_PROJ, layer.queryWidth()));
        long feedForward = tape(layer) + Math.max(
                widest(Site.GATE_PROJ, Site.UP_PROJ, Site.UP_PROJ, adapterForward(shape().hidden())),
                of(layer.ffn()) + gated(hidden()) + adapterForward(Site.DOWN_PROJ, layer.ffn()));
        return Math.max(attention, feedForward);
    }

    /// The rows that have a target and their gradient, then the logits of a chunk; or those of both roles.
    private long lossPeak() {
        long rows = Math.min(work.tokens(), LmHead.chunkRows(shape().vocab()));
        long logits = aligned(Math.multiplyExact(rows, (long) shape().vocab()));
        return work.hasTeacher() ? 2 * logits : 2 * hidden() + logits;
    }

    /// The gradient that travels, the output of a layer that is computed again; its tape, and what its backward takes.
    private long backwardPeak(Keep keep) {
        List<LayerShape> layers = shape().layers();
        long peak = gated(hidden());
        for (int layer = 0; layer < layers.size(); layer++) {
            LayerShape widths = layers.get(layer);
            peak = Math.max(peak, keep.hasActivations(layer, layers.size())
                    ? layerBackward(widths)
                    : Math.max(layerForward(widths), tape(widths) + layerBackward(widths)));
        }
        boolean isComputedAgain = keep.lastLayers() < layers.size();
        return hidden() + (isComputedAgain ? hidden() : 0) + peak;
    }

    private long layerBackward(LayerShape layer) {
        long ffn = of(layer.ffn());
        long feedForward = 3 * ffn + Math.max(
                2 * gated(hidden()) + adapterBackward(Site.DOWN_PROJ, layer.ffn()),
                hidden() + widest(Site.GATE_PROJ, Site.UP_PROJ, Site.UP_PROJ, adapterBackward(shape().hidden())));
        long query = of(layer.queryWidth());
        long attention = query + gated(query) + Math.max(
                2 * gated(hidden()) + adapterBackward(Site.O_PROJ, layer.queryWidth()),
                query + 2 * of(layer.kvWidth()) + hidden()
                        + widest(Site.Q_PROJ, Site.K_PROJ, Site.V_PROJ, adapterBackward(shape().hidden())));
        return Math.max(feedForward, attention);
    }

    private long gated(long bytes) {
        return work.hasGates() ? bytes : 0;
    }

    /// The adapter's bytes if one of the sites has one.
    private long widest(Site a, Site b, Site c, long bytes) {
        return has(a) || has(b) || has(c) ? bytes : 0;
    }

    private boolean has(Site site) {
        return work.adapters().sites().contains(site);
    }

    private long adapterForward(Site site, int in) {
        return has(site) ? adapterForward(in) : 0;
    }

    private long adapterBackward(Site site, int in) {
        return has(site) ? adapterBackward(in) : 0;
    }

    /// Its input with dropout, and the low-rank product.
    private long adapterForward(int in) {
        return (work.adapters().hasDropout() ? of(in) : 0) + of(work.adapters().rank());
    }

    /// The gradient of the low-rank product, then again what the forward took; or the gradient of the dropped input.
    private long adapterBackward(int in) {
        return of(work.adapters().rank()) + adapterForward(in);
    }
}
