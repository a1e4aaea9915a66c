package espalier.bench;

import espalier.engine.gates.GateBlock;
import espalier.engine.gates.GateFamily;
import espalier.engine.gates.GateLayout;
import espalier.engine.gates.GateSparsity;
import espalier.engine.gates.HardConcrete;
import espalier.engine.train.RunState;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Philox;
import java.util.ArrayList;
import java.util.List;

/// Log-alphas as they are late in a run: each at an end of its range, drawn for each key/value group and FFN channel by
/// itself. Residual channels stay, as their zeros make no product smaller.
///
/// @param layout the gates, of groups
/// @param logAlpha one per gate
record DrawnState(GateLayout layout, double[] logAlpha) {
    private static final long SEED = 3;
    private static final String LOG_ALPHA = "gates.log_alpha";
    private static final String MULTIPLIERS = "gates.multipliers";

    /// @param layout the gates, of groups
    /// @param zeros chance of each to have the smallest log-alpha, of which a few in a hundred are drawn open all the
    ///     same
    /// @return the same for the same arguments
    static DrawnState of(GateLayout layout, double zeros) {
        double[] logAlpha = new double[layout.size()];
        Philox random = new Philox(SEED, 0);
        for (GateBlock block : layout.blocks()) {
            for (int i = block.offset(); i < block.end(); i++) {
                boolean closes = block.family() != GateFamily.HIDDEN && random.uniform(i) < zeros;
                logAlpha[i] = closes ? HardConcrete.MIN_LOG_ALPHA : HardConcrete.MAX_LOG_ALPHA;
            }
        }
        return new DrawnState(layout, logAlpha);
    }

    /// @return expected sparsity, which a run from here on aims at
    double expected() {
        return new GateSparsity(layout).expected(logAlpha);
    }

    /// @return widths that are expected to be open in each layer
    List<LayerWidths> widths() {
        List<LayerWidths> widths = new ArrayList<>();
        for (int layer = 0; layer < layout.model().layers().size(); layer++) {
            LayerShape shape = layout.model().layers().get(layer);
            int[] queries = shape.queriesPerKv();
            GateBlock groups = layout.block(GateFamily.HEADS, layer).orElseThrow();
            double openQueries = 0;
            for (int group = 0; group < queries.length; group++) {
                openQueries += queries[group] * HardConcrete.keep(logAlpha[groups.offset() + group]);
            }
            double openFfn = open(layout.block(GateFamily.FFN, layer).orElseThrow());
            widths.add(new LayerWidths(openQueries * shape.headDim(), open(groups) * shape.headDim(), openFfn));
        }
        return widths;
    }

    private double open(GateBlock block) {
        double open = 0;
        for (int i = block.offset(); i < block.end(); i++) {
            open += HardConcrete.keep(logAlpha[i]);
        }
        return open;
    }

    /// @param state of a run with these gates
    /// @return the same with these log-alphas, and gates and multipliers that have not moved before
    RunState in(RunState state) {
        List<RunState.Values> tensors = new ArrayList<>();
        for (RunState.Values tensor : state.tensors()) {
            boolean isOfGates = tensor.name().endsWith(LOG_ALPHA) || tensor.name().endsWith(MULTIPLIERS);
            float[] data = isOfGates ? new float[tensor.data().length] : tensor.data();
            if (tensor.name().equals(LOG_ALPHA)) {
                for (int i = 0; i < data.length; i++) {
                    data[i] = (float) logAlpha[i];
                }
            }
            tensors.add(new RunState.Values(tensor.name(), tensor.rows(), tensor.cols(), data));
        }
        return new RunState(state.step(), state.values(), tensors);
    }
}
