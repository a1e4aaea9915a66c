package espalier.engine.weights;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.LongConsumer;
import java.util.stream.Collectors;

/// A checkpoint folder, open: `config.json` and the tensors of `model.safetensors`, or of the shards that
/// `model.safetensors.index.json` names. Where both exist the single file counts, as in transformers.
///
/// Tensors are slices of read-only mappings: any thread may read them until [#close]. What can happen to a mapped file
/// is described at [SafetensorsFile].
public final class Checkpoint implements AutoCloseable {
    static final String SINGLE_FILE = "model.safetensors";
    private static final int NAMES_IN_MESSAGE = 10;

    private final Path folder;
    private final PretrainedConfig config;
    private final List<SafetensorsFile> files;
    private final Map<String, StoredTensor> tensors = new LinkedHashMap<>();

    private Checkpoint(Path folder, PretrainedConfig config, List<SafetensorsFile> files) {
        this.folder = folder;
        this.config = config;
        this.files = files;
    }

    /// Opens and checks a folder: configuration, headers, and that index and shards agree. Which tensors are there is
    /// checked when they are asked for, or all at once by [#verifyTensors].
    ///
    /// @throws CheckpointException naming the file and the rule that its content breaks
    /// @throws IOException if a file cannot be read
    public static Checkpoint open(Path folder) throws IOException {
        Path configFile = folder.resolve(PretrainedConfig.FILE_NAME);
        if (!Files.isDirectory(folder)) {
            throw CheckpointException.in(folder, "is not a folder");
        }
        if (!Files.exists(configFile)) {
            throw CheckpointException.in(folder, "has no " + PretrainedConfig.FILE_NAME);
        }
        PretrainedConfig config = PretrainedConfig.read(configFile);
        Checkpoint checkpoint = new Checkpoint(folder, config, new ArrayList<>());
        try {
            Path index = folder.resolve(ShardIndex.FILE_NAME);
            if (Files.exists(folder.resolve(SINGLE_FILE))) {
                checkpoint.map(SINGLE_FILE);
            } else if (Files.exists(index)) {
                checkpoint.mapShards(index, ShardIndex.read(index));
            } else {
                throw noWeights(folder);
            }
            return checkpoint;
        } catch (Throwable e) {
            checkpoint.close();
            throw e;
        }
    }

    private static CheckpointException noWeights(Path folder) throws IOException {
        List<String> others = SideFiles.list(folder).stream()
                .map(file -> file.getFileName().toString())
                .filter(name -> name.matches(".*\\.(bin|pt|pth|gguf|h5|msgpack|safetensors)"))
                .toList();
        return CheckpointException.in(
                folder,
                "has neither " + SINGLE_FILE + " nor " + ShardIndex.FILE_NAME
                        + (others.isEmpty() ? "" : "; it has " + listed(others) + ", which are not read"));
    }

    private SafetensorsFile map(String name) throws IOException {
        SafetensorsFile file = SafetensorsFile.open(folder.resolve(name));
        files.add(file);
        for (TensorInfo info : file.tensors()) {
            StoredTensor other = tensors.put(info.name(), file.tensor(info.name()));
            if (other != null) {
                throw CheckpointException.in(
                        file.path(), "tensor " + info.name() + " is also in " + other.file().getFileName());
            }
        }
        return file;
    }

    private void mapShards(Path indexFile, ShardIndex index) throws IOException {
        Set<String> unmapped = new TreeSet<>();
        for (String name : index.files()) {
            if (!Files.exists(folder.resolve(name))) {
                throw CheckpointException.in(indexFile, "names " + name + ", which is not in the folder");
            }
            SafetensorsFile shard = map(name);
            shard.tensors().stream()
                    .filter(info -> !index.fileOf().containsKey(info.name()))
                    .forEach(info -> unmapped.add(info.name() + " (in " + name + ")"));
        }
        for (Map.Entry<String, String> entry : index.fileOf().entrySet()) {
            StoredTensor tensor = tensors.get(entry.getKey());
            if (tensor == null || !tensor.file().getFileName().toString().equals(entry.getValue())) {
                throw CheckpointException.in(
                        indexFile,
                        "tensor " + entry.getKey() + " is not in " + entry.getValue() + ", where the index has it"
                                + (tensor == null ? "" : ", but in " + tensor.file().getFileName()));
            }
        }
        if (!unmapped.isEmpty()) {
            throw CheckpointException.in(
                    indexFile, "does not name " + unmapped.size() + " tensors of its shards: " + listed(unmapped));
        }
    }

