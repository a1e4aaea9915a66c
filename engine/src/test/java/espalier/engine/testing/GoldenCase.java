package espalier.engine.testing;

import espalier.engine.model.Adapters;
import espalier.engine.model.Batch;
import espalier.engine.model.Gates;
import espalier.engine.model.LoraAdapter;
import espalier.engine.model.ModelFolder;
import espalier.engine.weights.SafetensorsFile;
import espalier.engine.weights.TensorInfo;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// One folder of golden data: a model, and what a float64 reference computed with it.
public final class GoldenCase implements AutoCloseable {
    private final SafetensorsFile expected;
    private final ModelFolder folder;
    private final Ops ops;
    private final Workspace memory;

    /// @param path the case's folder
    /// @param ops runs the model
    public GoldenCase(Path path, Ops ops) throws IOException {
        this.ops = ops;
        this.memory = ops.newWorkspace();
        this.expected = SafetensorsFile.open(path.resolve("expected.safetensors"));
        this.folder = ModelFolder.open(path, ops);
    }

    /// @return the model
    public ModelFolder folder() {
        return folder;
    }

    /// @return names of expected tensors that start with a prefix
    public List<String> names(String prefix) {
        return expected.tensors().stream().map(TensorInfo::name).filter(name -> name.startsWith(prefix)).toList();
    }

    /// @return the elements of an expected F32 tensor
    public float[] floats(String name) {
        return expected.tensor(name).toFloats();
    }

    /// @return the single element of an expected F64 tensor
    public double number(String name) {
        return expected.tensor(name).toDoubles()[0];
    }

    /// @return a setting of the case
    public String setting(String name) {
        return expected.metadata().get(name);
    }

    /// @return token ids, one array per row
    public int[][] ids(String name) {
        long[] shape = expected.tensor(name).shape();
        long[] flat = expected.tensor(name).toLongs();
        int[][] rows = new int[(int) shape[0]][(int) shape[1]];
        for (int i = 0; i < flat.length; i++) {
            rows[i / (int) shape[1]][i % (int) shape[1]] = (int) flat[i];
        }
        return rows;
    }

    /// @return the case's input
    public Batch batch() {
        return Batch.of(ids("input_ids"));
    }

    /// @return an expected F32 tensor, or its rows, as a tensor of the backend
    public Tensor tensor(String name) {
        long[] shape = expected.tensor(name).shape();
        Tensor tensor = memory.take(shape.length == 1 ? 1 : (int) shape[0], (int) shape[shape.length - 1]);
        ops.fromHost(floats(name), tensor);
        return tensor;
    }

    /// @return the gates `prefix` + head, intermediate, hidden
    public Gates gates(String prefix) {
        Tensor heads = tensor(prefix + "head");
        Tensor ffn = tensor(prefix + "intermediate");
        return new Gates(rows(heads), rows(ffn), tensor(prefix + "hidden"), Set.of(), 0);
    }

    /// @return zeros in the shape of the gates
    public Gates zeroGates(Gates gates) {
        List<Tensor> heads = gates.heads().stream().map(t -> memory.takeZeros(1, t.cols())).toList();
        List<Tensor> ffn = gates.ffn().stream().map(t -> memory.takeZeros(1, t.cols())).toList();
        return new Gates(heads, ffn, memory.takeZeros(1, gates.hidden().cols()), Set.of(), 0);
    }

    private static List<Tensor> rows(Tensor matrix) {
        List<Tensor> rows = new ArrayList<>();
        for (int i = 0; i < matrix.rows(); i++) {
            rows.add(matrix.rowRange(i, i + 1));
        }
        return rows;
    }

    /// @return the adapters whose factors are called `prefix` + module + `.lora_A` and `.lora_B`
    public Adapters adapters(String prefix, boolean trained) {
        float scale = Float.parseFloat(setting("lora_alpha")) / Float.parseFloat(setting("lora_rank"));
        Map<String, LoraAdapter> adapters = new HashMap<>();
        for (String name : names(prefix)) {
            if (name.endsWith(".lora_A")) {
                String module = name.substring(prefix.length(), name.length() - ".lora_A".length());
                Tensor a = tensor(name);
                Tensor b = tensor(prefix + module + ".lora_B");
                adapters.put(
                        module,
                        trained
                                ? new LoraAdapter(
                                        a,
                                        b,
                                        scale,
                                        memory.takeZeros(a.rows(), a.cols()),
                                        memory.takeZeros(b.rows(), b.cols()))
                                : LoraAdapter.frozen(a, b, scale));
            }
        }
        return new Adapters(adapters);
    }

    /// @return the elements of a tensor of the backend
    public float[] host(Tensor tensor) {
        float[] host = new float[Math.toIntExact(tensor.elements())];
        ops.toHost(tensor, host);
        return host;
    }

    /// @return the elements of several tensors, one after the other
    public float[] host(List<Tensor> tensors) {
        int length = tensors.stream().mapToInt(t -> (int) t.elements()).sum();
        float[] all = new float[length];
        int at = 0;
        for (Tensor tensor : tensors) {
            float[] part = host(tensor);
            System.arraycopy(part, 0, all, at, part.length);
            at += part.length;
        }
        return all;
    }

    /// @return the index of the first maximum
    public static int argmax(float[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            if (values[i] > values[best]) {
                best = i;
            }
        }
        if (Float.isNaN(values[best])) {
            throw new AssertionError("NaN among " + Arrays.toString(values));
        }
        return best;
    }

    @Override
    public void close() {
        folder.close();
        expected.close();
        memory.close();
    }
}
