package espalier.engine.adapt;

import espalier.engine.model.ModelShape;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.ExpectedTensor;
import espalier.engine.weights.FolderWriter;
import espalier.engine.weights.SafetensorsFile;
import espalier.engine.weights.SafetensorsWriter;
import espalier.engine.weights.SideFile;
import espalier.engine.weights.StoredTensor;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.StrictJson;
import espalier.engine.weights.TensorInfo;
import espalier.engine.weights.TensorToWrite;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// An adapter folder of Hugging Face PEFT: `adapter_config.json` and `adapter_model.safetensors`.
///
/// Adapters are only right for the weights they were trained on: those of a pruned model belong to that model's folder.
///
/// @param baseModel name or path of the model, as the configuration has it; empty where it has none
/// @param state the adapters
public record PeftAdapter(String baseModel, LoraState state) {
    /// Name of such a folder beside the model that its adapters belong to or came from.
    public static final String FOLDER = "adapter";
    /// The file of the values.
    public static final String TENSORS = "adapter_model.safetensors";
    private static final String PREFIX = "base_model.model.";

    /// Writes a folder, all or nothing, in F32.
    ///
    /// @param folder to write; its parent must exist
    /// @param overwrite whether an adapter folder that exists is replaced
    /// @throws FileAlreadyExistsException if the folder exists and may not be replaced, or is not an adapter's
    /// @throws IOException naming the file and the cause if it cannot be written; then the folder is as it was
    public void write(Path folder, boolean overwrite) throws IOException {
        FolderWriter.write(folder, FolderWriter.Kind.ADAPTER, overwrite, files(""));
    }

    /// The same files for a writer of a larger folder.
    ///
    /// @param prefix of their names, e.g. `adapter/`
    /// @return the files
    /// @throws IOException if they cannot be encoded
    public List<SideFile> files(String prefix) throws IOException {
        List<TensorToWrite> tensors = new ArrayList<>();
        for (LoraFactors factors : state.factors()) {
            LoraModule module = factors.module();
            tensors.add(tensor(module.nameA(), module.rank(), module.in(), factors.a()));
            tensors.add(tensor(module.nameB(), module.out(), module.rank(), factors.b()));
        }
        String name = prefix + TENSORS;
        return List.of(
                SideFile.json(prefix + PeftConfig.FILE_NAME, PeftConfig.of(state, baseModel)),
                new SideFile(name, SafetensorsWriter.content(Path.of(name), Map.of("format", "pt"), tensors)));
    }

    private static TensorToWrite tensor(String name, int rows, int cols, float[] values) {
        return TensorToWrite.ofFloats(PREFIX + name, StoredType.F32, new long[] {rows, cols}, values);
    }

    /// Reads a folder.
    ///
    /// @param folder an adapter folder
    /// @param shape the model that the adapters are for
    /// @return the adapters
    /// @throws CheckpointException if the configuration asks for what is not supported, naming the field; if a key of
    ///     `rank_pattern` or `alpha_pattern` is more than a module name; if tensors are missing, left over, of another
    ///     shape than model and configuration call for, or not finite
    /// @throws IOException if a file cannot be read
    public static PeftAdapter read(Path folder, ModelShape shape) throws IOException {
        Path configFile = folder.resolve(PeftConfig.FILE_NAME);
        PeftConfig config = new PeftConfig(configFile, StrictJson.readObject(configFile));
        LoraSettings settings = config.settings(shape);
        List<LoraFactors> factors = new ArrayList<>();
        try (SafetensorsFile file = SafetensorsFile.open(folder.resolve(TENSORS))) {
            List<LoraModule> modules = settings.modules(shape);
            requireSameNames(file, modules);
            for (LoraModule module : modules) {
                float[] a = values(file, module.nameA(), module.rank(), module.in());
                float[] b = values(file, module.nameB(), module.out(), module.rank());
                factors.add(new LoraFactors(module, a, b));
            }
        }
        return new PeftAdapter(config.baseModel(), new LoraState(shape, settings, factors));
    }

    private static void requireSameNames(SafetensorsFile file, List<LoraModule> modules) {
        Set<String> leftOver = new LinkedHashSet<>();
        for (TensorInfo tensor : file.tensors()) {
            leftOver.add(tensor.name());
        }
        List<String> missing = new ArrayList<>();
        for (LoraModule module : modules) {
            for (String name : List.of(PREFIX + module.nameA(), PREFIX + module.nameB())) {
                if (!leftOver.remove(name)) {
                    missing.add(name);
                }
            }
        }
        if (!missing.isEmpty() || !leftOver.isEmpty()) {
            throw new CheckpointException(file.path() + ": missing tensors: " + listed(missing)
                    + "; tensors that the model and " + PeftConfig.FILE_NAME + " do not call for: "
                    + listed(List.copyOf(leftOver)));
        }
    }

    private static String listed(List<String> names) {
        int shown = Math.min(names.size(), 4);
        return names.isEmpty()
                ? "none"
                : String.join(", ", names.subList(0, shown))
                        + (names.size() > shown ? " and " + (names.size() - shown) + " more" : "");
    }

    private static float[] values(SafetensorsFile file, String name, int rows, int cols) {
        StoredTensor tensor = file.tensor(PREFIX + name);
        if (!tensor.type().isWeightFloat()) {
            throw new CheckpointException("%s: tensor %s has type %s, expected F32, BF16, F16 or F64"
                    .formatted(file.path(), tensor.name(), tensor.type()));
        }
        long[] expected = {rows, cols};
        if (!Arrays.equals(tensor.shape(), expected)) {
            String reason = name.endsWith("lora_A.weight") ? "rank, inputs" : "outputs, rank";
            throw new CheckpointException(file.path() + ": "
                    + ExpectedTensor.shapeMessage(tensor.name(), tensor.shape(), expected, reason));
        }
        float[] values = tensor.toFloats();
        for (int i = 0; i < values.length; i++) {
            if (!Float.isFinite(values[i])) {
                throw new CheckpointException("%s: tensor %s is %s at [%d, %d]".formatted(
                        file.path(), tensor.name(), values[i], i / cols, i % cols));
            }
        }
        return values;
    }
}
