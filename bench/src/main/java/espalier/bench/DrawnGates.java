package espalier.bench;

import espalier.engine.model.Gates;
import espalier.engine.model.ModelShape;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/// Gates of 0 and 1, drawn for each layer by itself: FFN channels one by one, the query heads of a key/value head
/// together, so that keys and values leave with them.
///
/// @param heads per layer, a value for each query head
/// @param ffn per layer, a value for each channel
/// @param live widths of what is not at 0
record DrawnGates(List<float[]> heads, List<float[]> ffn, List<LayerShape> live) {
    private static final long SEED = 3;

    /// @param shape the model
    /// @param zeros chance of each draw to be 0
    /// @return the same for the same arguments
    static DrawnGates of(ModelShape shape, double zeros) {
        DrawnGates gates = new DrawnGates(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        for (int layer = 0; layer < shape.layers().size(); layer++) {
            gates.add(layer, shape.layers().get(layer), zeros);
        }
        return gates;
    }

    private void add(int layer, LayerShape widths, double zeros) {
        float[] groups = draw(new Philox(SEED, 2L * layer), widths.kvHeads(), zeros);
        float[] channels = draw(new Philox(SEED, 2L * layer + 1), widths.ffn(), zeros);
        int[] kvOfQuery = widths.headMap().kvOfQuery();
        float[] queries = new float[widths.heads()];
        int[] liveQueries = new int[widths.kvHeads()];
        for (int head = 0; head < queries.length; head++) {
            queries[head] = groups[kvOfQuery[head]];
            liveQueries[kvOfQuery[head]] += (int) queries[head];
        }
        heads.add(queries);
        ffn.add(channels);
        live.add(new LayerShape(
                Arrays.stream(liveQueries).filter(n -> n > 0).toArray(), widths.headDim(), ones(channels)));
    }

    private static float[] draw(Philox random, int n, double zeros) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = random.uniformFloat(i) < zeros ? 0 : 1;
        }
        return values;
    }

    private static int ones(float[] values) {
        int ones = 0;
        for (float value : values) {
            ones += (int) value;
        }
        return ones;
    }

    /// @param hidden gates of the residual stream
    /// @param ops the backend
    /// @param memory holds the gates of heads and FFN
    /// @return as a pass takes them
    Gates onBackend(Tensor hidden, Ops ops, Workspace memory) {
        return new Gates(
                heads.stream().map(values -> copy(values, ops, memory)).toList(),
                ffn.stream().map(values -> copy(values, ops, memory)).toList(),
                hidden, Set.of(), 0);
    }

    private static Tensor copy(float[] values, Ops ops, Workspace memory) {
        Tensor tensor = memory.take(1, values.length);
        ops.fromHost(values, tensor);
        return tensor;
    }
}