    /// The configuration.
    public PretrainedConfig config() {
        return config;
    }

    /// The folder, as it was given to [#open].
    public Path folder() {
        return folder;
    }

    /// Names of all tensors, in the order of the files.
    public Set<String> tensorNames() {
        return Collections.unmodifiableSet(tensors.keySet());
    }

    /// Whether a tensor of this name is stored.
    public boolean has(String name) {
        return tensors.containsKey(name);
    }

    /// Bytes of all tensors.
    public long bytes() {
        return tensors.values().stream().mapToLong(t -> t.data().byteSize()).sum();
    }

    /// The tensor of this name.
    ///
    /// @throws CheckpointException if it is missing or has another shape, naming the file, both shapes
    public StoredTensor get(String name, long... expectedShape) {
        return get(name, "", expectedShape);
    }

    /// The tensor of this name.
    ///
    /// @param reason where the expected shape comes from, for the message, for instance `8 kv heads x 128`
    /// @throws CheckpointException if it is missing or has another shape, naming the file, both shapes and the reason
    public StoredTensor get(String name, String reason, long... expectedShape) {
        StoredTensor tensor = get(name);
        if (!Arrays.equals(tensor.shape(), expectedShape)) {
            throw CheckpointException.in(
                    tensor.file(), ExpectedTensor.shapeMessage(name, tensor.shape(), expectedShape, reason));
        }
        return tensor;
    }

    /// The tensor of this name, of any shape. Without this method `get(name)` would ask for a single element.
    ///
    /// @throws CheckpointException if it is missing
    public StoredTensor get(String name) {
        StoredTensor tensor = tensors.get(name);
        if (tensor == null) {
            throw CheckpointException.in(folder, "has no tensor " + name + " among its " + tensors.size());
        }
        return tensor;
    }

    /// The name under which the embedding matrix is stored; a tied checkpoint may have only the output head's.
    ///
    /// @throws CheckpointException if there is none
    public String embeddingName() {
        boolean storedAsHead = config.tied() && !has(ExpectedTensor.EMBEDDING) && has(ExpectedTensor.LM_HEAD);
        return get(storedAsHead ? ExpectedTensor.LM_HEAD : ExpectedTensor.EMBEDDING).name();
    }

    /// The name under which the output head's matrix is stored: the embedding's where they are tied.
    ///
    /// @throws CheckpointException if there is none
    public String lmHeadName() {
        return config.tied() ? embeddingName() : get(ExpectedTensor.LM_HEAD).name();
    }

    /// Checks that the tensors are those that the configuration calls for, all of them: names, shapes and types.
    ///
    /// @param expectedTensors those of the architecture of [#config]
    /// @throws CheckpointException listing missing and unexpected tensors together, or naming the first tensor of a
    ///     wrong shape or of a type that weights do not have, or if a tied checkpoint stores two different matrices
    public void verifyTensors(List<ExpectedTensor> expectedTensors) {
        Set<String> leftover = new TreeSet<>(tensors.keySet());
        leftover.removeIf(ExpectedTensor::isDerivedBuffer);
        List<String> missing = new ArrayList<>();
        for (ExpectedTensor expected : expectedTensors) {
            boolean embedding = expected.name().equals(ExpectedTensor.EMBEDDING);
            boolean storedAsHead = embedding && config.tied() && !has(expected.name()) && has(ExpectedTensor.LM_HEAD);
            String name = storedAsHead ? ExpectedTensor.LM_HEAD : expected.name();
            leftover.remove(name);
            if (!has(name)) {
                missing.add(name);
                continue;
            }
            StoredTensor tensor = get(name, expected.reason(), expected.shape());
            if (!tensor.type().isWeightFloat()) {
                throw CheckpointException.in(
                        tensor.file(),
                        "tensor " + name + " has type " + tensor.type() + ", expected F64, F32, BF16 or F16");
            }
        }
        if (config.tied() && leftover.remove(ExpectedTensor.LM_HEAD)) {
            requireSameMatrix(get(ExpectedTensor.EMBEDDING), get(ExpectedTensor.LM_HEAD));
        }
        if (!missing.isEmpty() || !leftover.isEmpty()) {
            throw CheckpointException.in(
                    folder,
                    "the tensors do not fit " + PretrainedConfig.FILE_NAME + ": missing " + listed(missing)
                            + "; unexpected " + listed(leftover));
        }
    }

