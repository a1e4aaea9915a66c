package espalier.engine.model;

import espalier.kernels.Ops;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Workspace;
import java.lang.foreign.Arena;
import java.util.function.Function;

/// A model whose tensors are made, not mapped, run without ever being whole in memory: the layer in use is made when
/// the pass comes to it, and dropped for the next. Embedding, lm_head and final norm stay.
public final class StreamedModel implements AutoCloseable {
    private static final int NO_LAYER = -1;

    private final Function<Arena, WeightSource> tensors;
    private final ModelShape shape;
    private final Ops ops;
    private final Arena outer = Arena.ofShared();
    private final Workspace layerMemory;
    private final Model model;
    private Arena layerArena = Arena.ofShared();
    private Arena matrixArena = Arena.ofShared();
    private DecoderLayer layer;
    private int layerIndex = NO_LAYER;

    /// @param tensors gives the model's tensors, made in the memory it is given
    /// @param shape which tensors to expect
    /// @param ops the backend; it must stay open as long as this
    /// @throws IllegalArgumentException as [Model#load] does; nothing stays allocated
    public StreamedModel(Function<Arena, WeightSource> tensors, ModelShape shape, Ops ops) {
        this.tensors = tensors;
        this.shape = shape;
        this.ops = ops;
        this.layerMemory = ops.newWorkspace();
        Workspace modelMemory = ops.newWorkspace();
        try {
            this.model = Model.of(
                    ModelTensors.of(tensors.apply(outer), ops, modelMemory), shape, ops, modelMemory, this::layer);
        } catch (Throwable e) {
            modelMemory.close();
            closeTensors();
            throw e;
        }
    }

    /// @return the model; closed with this
    public Model model() {
        return model;
    }

    /// Tensors of the model, for what reads them one after the other: a matrix is gone when the next is asked for.
    ///
    /// @return the tensors
    public WeightSource weights() {
        return new OneByOne();
    }

    private final class OneByOne implements WeightSource {
        @Override
        public StoredMatrix matrix(String name, int rows, int cols) {
            matrixArena.close();
            matrixArena = Arena.ofShared();
            return tensors.apply(matrixArena).matrix(name, rows, cols);
        }

        @Override
        public float[] vector(String name, int length) {
            return tensors.apply(matrixArena).vector(name, length);
        }
    }

    private DecoderLayer layer(int index) {
        if (index != layerIndex) {
            // Until the new layer is complete there is none.
            layerIndex = NO_LAYER;
            layerArena.close();
            layerArena = Arena.ofShared();
            layerMemory.release(0);
            layer = DecoderLayer.of(
                    ModelTensors.of(tensors.apply(layerArena), ops, layerMemory), shape, index);
            layerIndex = index;
        }
        return layer;
    }

    @Override
    public void close() {
        model.close();
        closeTensors();
    }

    private void closeTensors() {
        layerMemory.close();
        layerArena.close();
        matrixArena.close();
        outer.close();
    }
}
