package espalier.engine.weights;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Writes a checkpoint folder, all or nothing.
///
/// How a reader sees the old checkpoint or the new one, never a part, is told at [FolderWriter].
public final class CheckpointWriter {
    private static final Map<String, String> METADATA = Map.of("format", "pt");

    /// How to write.
    ///
    /// @param shardBytes most tensor bytes of one file; a larger tensor has a file of its own
    /// @param overwrite whether a checkpoint that exists is replaced, after the new one is complete
    public record Options(long shardBytes, boolean overwrite) {
        /// 5 GB files, as transformers writes them, and nothing replaced.
        public static final Options DEFAULT = new Options(5_000_000_000L, false);

        /// @throws IllegalArgumentException if the limit is not positive
        public Options {
            if (shardBytes <= 0) {
                throw new IllegalArgumentException("shardBytes is " + shardBytes + ", expected a positive number");
            }
        }
    }

    private CheckpointWriter() {}

    /// Looks at a folder that is complete, before it gets its name.
    @FunctionalInterface
    public interface FolderCheck {
        /// @param folder the complete folder, under a temporary name
        /// @throws IOException or any other exception if it must not be published; it is then deleted
        void check(Path folder) throws IOException;
    }

    /// Writes `config.json`, the tensors and further files.
    ///
    /// @param target the folder; its parent must exist
    /// @param config content of `config.json`; the tensors must be those that it calls for
    /// @param expectedTensors those that `config` calls for
    /// @param tensors in any order; each source is asked once
    /// @param sideFiles what else belongs into the folder
    /// @throws CheckpointException if configuration and tensors do not fit; then nothing was written
    /// @throws FileAlreadyExistsException if the target exists and may not be replaced, or is not a checkpoint folder
    /// @throws IOException naming the file and the cause if something cannot be written; then the target is as it was
    public static void write(
            Path target,
            ObjectNode config,
            List<ExpectedTensor> expectedTensors,
            List<TensorToWrite> tensors,
            List<SideFile> sideFiles,
            Options options)
            throws IOException {
        write(target, config, expectedTensors, tensors, sideFiles, options, folder -> {});
    }

    /// Writes like the other, and has the result looked at before it gets its name.
    ///
    /// @param target the folder; its parent must exist
    /// @param config content of `config.json`
    /// @param expectedTensors those that `config` calls for
    /// @param tensors in any order; each source is asked once
    /// @param sideFiles what else belongs into the folder
    /// @param options how to write
    /// @param check called once all is written
    /// @throws CheckpointException if configuration and tensors do not fit; then nothing was written
    /// @throws FileAlreadyExistsException if the target exists and may not be replaced, or is not a checkpoint folder
    /// @throws IOException naming the file and the cause if something cannot be written; then the target is as it was
    public static void write(
            Path target,
            ObjectNode config,
            List<ExpectedTensor> expectedTensors,
            List<TensorToWrite> tensors,
            List<SideFile> sideFiles,
            Options options,
            FolderCheck check)
            throws IOException {
        requireConsistent(target, config, expectedTensors, tensors);
        FolderWriter.write(
                target,
                FolderWriter.Kind.CHECKPOINT,
                options.overwrite(),
                folder -> fill(folder, config, tensors, sideFiles, options),
                check);
    }