    /// Compares by `get`, as `mismatch` on a file that shrinks would end the process.
    private static void requireSameMatrix(StoredTensor embedding, StoredTensor head) {
        boolean same = embedding.type() == head.type()
                && Arrays.equals(embedding.shape(), head.shape())
                && SafetensorsFile.guarded(head.file(), () -> sameBytes(embedding, head));
        if (!same) {
            throw CheckpointException.in(
                    head.file(),
                    "tensor " + head.name() + " differs from " + embedding.name()
                            + ", expected the same matrix as tie_word_embeddings is true");
        }
    }

    private static boolean sameBytes(StoredTensor a, StoredTensor b) {
        long different = 0;
        long words = a.data().byteSize() / 8;
        for (long i = 0; i < words; i++) {
            different |= a.data().get(FloatBits.LE_LONG, 8 * i) ^ b.data().get(FloatBits.LE_LONG, 8 * i);
        }
        for (long i = 8 * words; i < a.data().byteSize(); i++) {
            different |= a.data().get(ValueLayout.JAVA_BYTE, i)
                    ^ b.data().get(ValueLayout.JAVA_BYTE, i);
        }
        return different == 0;
    }

    /// Reads all weights once and checks that none is NaN or infinite.
    ///
    /// @param progress told, after each piece, how many bytes it had; the pieces add up to [#bytes]
    /// @throws CheckpointException naming file, tensor, value and flat index of the first one that is, or if a file
    ///     changed since it was opened
    /// @throws IOException if a file's attributes cannot be read
    public void checkFinite(LongConsumer progress) throws IOException {
        for (StoredTensor tensor : tensors.values()) {
            NonFiniteScan.check(tensor, progress);
        }
        verifyUnchanged();
    }

    /// See [SafetensorsFile#releasePages].
    public void releasePages() {
        files.forEach(SafetensorsFile::releasePages);
    }

    /// Identifies the weights: SHA-256 over name, type, shape and bytes of every tensor in order of name. Reads them
    /// all.
    ///
    /// @return lower-case hexadecimal digits
    public String fingerprint() {
        MessageDigest all = StoredTensor.newSha256();
        for (String name : new TreeSet<>(tensors.keySet())) {
            StoredTensor tensor = tensors.get(name);
            String header = name + " " + tensor.type() + " " + Arrays.toString(tensor.shape()) + "\n";
            all.update(header.getBytes(StandardCharsets.UTF_8));
            all.update(tensor.sha256());
        }
        return HexFormat.of().formatHex(all.digest());
    }

    /// Checks that no file changed in place since it was opened; cheap, to be called before long work.
    ///
    /// @throws CheckpointException naming the file that changed
    /// @throws IOException if a file's attributes cannot be read
    public void verifyUnchanged() throws IOException {
        for (SafetensorsFile file : files) {
            file.verifyUnchanged();
        }
    }

    /// Files that go with any model made from this one: tokenizer, chat templates, generation settings, licence; not
    /// the model card.
    ///
    /// @return paths relative to the folder, in order of name
    /// @throws IOException if the folder cannot be listed
    public List<Path> otherFiles() throws IOException {
        return SideFiles.find(folder);
    }

    /// Unmaps all files; segments of tensors must not be in use.
    @Override
    public void close() {
        files.forEach(SafetensorsFile::close);
    }

    private static String listed(Collection<String> names) {
        if (names.isEmpty()) {
            return "none";
        }
        String first = names.stream().limit(NAMES_IN_MESSAGE).collect(Collectors.joining(", "));
        int more = names.size() - NAMES_IN_MESSAGE;
        return more > 0 ? first + " and " + more + " more" : first;
    }
}
