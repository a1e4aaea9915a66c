package espalier.engine.adapt;

import espalier.engine.model.Batch;
import espalier.engine.model.DecoderLayer;
import espalier.engine.model.Gates;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.Model;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Pass;
import espalier.engine.model.WeightSource;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.lang.foreign.Arena;

/// The proof that a merged model in F32 equals the model with its adapters: each merged layer is run on the input that
/// the layer had with adapters, and compared with its output token by token, so that a token with outliers does not
/// hide the others. Only one merged layer is in memory at a time.
///
/// @param logits of the model with adapters, `[tokens * vocab]`
/// @param layerDifference largest `|a - b| / |b|` of a token's row after a layer
/// @param where it was found
/// @param logitsDifference `|a - b| / |b|` of the logits when both run from end to end
record MergeProof(float[] logits, double layerDifference, String where, double logitsDifference) {
    static MergeProof run(ModelFolder base, LoraState state, Batch probe) {
        Model model = base.model();
        Ops ops = model.ops();
        int layers = model.shape().layers().size();
        Pass plain = Pass.plain(layers);
        try (LoraWeights adapters = LoraWeights.frozen(state, ops);
                Workspace ws = ops.newWorkspace();
                OneLayer merged = new OneLayer(base.weights(), state, ops)) {
            Pass adapted = Pass.frozen(Gates.open(layers), adapters.adapters());
            Hidden hidden = model.forward(probe, adapted, Keep.LAYER_INPUTS, ws);
            float[] logits = logits(model, hidden.normed(), ws);
            double largest = 0;
            String where = "nowhere";
            for (int layer = 0; layer < layers; layer++) {
                long mark = ws.mark();
                Tensor y = merged.model.layer(layer, hidden.states().get(layer), probe, plain, ws);
                double difference = rowDifference(host(ops, y), host(ops, hidden.states().get(layer + 1)), y.cols());
                ws.release(mark);
                // The negation keeps a NaN.
                if (!(difference <= largest)) {
                    largest = difference;
                    where = "layer " + layer;
                }
            }
            return new MergeProof(logits, largest, where, difference(logits(merged.model, probe, plain), logits));
        }
    }

    /// The merged model, of which the layer in use is in memory.
    private static final class OneLayer implements AutoCloseable {
        private final WeightSource base;
        private final LoraState state;
        private final Ops ops;
        private final Workspace memory;
        private final Model model;
        private Arena arena = Arena.ofShared();
        private DecoderLayer layer;
        private int index = -1;

        OneLayer(WeightSource base, LoraState state, Ops ops) {
            this.base = base;
            this.state = state;
            this.ops = ops;
            this.memory = ops.newWorkspace();
            this.model = Model.load(base, state.shape(), ops, ops.newWorkspace(), this::layer);
        }

        private DecoderLayer layer(int wanted) {
            if (wanted != index) {
                arena.close();
                arena = Arena.ofShared();
                memory.release(0);
                ModelShape shape = state.shape();
                layer = DecoderLayer.load(MergedWeights.of(base, state, arena), shape, wanted, ops, memory);
                index = wanted;
            }
            return layer;
        }

        @Override
        public void close() {
            model.close();
            memory.close();
            arena.close();
        }
    }

    static float[] logits(Model model, Batch batch, Pass pass) {
        try (Workspace ws = model.ops().newWorkspace()) {
            return logits(model, model.forward(batch, pass, Keep.NOTHING, ws).normed(), ws);
        }
    }

    private static float[] logits(Model model, Tensor normed, Workspace ws) {
        int vocab = model.shape().vocab();
        float[] all = new float[Math.multiplyExact(normed.rows(), vocab)];
        model.lmHead().forEachChunk(normed, ws, (fromRow, logits) ->
                System.arraycopy(host(model.ops(), logits), 0, all, fromRow * vocab,
                        Math.toIntExact(logits.elements())));
        return all;
    }

    private static float[] host(Ops ops, Tensor tensor) {
        float[] host = new float[Math.toIntExact(tensor.elements())];
        ops.toHost(tensor, host);
        return host;
    }

    /// `|a - b| / |b|`; NaN where either has one.
    static double difference(float[] a, float[] b) {
        return rowDifference(a, b, b.length);
    }

    private static double rowDifference(float[] a, float[] b, int cols) {
        double largest = 0;
        for (int row = 0; row < b.length; row += cols) {
            double difference = 0;
            double norm = 0;
            for (int i = row; i < row + cols; i++) {
                double d = (double) a[i] - b[i];
                difference += d * d;
                norm += (double) b[i] * b[i];
            }
            largest = Math.max(largest, difference == 0 ? 0 : Math.sqrt(difference / norm));
        }
        return largest;
    }
}
