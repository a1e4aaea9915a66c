package espalier.engine.masked;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.adapt.LoraFactors;
import espalier.engine.adapt.LoraModule;
import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.gates.MaskValues;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Shapes;
import espalier.engine.model.Site;
import espalier.engine.weights.CannotWriteException;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.SafetensorsFile;
import espalier.engine.weights.SafetensorsWriter;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.TensorInfo;
import espalier.engine.weights.TensorToWrite;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SnapshotFolderTest {
    private static final String MODEL = "0123abcd";

    /// Unequal layers, one without heads and one without FFN channels.
    private static final ModelShape SHAPE = Shapes.toy(
            5,
            true,
            new LayerShape(new int[] {3, 1, 2}, 4, 7),
            new LayerShape(new int[0], 4, 3),
            LayerShape.uniform(4, 2, 2, 0));

    private static final LoraSettings LORA = LoraSettings.of(2, 8, 0, Set.of(Site.Q_PROJ, Site.V_PROJ, Site.UP_PROJ));

    @TempDir
    private Path temporary;

    private Path folder;

    @BeforeEach
    void nameFolder() {
        folder = temporary.resolve("snapshots");
    }

    private SnapshotFolder open(Optional<LoraSettings> adapters) {
        return new SnapshotFolder(folder, SHAPE, MODEL, adapters);
    }

    private SnapshotFolder open() {
        return open(Optional.of(LORA));
    }

    private Path file(int index) {
        return folder.resolve("snapshot-000" + index + ".safetensors");
    }

    /// Any bits at all, signalling NaNs included.
    private static float[] bits(Random random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = i == 0 ? Float.intBitsToFloat(0x7f80_0001) : Float.intBitsToFloat(random.nextInt());
        }
        return values;
    }

    private static MaskValues masks(Random random, boolean heads, boolean ffn, boolean hidden) {
        List<float[]> headMasks = new ArrayList<>();
        List<float[]> ffnMasks = new ArrayList<>();
        for (LayerShape layer : SHAPE.layers()) {
            headMasks.add(bits(random, layer.heads()));
            ffnMasks.add(bits(random, layer.ffn()));
        }
        return new MaskValues(
                heads ? headMasks : List.of(),
                ffn ? ffnMasks : List.of(),
                hidden ? bits(random, SHAPE.hidden()) : new float[0]);
    }

    private static Optional<LoraState> adapters(Random random, Optional<LoraSettings> settings) {
        return settings.map(lora -> new LoraState(SHAPE, lora, lora.modules(SHAPE).stream()
                .map(module -> new LoraFactors(
                        module,
                        bits(random, module.rank() * module.in()),
                        bits(random, module.out() * module.rank())))
                .toList()));
    }

    private static Snapshot snapshot(int index, Optional<LoraSettings> settings) {
        Random random = new Random(100 + index);
        return new Snapshot(
                index,
                10L * index + 3,
                (index + 1) * 0.01 + 1e-17,
                Math.nextUp(index * 0.01),
                masks(random, true, true, true),
                adapters(random, settings));
    }

    private static Snapshot snapshot(int index) {
        return snapshot(index, Optional.of(LORA));
    }

    /// Arrays and numbers as bits, so that all NaNs are told apart.
    private static List<Object> bits(Snapshot snapshot) {
        List<Object> all = new ArrayList<>(List.of(
                snapshot.index(),
                snapshot.step(),
                Double.doubleToRawLongBits(snapshot.expected()),
                Double.doubleToRawLongBits(snapshot.realised()),
                snapshot.masks().heads().stream().map(SnapshotFolderTest::bits).toList(),
                snapshot.masks().ffn().stream().map(SnapshotFolderTest::bits).toList(),
                bits(snapshot.masks().hidden())));
        snapshot.adapters().ifPresent(state -> {
            all.add(state.shape());
            all.add(state.settings());
            for (LoraFactors factors : state.factors()) {
                all.addAll(List.of(factors.module(), bits(factors.a()), bits(factors.b())));
            }
        });
        return all;
    }

    private static List<Integer> bits(float[] values) {
        List<Integer> bits = new ArrayList<>();
        for (float value : values) {
            bits.add(Float.floatToRawIntBits(value));
        }
        return bits;
    }

    private static Set<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).collect(Collectors.toSet());
        }
    }

    private void assertDamaged(SnapshotFolder snapshots, int index, String message) {
        var e = assertThrows(CheckpointException.class, () -> snapshots.get(index));
        assertEquals(file(index) + ": " + message, e.getMessage());
    }

    /// Writes a file again with its checksum left as it was.
    private void rewrite(Path file, Map<String, String> entries, StoredType type) throws IOException {
        Map<String, String> metadata;
        List<TensorToWrite> tensors = new ArrayList<>();
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            metadata = new TreeMap<>(open.metadata());
            for (TensorInfo tensor : open.tensors()) {
                tensors.add(TensorToWrite.ofFloats(
                        tensor.name(), type, tensor.shape(), open.tensor(tensor.name()).toFloats()));
            }
        }
        entries.forEach((key, value) -> {
            if (value.isEmpty()) {
                metadata.remove(key);
            } else {
                metadata.put(key, value);
            }
        });
        SafetensorsWriter.write(file, metadata, tensors);
    }

    @Test
    void everyBitComesBack() throws IOException {
        for (int index = 0; index < 3; index++) {
            open().add(snapshot(index));
        }
        for (int index : new int[] {1, 2, 0, 1}) {
            assertEquals(bits(snapshot(index)), bits(open().get(index)), "snapshot " + index);
        }
        assertEquals(
                Set.of("snapshot-0000.safetensors", "snapshot-0001.safetensors", "snapshot-0002.safetensors"),
                names(folder));
    }

    @ParameterizedTest
    @CsvSource({
        "true, true, true", "true, false, false", "false, true, false", "false, false, true", "false, false, false"
    })
    void masksAloneComeBackForTheFamiliesThatHaveGates(boolean heads, boolean ffn, boolean hidden)
            throws IOException {
        MaskValues masks = masks(new Random(1), heads, ffn, hidden);
        Snapshot snapshot = new Snapshot(0, 5, 0.01, 0.009, masks, Optional.empty());
        open(Optional.empty()).add(snapshot);
        assertEquals(bits(snapshot), bits(open(Optional.empty()).get(0)));
    }

    @Test
    void tensorsHaveTheNamesOfTheirUnits() throws IOException {
        open().add(snapshot(0));
        try (SafetensorsFile file = SafetensorsFile.open(file(0))) {
            assertArrayEquals(new long[] {6}, file.tensor("layers.0.heads").shape());
            assertArrayEquals(new long[] {0}, file.tensor("layers.1.heads").shape());
            assertArrayEquals(new long[] {0}, file.tensor("layers.2.ffn").shape());
            assertArrayEquals(new long[] {5}, file.tensor("hidden").shape());
            LoraModule module = LORA.modules(SHAPE).getFirst();
            assertArrayEquals(new long[] {2, 5}, file.tensor(module.nameA()).shape());
            assertArrayEquals(new long[] {24, 2}, file.tensor(module.nameB()).shape());
            int factors = 2 * LORA.modules(SHAPE).size();
            assertEquals(3 + 3 + 1 + factors, file.tensors().size());
        }
    }

    @Test
    void anEarlierOneIsReplacedAndLaterOnesAreForgotten() throws IOException {
        for (int index = 0; index < 5; index++) {
            open().add(snapshot(index));
        }
        Snapshot other = new Snapshot(2, 77, 0.03, 0.02, snapshot(4).masks(), snapshot(4).adapters());
        open().add(other);
        assertEquals(bits(other), bits(open().get(2)));
        assertEquals(bits(snapshot(1)), bits(open().get(1)));
        assertThrows(NoSuchFileException.class, () -> open().get(3));
        assertEquals(
                List.of(0, 1, 2),
                SnapshotFolder.list(folder).stream().map(SnapshotFolder.Info::index).toList());
    }

    @Test
    void behavesAsTheStoreInMemoryDoes() throws IOException {
        SnapshotStore memory = SnapshotStore.inMemory();
        for (int index : new int[] {0, 1, 2, 3, 1, 2}) {
            memory.add(snapshot(index));
            open().add(snapshot(index));
        }
        for (int index = 0; index < 3; index++) {
            assertEquals(bits(memory.get(index)), bits(open().get(index)));
        }
        assertThrows(IndexOutOfBoundsException.class, () -> memory.get(3));
        assertThrows(NoSuchFileException.class, () -> open().get(3));
    }

    @Test
    void aSnapshotThatDoesNotFitIsNotWritten() throws IOException {
        open().add(snapshot(0));
        assertRefused(
                "snapshot 2 cannot be added: " + folder + " has no snapshot 1", () -> open().add(snapshot(2)));
        MaskValues good = snapshot(1).masks();
        List<float[]> wide = new ArrayList<>(good.ffn());
        wide.set(1, new float[4]);
        Optional<LoraState> adapters = snapshot(1).adapters();
        assertRefused(
                "snapshot 1: tensor layers.1.ffn has shape [4], expected [3]",
                () -> open().add(
                        new Snapshot(1, 9, 0.1, 0.1, new MaskValues(good.heads(), wide, good.hidden()), adapters)));
        assertRefused(
                "snapshot 1: missing tensors: layers.2.heads; tensors that the model does not call for: none",
                () -> open().add(new Snapshot(
                        1, 9, 0.1, 0.1, new MaskValues(good.heads().subList(0, 2), good.ffn(), good.hidden()),
                        adapters)));
        assertRefused(
                "snapshot 1: adapters are Optional.empty, expected " + Optional.of(LORA),
                () -> open().add(new Snapshot(1, 9, 0.1, 0.1, good, Optional.empty())));
        assertEquals(Set.of("snapshot-0000.safetensors"), names(folder));
    }

    private interface Work {
        void run() throws IOException;
    }

    private static void assertRefused(String message, Work work) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, work::run).getMessage());
    }

    @Test
    void anotherModelsSnapshotIsRefused() throws IOException {
        open().add(snapshot(0));
        assertDamaged(
                new SnapshotFolder(folder, SHAPE, "4567cdef", Optional.of(LORA)),
                0,
                "is a snapshot of another model or with other adapters: model is 0123abcd, expected 4567cdef");
    }

    @Test
    void otherAdaptersAreRefused() throws IOException {
        open().add(snapshot(0));
        String start = "is a snapshot of another model or with other adapters: ";
        assertDamaged(
                open(Optional.of(LoraSettings.of(4, 8, 0, LORA.targets()))), 0,
                start + "lora_rank is 2, expected 4");
        assertDamaged(
                open(Optional.of(LoraSettings.of(2, 16, 0, LORA.targets()))), 0,
                start + "lora_alpha is 8.0, expected 16.0");
        assertDamaged(
                open(Optional.of(LoraSettings.of(2, 8, 0, Set.of(Site.Q_PROJ)))), 0,
                start + "lora_targets is q_proj,v_proj,up_proj, expected q_proj");
        assertDamaged(
                open(Optional.of(LORA.withModules(Map.of(Site.Q_PROJ.module(0), 1), Map.of()))), 0,
                start + "lora_ranks is {}, expected {model.layers.0.self_attn.q_proj=1}");
        assertDamaged(open(Optional.empty()), 0, start + "lora_alpha is 8.0, expected none");
        LoraSettings dropout = LoraSettings.of(2, 8, 0.5, LORA.targets());
        assertEquals(dropout, open(Optional.of(dropout)).get(0).adapters().orElseThrow().settings());
        open(Optional.empty()).add(snapshot(0, Optional.empty()));
        assertDamaged(open(), 0, start + "lora_alpha is none, expected 8.0");
    }

    @Test
    void anotherShapeIsRefused() throws IOException {
        open(Optional.empty()).add(snapshot(0, Optional.empty()));
        List<LayerShape> layers = new ArrayList<>(SHAPE.layers());
        layers.set(0, new LayerShape(new int[] {3, 1}, 4, 7));
        assertDamaged(
                new SnapshotFolder(folder, SHAPE.withWidths(5, layers), MODEL, Optional.empty()), 0,
                "tensor layers.0.heads has shape [6], expected [4]");
        assertDamaged(
                new SnapshotFolder(folder, SHAPE.withWidths(5, layers.subList(1, 3)), MODEL, Optional.empty()), 0,
                "missing tensors: none; tensors that the model does not call for: layers.2.ffn, layers.2.heads");
    }

    /// No bit of a snapshot can change unseen, in the header, the padding or the data.
    @Test
    void everyFlippedBitIsSeen() throws IOException {
        SnapshotFolder snapshots = open(Optional.empty());
        Snapshot snapshot = snapshot(0, Optional.empty());
        snapshots.add(snapshot);
        byte[] good = Files.readAllBytes(file(0));
        int refused = 0;
        for (int at = 0; at < good.length; at++) {
            byte[] bad = good.clone();
            bad[at] ^= (byte) (1 << at % 8);
            Files.write(file(0), bad);
            try {
                // JSON allows a tab for the blank of the padding, and little else.
                assertEquals(bits(snapshot), bits(snapshots.get(0)), "byte " + at);
            } catch (CheckpointException e) {
                assertTrue(e.getMessage().contains(file(0).toString()), e.getMessage());
                refused++;
            }
        }
        assertTrue(refused >= good.length - 8, refused + " of " + good.length);
    }

    @Test
    void whatWasTamperedWithIsNamed() throws IOException {
        open().add(snapshot(0));
        byte[] bytes = Files.readAllBytes(file(0));
        bytes[bytes.length - 1] ^= 1;
        Files.write(file(0), bytes);
        var e = assertThrows(CheckpointException.class, () -> open().get(0));
        assertTrue(
                e.getMessage()
                        .matches(".*snapshot-0000.safetensors: is damaged, or not this snapshot:"
                                + " crc32c is [0-9a-f]{8}, expected [0-9a-f]{8}"),
                e.getMessage());
        open().add(snapshot(0));
        rewrite(file(0), Map.of("model", "4567cdef"), StoredType.F32);
        SnapshotFolder others = new SnapshotFolder(folder, SHAPE, "4567cdef", Optional.of(LORA));
        e = assertThrows(CheckpointException.class, () -> others.get(0));
        assertTrue(e.getMessage().contains("is damaged, or not this snapshot: crc32c is "), e.getMessage());
        rewrite(file(0), Map.of(), StoredType.BF16);
        assertDamaged(open(), 0, "tensor hidden is BF16 [5], expected F32");
    }

    @Test
    void otherFilesAreRefused() throws IOException {
        assertThrows(NoSuchFileException.class, () -> open().get(0));
        open().add(snapshot(0));
        Files.move(file(0), file(1));
        assertDamaged(open(), 1, "is damaged, or not this snapshot: index is 0, expected 1");
        SafetensorsWriter.write(file(1), Map.of(), List.of());
        assertDamaged(open(), 1, "is damaged, or not this snapshot: format is null, expected espalier snapshot 1");
    }

    @Test
    void aFolderThatCannotBeMadeIsNamed() {
        SnapshotFolder nowhere =
                new SnapshotFolder(temporary.resolve("no/snapshots"), SHAPE, MODEL, Optional.of(LORA));
        var e = assertThrows(CannotWriteException.class, () -> nowhere.add(snapshot(0)));
        assertTrue(e.getMessage().startsWith("cannot write " + temporary.resolve("no/snapshots")), e.getMessage());
        assertFalse(Files.exists(temporary.resolve("no")));
    }

    @Test
    void listsHeaders() throws IOException {
        for (int index = 0; index < 2; index++) {
            open().add(snapshot(index));
        }
        open(Optional.empty()).add(snapshot(2, Optional.empty()));
        Files.writeString(folder.resolve("notes.txt"), "mine");
        Files.writeString(folder.resolve("snapshot-00003.safetensors"), "another's");
        Files.writeString(folder.resolve(".snapshot-0003.safetensors.1-1.tmp"), "half");
        List<SnapshotFolder.Info> infos = SnapshotFolder.list(folder);
        List<SnapshotFolder.Info> expected = new ArrayList<>();
        for (int index = 0; index < 3; index++) {
            Snapshot snapshot = snapshot(index);
            expected.add(new SnapshotFolder.Info(
                    index,
                    snapshot.step(),
                    snapshot.expected(),
                    snapshot.realised(),
                    Files.size(file(index)),
                    index < 2 ? OptionalInt.of(2) : OptionalInt.empty()));
        }
        assertEquals(expected, infos);
        assertThrows(NoSuchFileException.class, () -> SnapshotFolder.list(temporary.resolve("none")));
    }

    @ParameterizedTest
    @CsvSource({
        "step, many, 'step is many, expected a number'",
        "expected, '', 'expected is null, expected a number'",
        "lora_rank, '', 'lora_rank is null, expected a number'",
        "index, 7, 'index is 7, expected 0'",
        "format, another, 'format is another, expected espalier snapshot 1'"
    })
    void aListWithADamagedHeaderIsAnError(String key, String value, String message) throws IOException {
        open().add(snapshot(0));
        rewrite(file(0), Map.of(key, value), StoredType.F32);
        var e = assertThrows(CheckpointException.class, () -> SnapshotFolder.list(folder));
        assertEquals(file(0) + ": is damaged, or not this snapshot: " + message, e.getMessage());
    }
}
