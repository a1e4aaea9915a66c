package espalier.engine.model;

import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A [Pass] cut to what lives of a model: gates, gradients and adapters hold the entries of live heads and FFN channels
/// only. From [LiveModel#begin].
///
/// Where something is left out, gradients are added to copies; [#scatterGradients] brings them back. Until then the
/// whole gradients must stay as they are.
public final class LivePass {
    private final Ops ops;
    private final Workspace ws;
    private final List<Part> gradients = new ArrayList<>();
    private final Pass pass;

    /// Some rows or columns of a tensor.
    private record Part(Tensor whole, Tensor part, Axis axis, int[] at) {}

    private LivePass(Pass whole, List<LiveLayer> live, Ops ops, Workspace ws) {
        this.ops = ops;
        this.ws = ws;
        this.pass = new Pass(
                gates(whole.gates(), live, false),
                gates(whole.gateGradients(), live, true),
                adapters(whole.adapters(), live),
                whole.weightGradients(),
                whole.dropout());
    }

    static LivePass of(Pass whole, List<LiveLayer> live, Ops ops, Workspace ws) {
        return new LivePass(whole, live, ops, ws);
    }

    /// @return what to run [LiveModel#model] with
    public Pass pass() {
        return pass;
    }

    /// Brings the gradients back to the tensors of the whole pass, after its backward: += in what lives, unchanged
    /// elsewhere.
    public void scatterGradients() {
        for (Part gradient : gradients) {
            switch (gradient.axis) {
                case ROWS -> ops.scatterRows(gradient.whole, gradient.part, gradient.at);
                case COLUMNS -> ops.scatterColumns(gradient.whole, gradient.part, gradient.at);
            }
        }
    }

    private Gates gates(Gates whole, List<LiveLayer> live, boolean areGradients) {
        List<Tensor> heads = new ArrayList<>();
        List<Tensor> ffn = new ArrayList<>();
        for (int i = 0; i < live.size(); i++) {
            Optional<int[]> liveHeads = live.get(i).heads().map(LiveHeads::heads);
            heads.add(some(whole.heads().get(i), Axis.COLUMNS, liveHeads, areGradients));
            ffn.add(some(whole.ffn().get(i), Axis.COLUMNS, live.get(i).ffn(), areGradients));
        }
        return new Gates(heads, ffn, whole.hidden(), whole.skippedLayers(), whole.normDivisor());
    }

    private Adapters adapters(Adapters whole, List<LiveLayer> live) {
        Map<String, LoraAdapter> byModule = new HashMap<>();
        for (int i = 0; i < live.size(); i++) {
            for (Site site : Site.values()) {
                Optional<LoraAdapter> adapter = whole.get(i, site);
                if (adapter.isPresent()) {
                    LiveLayer units = live.get(i);
                    byModule.put(site.module(i), some(adapter.get(), units.outputs(site), units.inputs(site)));
                }
            }
        }
        return new Adapters(byModule);
    }

    private LoraAdapter some(LoraAdapter adapter, Optional<int[]> rows, Optional<int[]> cols) {
        return new LoraAdapter(
                some(adapter.a(), Axis.COLUMNS, cols, false),
                some(adapter.b(), Axis.ROWS, rows, false),
                adapter.scale(),
                some(adapter.dA(), Axis.COLUMNS, cols, true),
                some(adapter.dB(), Axis.ROWS, rows, true));
    }

    /// The tensor itself where all of it lives or where it is absent. A gradient's copy begins with what it holds.
    private Tensor some(Tensor whole, Axis axis, Optional<int[]> at, boolean isGradient) {
        if (at.isEmpty() || !whole.isPresent()) {
            return whole;
        }
        int n = at.get().length;
        Tensor part = switch (axis) {
            case ROWS -> ws.take(n, whole.cols());
            case COLUMNS -> ws.take(whole.rows(), n);
        };
        switch (axis) {
            case ROWS -> ops.gatherRows(part, whole, at.get());
            case COLUMNS -> ops.gatherColumns(part, whole, at.get());
        }
        if (isGradient) {
            gradients.add(new Part(whole, part, axis, at.get()));
        }
        return part;
    }
}
