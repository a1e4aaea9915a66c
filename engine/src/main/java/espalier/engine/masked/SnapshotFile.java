package espalier.engine.masked;

import espalier.engine.adapt.LoraFactors;
import espalier.engine.adapt.LoraState;
import espalier.engine.gates.MaskValues;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.SafetensorsFile;
import espalier.engine.weights.SafetensorsWriter;
import espalier.engine.weights.StoredTensor;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.TensorInfo;
import espalier.engine.weights.TensorToWrite;
import espalier.engine.weights.ValuesChecksum;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.IntFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// `snapshot-<index>.safetensors`: a [Snapshot], F32 tensors and, as metadata, its numbers, whose it is, and a
/// checksum of all.
///
/// Masks are `layers.<layer>.heads`, `layers.<layer>.ffn` and `hidden`, absent where the family has no gates; adapters
/// have the names of [espalier.engine.adapt.LoraModule].
final class SnapshotFile {
    private static final Pattern NAME = Pattern.compile("snapshot-(\\d{4,9})\\.safetensors");
    private static final String FORMAT = "espalier snapshot 1";
    private static final String CHECKSUM = "crc32c";

    private SnapshotFile() {}

    /// A tensor of a snapshot.
    ///
    /// @param shape one or two dimensions
    /// @param values row-major, not copied
    record Tensor(long[] shape, float[] values) {}

    /// @return where a snapshot is in a folder
    static Path path(Path folder, int index) {
        return folder.resolve("snapshot-%04d.safetensors".formatted(index));
    }

    /// @return the index in the name of a snapshot's file; empty for another file
    static OptionalInt index(Path file) {
        Matcher name = NAME.matcher(file.getFileName().toString());
        if (!name.matches()) {
            return OptionalInt.empty();
        }
        int index = Integer.parseInt(name.group(1));
        boolean isCanonical = file.endsWith(path(Path.of(""), index));
        return isCanonical ? OptionalInt.of(index) : OptionalInt.empty();
    }

    /// Writes a file; one that exists is replaced.
    ///
    /// @throws IllegalArgumentException if the snapshot is not the owner's
    /// @throws IOException if it cannot be written
    static void write(Path file, SnapshotOwner owner, Snapshot snapshot) throws IOException {
        Map<String, Tensor> tensors = tensors(snapshot);
        Optional<String> problem = snapshot.adapters().map(LoraState::settings).equals(owner.adapters())
                ? owner.difference(tensors)
                : Optional.of("adapters are %s, expected %s".formatted(
                        snapshot.adapters().map(LoraState::settings), owner.adapters()));
        problem.ifPresent(what -> {
            throw new IllegalArgumentException("snapshot " + snapshot.index() + ": " + what);
        });
        Map<String, String> metadata = new TreeMap<>(owner.entries());
        metadata.put("format", FORMAT);
        metadata.put("index", Integer.toString(snapshot.index()));
        metadata.put("step", Long.toString(snapshot.step()));
        metadata.put("expected", Double.toString(snapshot.expected()));
        metadata.put("realised", Double.toString(snapshot.realised()));
        metadata.put(CHECKSUM, checksum(metadata, tensors));
        List<TensorToWrite> toWrite = new ArrayList<>();
        tensors.forEach((name, tensor) ->
                toWrite.add(TensorToWrite.ofFloats(name, StoredType.F32, tensor.shape(), tensor.values())));
        SafetensorsWriter.write(file, metadata, toWrite);
    }

    private static Map<String, Tensor> tensors(Snapshot snapshot) {
        Map<String, Tensor> tensors = new TreeMap<>();
        MaskValues masks = snapshot.masks();
        for (int layer = 0; layer < masks.heads().size(); layer++) {
            tensors.put(SnapshotOwner.heads(layer), vector(masks.heads().get(layer)));
        }
        for (int layer = 0; layer < masks.ffn().size(); layer++) {
            tensors.put(SnapshotOwner.ffn(layer), vector(masks.ffn().get(layer)));
        }
        if (masks.hidden().length > 0) {
            tensors.put(SnapshotOwner.HIDDEN, vector(masks.hidden()));
        }
        for (LoraFactors factors : snapshot.adapters().map(LoraState::factors).orElse(List.of())) {
            int rank = factors.module().rank();
            tensors.put(factors.module().nameA(), new Tensor(new long[] {rank, factors.module().in()}, factors.a()));
            tensors.put(factors.module().nameB(), new Tensor(new long[] {factors.module().out(), rank}, factors.b()));
        }
        return tensors;
    }

    private static Tensor vector(float[] values) {
        return new Tensor(new long[] {values.length}, values);
    }

