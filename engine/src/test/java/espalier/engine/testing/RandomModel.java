package espalier.engine.testing;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.Architecture;
import espalier.engine.model.Batch;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.Model;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Pass;
import espalier.engine.model.TensorShape;
import espalier.engine.model.WeightSource;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.PretrainedConfig;
import espalier.engine.weights.PrunedConfig;
import espalier.engine.weights.SideFile;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.TensorToWrite;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/// A model of any shape with random weights in F32, run from memory or written as a checkpoint. Its tensors can be
/// changed before a model is loaded from it.
public final class RandomModel implements WeightSource, AutoCloseable {
    private final ModelShape shape;
    private final Arena arena = Arena.ofShared();
    private final Map<String, float[]> values = new LinkedHashMap<>();
    private final Map<String, TensorShape> tensors = new LinkedHashMap<>();

    /// @param shape any shape that Llama's configuration can say, or `espalier` layers
    /// @param seed decides the weights
    public RandomModel(ModelShape shape, long seed) {
        this.shape = shape;
        for (TensorShape tensor : Architecture.LLAMA.tensors(shape)) {
            Philox random = new Philox(seed, tensor.name().hashCode());
            float[] data = new float[tensor.rows() * tensor.cols()];
            boolean isNorm = tensor.name().endsWith("norm.weight");
            double scale = tensor.isVector() ? 0.3 : (tensor.layer() < 0 ? 2.5 : 1.2) / Math.sqrt(tensor.cols() + 1);
            for (int i = 0; i < data.length; i++) {
                data[i] = (float) (scale * random.gaussian(i) + (isNorm ? 1 : 0));
            }
            tensors.put(tensor.name(), tensor);
            values.put(tensor.name(), data);
        }
    }

    /// @return its shape
    public ModelShape shape() {
        return shape;
    }

    /// @return every tensor by name, row-major; changes count for what is loaded or written later
    public Map<String, float[]> values() {
        return values;
    }

    @Override
    public StoredMatrix matrix(String name, int rows, int cols) {
        float[] data = values.get(name);
        MemorySegment memory = arena.allocate((long) rows * cols * Float.BYTES, 64);
        MemorySegment.copy(data, 0, memory, ValueLayout.JAVA_FLOAT, 0, data.length);
        return new StoredMatrix(name, DType.F32, rows, cols, memory);
    }

    @Override
    public float[] vector(String name, int length) {
        return values.get(name).clone();
    }

    /// Writes a folder with a single file.
    ///
    /// @return the folder
    public Path write(Path folder, StoredType type, SideFile... others) throws IOException {
        return write(folder, type, CheckpointWriter.Options.DEFAULT, others);
    }

    /// @return the folder
    public Path write(Path folder, StoredType type, CheckpointWriter.Options options, SideFile... others)
            throws IOException {
        List<TensorToWrite> written = new ArrayList<>();
        values.forEach((name, data) -> {
            TensorShape tensor = tensors.get(name);
            long[] dimensions = tensor.isVector()
                    ? new long[] {tensor.rows()}
                    : new long[] {tensor.rows(), tensor.cols()};
            written.add(TensorToWrite.ofFloats(name, type, dimensions, data));
        });
        ObjectNode config = config(type);
        CheckpointWriter.write(
                folder,
                config,
                Architecture.expectedTensors(PretrainedConfig.parse(config, "config.json")),
                written,
                List.of(others),
                options);
        return folder;
    }

    private ObjectNode config(StoredType type) {
        LayerShape first = shape.layers().getFirst();
        ObjectNode json = JsonMapper.builder().build().createObjectNode();
        json.put("model_type", shape.biases().qkv() && !shape.biases().o() ? "qwen2" : "llama");
        json.put("vocab_size", shape.vocab());
        json.put("hidden_size", shape.hidden());
        json.put("intermediate_size", Math.max(1, first.ffn()));
        json.put("num_hidden_layers", shape.layers().size());
        json.put("num_attention_heads", 1);
        json.put("head_dim", first.headDim());
        json.put("rms_norm_eps", shape.normEps());
        json.put("rope_theta", shape.ropeTheta());
        json.put("max_position_embeddings", shape.maxPositions());
        json.put("tie_word_embeddings", shape.tied());
        json.put("attention_bias", shape.biases().o());
        json.put("mlp_bias", shape.biases().mlp());
        PrunedConfig sizes = new PrunedConfig(
                shape.layers(), shape.hidden(), shape.vocab(), shape.normEps(), type, Optional.empty());
        return sizes.toJson(PretrainedConfig.parse(json, "config.json"));
    }

    /// @return `count` sequences of random ids
    public static int[][] ids(ModelShape shape, int count, int tokens, long seed) {
        int[][] ids = new int[count][];
        for (int s = 0; s < count; s++) {
            Philox random = new Philox(seed, s);
            ids[s] = IntStream.range(0, tokens).map(i -> random.below(i, shape.vocab())).toArray();
        }
        return ids;
    }

    /// @return `[tokens * vocab]`, the logits of a batch
    public static float[] logits(Model model, Batch batch, Pass pass) {
        try (Workspace ws = model.ops().newWorkspace()) {
            Hidden hidden = model.forward(batch, pass, Keep.NOTHING, ws);
            return host(model.ops(), model.lmHead().logits(hidden.normed(), ws));
        }
    }

    /// @return `[tokens * vocab]`, the logits of a batch with all gates open
    public static float[] logits(Model model, Batch batch) {
        return logits(model, batch, Pass.plain(model.shape().layers().size()));
    }

    /// @return the elements of a tensor of the backend
    public static float[] host(Ops ops, Tensor tensor) {
        float[] host = new float[Math.toIntExact(tensor.elements())];
        ops.toHost(tensor, host);
        return host;
    }

    @Override
    public void close() {
        arena.close();
    }
}