    private static void requireConsistent(
            Path target, ObjectNode config, List<ExpectedTensor> expectedTensors, List<TensorToWrite> tensors) {
        PretrainedConfig parsed = PretrainedConfig.parse(config, target.resolve(PretrainedConfig.FILE_NAME).toString());
        Map<String, TensorToWrite> given = HashMap.newHashMap(tensors.size());
        for (TensorToWrite tensor : tensors) {
            if (given.put(tensor.name(), tensor) != null) {
                throw CheckpointException.in(target, "tensor " + tensor.name() + " is given twice");
            }
        }
        List<String> missing = new ArrayList<>();
        for (ExpectedTensor expected : expectedTensors) {
            boolean asHead = expected.name().equals(ExpectedTensor.EMBEDDING)
                    && parsed.tied()
                    && !given.containsKey(expected.name());
            TensorToWrite tensor = given.remove(asHead ? ExpectedTensor.LM_HEAD : expected.name());
            if (tensor == null) {
                missing.add(expected.name());
            } else if (!Arrays.equals(tensor.shape(), expected.shape())) {
                throw CheckpointException.in(
                        target,
                        ExpectedTensor.shapeMessage(
                                tensor.name(), tensor.shape(), expected.shape(), expected.reason()));
            }
        }
        if (!missing.isEmpty()) {
            throw CheckpointException.in(target, "no tensor was given for " + String.join(", ", missing));
        }
        for (String name : given.keySet()) {
            boolean tiedTwin = parsed.tied() && name.equals(ExpectedTensor.LM_HEAD);
            if (!tiedTwin && !ExpectedTensor.isDerivedBuffer(name)) {
                throw CheckpointException.in(
                        target, "tensor " + name + " is not one that " + PretrainedConfig.FILE_NAME + " calls for");
            }
        }
    }

    /// Checks, before long work, that a checkpoint could be written.
    ///
    /// @param target the folder to write
    /// @param overwrite whether a checkpoint that exists may be replaced
    /// @throws FileAlreadyExistsException if the target exists and may not be replaced, or is not a checkpoint folder
    /// @throws NoSuchFileException if the folder around it is missing
    /// @throws CannotWriteException if that cannot be written to
    public static void checkTarget(Path target, boolean overwrite) throws IOException {
        FolderWriter.checkTarget(target, FolderWriter.Kind.CHECKPOINT, overwrite);
    }

    private static void fill(
            Path folder, ObjectNode config, List<TensorToWrite> tensors, List<SideFile> sideFiles, Options options)
            throws IOException {
        List<List<TensorToWrite>> shards = shards(tensors, options.shardBytes());
        if (shards.size() == 1) {
            SafetensorsWriter.writeNew(
                    folder.resolve(Checkpoint.SINGLE_FILE), Path.of(Checkpoint.SINGLE_FILE), METADATA, tensors);
        } else {
            writeShards(folder, shards);
        }
        FolderWriter.writeFile(folder, SideFile.text(PretrainedConfig.FILE_NAME, StrictJson.pretty(config)));
        for (SideFile file : sideFiles) {
            FolderWriter.writeFile(folder, file);
        }
    }

    private static void writeShards(Path folder, List<List<TensorToWrite>> shards) throws IOException {
        Map<String, String> fileOf = new LinkedHashMap<>();
        long total = 0;
        for (int i = 0; i < shards.size(); i++) {
            String name = ShardIndex.shardName(i + 1, shards.size());
            SafetensorsWriter.writeNew(folder.resolve(name), Path.of(name), METADATA, shards.get(i));
            for (TensorToWrite tensor : shards.get(i)) {
                fileOf.put(tensor.name(), name);
                total += tensor.bytes();
            }
        }
        FolderWriter.writeFile(folder, SideFile.text(ShardIndex.FILE_NAME, new ShardIndex(fileOf).encode(total)));
    }

    /// Fills shards in the order given, as transformers does: a tensor over the limit has a shard of its own and does
    /// not close the one being filled.
    static List<List<TensorToWrite>> shards(List<TensorToWrite> tensors, long limit) {
        List<List<TensorToWrite>> shards = new ArrayList<>();
        List<TensorToWrite> current = new ArrayList<>();
        long bytes = 0;
        for (TensorToWrite tensor : tensors) {
            if (tensor.bytes() > limit) {
                shards.add(List.of(tensor));
                continue;
            }
            if (bytes + tensor.bytes() > limit) {
                shards.add(current);
                current = new ArrayList<>();
                bytes = 0;
            }
            current.add(tensor);
            bytes += tensor.bytes();
        }
        if (!current.isEmpty()) {
            shards.add(current);
        }
        return shards;
    }
}