    /// @throws CheckpointException if the file is not the snapshot that its name says, bit for bit, or another owner's
    /// @throws IOException if it cannot be read
    static Snapshot read(Path file, SnapshotOwner owner) throws IOException {
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            SnapshotFolder.Info info = info(open);
            Map<String, Tensor> tensors = new TreeMap<>();
            for (TensorInfo tensor : open.tensors()) {
                tensors.put(tensor.name(), new Tensor(tensor.shape(), floats(open.tensor(tensor.name()))));
            }
            requireIntact(file, CHECKSUM, checksum(open.metadata(), tensors), open.metadata().get(CHECKSUM));
            owner.entries().forEach((key, expected) -> {
                String actual = open.metadata().get(key);
                if (!expected.equals(actual)) {
                    throw new CheckpointException(
                            "%s: is a snapshot of another model or with other adapters: %s is %s, expected %s"
                                    .formatted(file, key, actual, expected));
                }
            });
            owner.difference(tensors).ifPresent(what -> {
                throw new CheckpointException(file + ": " + what);
            });
            return new Snapshot(
                    info.index(), info.step(), info.expected(), info.realised(), masks(owner, tensors),
                    adapters(owner, tensors));
        }
    }

    /// @throws CheckpointException if the header is not one of the snapshot that the name says
    /// @throws IOException if the file cannot be read
    static SnapshotFolder.Info info(Path file) throws IOException {
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            return info(open);
        }
    }

    private static SnapshotFolder.Info info(SafetensorsFile open) throws IOException {
        Path file = open.path();
        Map<String, String> metadata = open.metadata();
        requireIntact(file, "format", FORMAT, metadata.get("format"));
        int index = index(file).orElseThrow();
        requireIntact(file, "index", Integer.toString(index), metadata.get("index"));
        String rank = metadata.get(SnapshotOwner.RANK);
        return new SnapshotFolder.Info(
                index,
                number(file, metadata, "step", Long::valueOf),
                number(file, metadata, "expected", Double::valueOf),
                number(file, metadata, "realised", Double::valueOf),
                Files.size(file),
                SnapshotOwner.NONE.equals(rank)
                        ? OptionalInt.empty()
                        : OptionalInt.of(number(file, metadata, SnapshotOwner.RANK, Integer::valueOf)));
    }

    private static <T> T number(Path file, Map<String, String> metadata, String key, Function<String, T> parser) {
        String text = metadata.get(key);
        try {
            return parser.apply(String.valueOf(text));
        } catch (NumberFormatException _) {
            throw damaged(file, key, "a number", text);
        }
    }

    private static void requireIntact(Path file, String key, String expected, String actual) {
        if (!expected.equals(actual)) {
            throw damaged(file, key, expected, actual);
        }
    }

    private static CheckpointException damaged(Path file, String key, String expected, String actual) {
        return new CheckpointException("%s: is damaged, or not this snapshot: %s is %s, expected %s"
                .formatted(file, key, actual, expected));
    }

    private static float[] floats(StoredTensor tensor) {
        if (tensor.type() != StoredType.F32) {
            throw new CheckpointException("%s: tensor %s is %s %s, expected F32".formatted(
                    tensor.file(), tensor.name(), tensor.type(), Arrays.toString(tensor.shape())));
        }
        return tensor.toFloats();
    }

    private static MaskValues masks(SnapshotOwner owner, Map<String, Tensor> tensors) {
        Tensor hidden = tensors.getOrDefault(SnapshotOwner.HIDDEN, vector(new float[0]));
        return new MaskValues(
                layers(owner, tensors, SnapshotOwner::heads),
                layers(owner, tensors, SnapshotOwner::ffn),
                hidden.values());
    }

    private static List<float[]> layers(SnapshotOwner owner, Map<String, Tensor> tensors, IntFunction<String> name) {
        List<float[]> layers = new ArrayList<>();
        for (int layer = 0; layer < owner.shape().layers().size() && tensors.containsKey(name.apply(layer)); layer++) {
            layers.add(tensors.get(name.apply(layer)).values());
        }
        return layers;
    }

    private static Optional<LoraState> adapters(SnapshotOwner owner, Map<String, Tensor> tensors) {
        return owner.adapters().map(settings -> new LoraState(owner.shape(), settings, owner.modules().stream()
                .map(module -> new LoraFactors(
                        module, tensors.get(module.nameA()).values(), tensors.get(module.nameB()).values()))
                .toList()));
    }

    private static String checksum(Map<String, String> metadata, Map<String, Tensor> tensors) {
        ValuesChecksum checksum = new ValuesChecksum();
        new TreeMap<>(metadata).forEach((key, value) -> {
            if (!key.equals(CHECKSUM)) {
                checksum.add(key);
                checksum.add(value);
            }
        });
        new TreeMap<>(tensors).forEach((name, tensor) -> checksum.add(name, tensor.shape(), tensor.values()));
        return checksum.text();
    }
}
