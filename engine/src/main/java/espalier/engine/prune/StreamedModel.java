package espalier.engine.prune;

import espalier.engine.model.DecoderLayer;
import espalier.engine.model.Model;
import espalier.engine.model.ModelShape;
import espalier.engine.model.WeightSource;
import espalier.kernels.Ops;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Workspace;
import java.lang.foreign.Arena;

/// The model that a plan makes, run without ever being whole in memory: the layer in use is cut out of the source when
/// the pass comes to it, and dropped for the next.
final class StreamedModel implements AutoCloseable {
    private final Surgery surgery;
    private final WeightSource source;
    private final Ops ops;
    private final Arena outer = Arena.ofShared();
    private final Workspace layerMemory;
    private final Model model;
    private Arena layerArena = Arena.ofShared();
    private Arena matrixArena = Arena.ofShared();
    private DecoderLayer layer;
    private int layerIndex = -1;

    StreamedModel(Surgery surgery, WeightSource source, Ops ops) {
        this.surgery = surgery;
        this.source = source;
        this.ops = ops;
        this.layerMemory = ops.newWorkspace();
        this.model = Model.load(
                new PrunedWeights(surgery, source, outer),
                surgery.plan().resultShape(),
                ops,
                ops.newWorkspace(),
                this::layer);
    }

    Model model() {
        return model;
    }

    /// Tensors of the model, for what reads norms and magnitudes one after the other: a matrix is gone when the next is
    /// asked for, so that the smaller model is not held whole.
    WeightSource weights() {
        return new OneByOne();
    }

    private final class OneByOne implements WeightSource {
        @Override
        public StoredMatrix matrix(String name, int rows, int cols) {
            matrixArena.close();
            matrixArena = Arena.ofShared();
            return new PrunedWeights(surgery, source, matrixArena).matrix(name, rows, cols);
        }

        @Override
        public float[] vector(String name, int length) {
            return new PrunedWeights(surgery, source, matrixArena).vector(name, length);
        }
    }

    private DecoderLayer layer(int index) {
        if (index != layerIndex) {
            layerArena.close();
            layerArena = Arena.ofShared();
            layerMemory.release(0);
            ModelShape shape = surgery.plan().resultShape();
            layer = DecoderLayer.load(new PrunedWeights(surgery, source, layerArena), shape, index, ops, layerMemory);
            layerIndex = index;
        }
        return layer;
    }

    @Override
    public void close() {
        model.close();
        layerMemory.close();
        layerArena.close();
        matrixArena.close();
        outer.close();
    }
}
