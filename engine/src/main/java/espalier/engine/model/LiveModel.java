package espalier.engine.model;

import espalier.engine.weights.LayerShape;
import espalier.kernels.Check;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;

/// A model that computes nothing for heads and FFN channels whose gate is exactly 0.
///
/// The rows and columns that live are copied out of a layer's frozen weights when the pass comes to it, which costs as
/// much as reading them, and the one forward and backward run on narrower shapes. A key/value head is left out when no
/// live query head reads it. What a pass gives is the same but for the order of sums, except that gates at 0 get no
/// gradient: none would reach their log-alpha (l0-masks.md §5). Where one is wanted all the same, the layer runs whole.
///
/// One object serves all steps, and teacher and student by turns; it holds the copies of one layer. A block of a layer
/// of which less than [#LEAST_DEAD] is at 0 runs whole, on the weights it has, packed or not.
public final class LiveModel implements AutoCloseable {
    /// Share of a layer's heads, or of its FFN channels, from which on leaving them out is worth the copies. The two
    /// that forward and backward make took 0.6 to 0.9% of the time of the products of 2048 tokens with BF16 weights,
    /// 1 to 2.3% with F32 (SmolLM2's FFN, AVX-512), and for fewer tokens accordingly more.
    static final double LEAST_DEAD = 0.03;
    private static final int NO_LAYER = -1;

    private final Model whole;
    private final double leastDead;
    private final Model model;
    private final Workspace copies;
    private List<LiveLayer> live;
    private DecoderLayer layer;
    private int layerIndex = NO_LAYER;

    /// @param whole stays open as long as this; all its layers are in memory
    public LiveModel(Model whole) {
        this(whole, LEAST_DEAD);
    }

    private LiveModel(Model whole, double leastDead) {
        this.whole = whole;
        this.leastDead = leastDead;
        this.live = Collections.nCopies(whole.shape().layers().size(), LiveLayer.WHOLE);
        this.copies = Workload.reserved(mostCopyBytes(), whole.ops());
        this.model = whole.withLayers(this::layer);
    }

    /// One that computes everything, so that gates at 0 get their gradients, too: what the others are compared with.
    ///
    /// @param whole as in the constructor
    /// @return leaves nothing out
    public static LiveModel leavingNothingOut(Model whole) {
        return new LiveModel(whole, Double.POSITIVE_INFINITY);
    }

    /// Widths change from pass to pass. In blocks as large as the layers so far, one that is a little wider would find
    /// no room, and memory would grow for as long as a run lasts.
    private long mostCopyBytes() {
        return IntStream.range(0, live.size())
                .mapToLong(index -> whole.layer(index).gatheredBytes(whole.ops()))
                .max()
                .orElse(0);
    }

    /// @return runs what [LivePass#pass] says, over batches without a cache; its shape is that of the whole model
    public Model model() {
        return model;
    }

    /// Looks which gates are exactly 0 and leaves out what they multiply. The pass before this one is over.
    ///
    /// @param pass a role that trains no base weights
    /// @param ws holds the gates and adapters of what lives, until the backward is over
    /// @return what to run [#model] with
    /// @throws IllegalArgumentException if gates are of another shape than the model, if base weights are trained, or
    ///     if there is dropout on what a trained adapter of o_proj or down_proj reads: its masks belong to columns that
    ///     move
    public LivePass begin(Pass pass, Workspace ws) {
        return begin(pass, Set.of(), ws);
    }

    /// The same with layers of which nothing is left out.
    ///
    /// @param pass as in [#begin(Pass, Workspace)]
    /// @param wholeLayers 0-based layers whose gates at 0 get their gradients, too
    /// @param ws as in [#begin(Pass, Workspace)]
    /// @return what to run [#model] with
    public LivePass begin(Pass pass, Set<Integer> wholeLayers, Workspace ws) {
        requireShape("gates", pass.gates());
        requireShape("gate gradients", pass.gateGradients());
        requireFixedColumns(pass);
        List<LiveLayer> next = new ArrayList<>();
        for (int i = 0; i < live.size(); i++) {
            boolean isWhole = wholeLayers.contains(i) || pass.gates().skippedLayers().contains(i);
            next.add(isWhole ? LiveLayer.WHOLE : liveLayer(i, pass.gates()));
        }
        live = next;
        layerIndex = NO_LAYER;
        return LivePass.of(pass, live, whole.ops(), ws);
    }

    private void requireShape(String name, Gates gates) {
        List<LayerShape> layers = whole.shape().layers();
        if (gates.heads().size() != layers.size()) {
            throw new IllegalArgumentException(
                    "%s of %d layers, the model has %d".formatted(name, gates.heads().size(), layers.size()));
        }
        for (int i = 0; i < layers.size(); i++) {
            String ofLayer = name + " of layer " + i;
            Check.shapeIfPresent(ofLayer + ", heads", gates.heads().get(i), 1, layers.get(i).heads());
            Check.shapeIfPresent(ofLayer + ", ffn", gates.ffn().get(i), 1, layers.get(i).ffn());
        }
    }

    private void requireFixedColumns(Pass pass) {
        if (pass.weightGradients() != WeightGradients.NONE) {
            throw new IllegalArgumentException("gradients of base weights need the whole model");
        }
        for (int i = 0; pass.dropout().isOn() && i < live.size(); i++) {
            for (Site site : List.of(Site.O_PROJ, Site.DOWN_PROJ)) {
                if (pass.adapters().get(i, site).filter(LoraAdapter::isTrained).isPresent()) {
                    throw new IllegalArgumentException(
                            "dropout before the adapter of " + site.module(i) + " needs the whole model");
                }
            }
        }
    }

    private LiveLayer liveLayer(int index, Gates gates) {
        return new LiveLayer(
                live(gates.heads().get(index)).map(heads -> LiveHeads.of(whole.layer(index).heads(), heads)),
                live(gates.ffn().get(index)));
    }

    /// Entries that are not 0; empty if all or nearly all are not.
    private Optional<int[]> live(Tensor gates) {
        float[] values = new float[gates.cols()];
        if (gates.isPresent()) {
            whole.ops().toHost(gates, values);
        }
        int[] some = IntStream.range(0, values.length).filter(i -> values[i] != 0).toArray();
        int dead = values.length - some.length;
        return dead == 0 || dead < leastDead * values.length ? Optional.empty() : Optional.of(some);
    }

    private DecoderLayer layer(int index) {
        LiveLayer units = live.get(index);
        if (units.isWhole()) {
            return whole.layer(index);
        }
        if (index != layerIndex) {
            // Until the new layer is complete there is none.
            layerIndex = NO_LAYER;
            copies.release(0);
            layer = whole.layer(index).gathered(units, whole.ops(), copies);
            layerIndex = index;
        }
        return layer;
    }

    /// Frees the copies; the whole model stays open.
    @Override
    public void close() {
        model.close();
        copies.close();
    }
}
