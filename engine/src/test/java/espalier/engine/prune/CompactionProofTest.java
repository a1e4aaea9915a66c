package espalier.engine.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.gates.MaskValues;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.testing.InterceptedOps;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.SideFile;
import espalier.engine.weights.StoredType;
import espalier.kernels.Backends;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.StoredMatrix;
import espalier.kernels.testing.ChildJvm;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/// Proofs that fail when they should: nothing is left behind, and what was there before stays.
class CompactionProofTest {
    private static final ModelShape SHAPE = new ModelShape(
            40, 32, List.of(LayerShape.uniform(4, 2, 8, 48), LayerShape.uniform(4, 2, 8, 48)), false,
            ModelShape.Biases.NONE, 1e-5, 10_000, 64);
    private static final PruningPlan PLAN =
            PruningPlan.keepAll(SHAPE).withLayer(1, new PruningPlan.Kept(new int[] {0, 1}, new int[] {2, 3, 47}));
    private static final String DOWN = "model.layers.1.mlp.down_proj.weight";

    @TempDir
    Path folder;

    private final Arena arena = Arena.ofShared();
    private final Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
    private Path source;
    private Path target;
    private byte[] before;

    @BeforeEach
    void writeSourceAndAnOlderTarget() throws IOException {
        source = folder.resolve("source");
        target = folder.resolve("target");
        try (RandomModel random = new RandomModel(SHAPE, 7)) {
            random.write(source, StoredType.F32, SideFile.text("tokenizer.json", "{}"));
            random.write(target, StoredType.BF16, SideFile.text("LICENSE", "older"));
        }
        before = Files.readAllBytes(target.resolve("model.safetensors"));
    }

    @AfterEach
    void theTargetIsAsItWasAndNothingElseIsThere() throws IOException {
        ops.close();
        arena.close();
        assertArrayEquals(before, Files.readAllBytes(target.resolve("model.safetensors")));
        assertEquals("older", Files.readString(target.resolve("LICENSE")));
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(List.of("source", "target"),
                    files.map(file -> file.getFileName().toString()).sorted().toList());
        }
    }

    private static Compaction.Request request(Path out, Optional<DType> dtype) {
        return new Compaction.Request(out, dtype, new CheckpointWriter.Options(1L << 40, true), Optional.empty(),
                Map.of(), RandomModel.ids(SHAPE, 2, 6, 1));
    }

    private <E extends Throwable> E failure(Class<E> type, UnaryOperator<StoredMatrix> matrices) throws IOException {
        return failure(type, PLAN, Optional.empty(), matrices);
    }

    /// With a target that exists, and with one that does not.
    private <E extends Throwable> E failure(
            Class<E> type, PruningPlan plan, Optional<DType> dtype, UnaryOperator<StoredMatrix> matrices)
            throws IOException {
        Ops intercepted = InterceptedOps.of(ops, matrices, workspace -> {});
        try (ModelFolder open = ModelFolder.open(source, intercepted)) {
            assertThrows(type, () -> Compaction.write(open, plan, request(folder.resolve("new"), dtype)));
        }
        try (ModelFolder open = ModelFolder.open(source, intercepted)) {
            return assertThrows(type, () -> Compaction.write(open, plan, request(target, dtype)));
        }
    }

    @Test
    void aCutThatDiffersFromTheMaskedModel() throws IOException {
        var e = failure(IllegalStateException.class, matrix ->
                matrix.name().equals(DOWN) && matrix.cols() == 3 ? scaled(matrix, 1.01f) : matrix);
        assertTrue(e.getMessage().matches("the plan applied in F32 differs from the masked model by \\S+ at layer \\d,"
                + " rounding explains at most 1.00000e-05: the result was not written"), e.getMessage());
    }

    /// The layers after it are compared on the masked model's own states, so they are as they should be.
    @Test
    void aNaNInAnEarlyLayer() throws IOException {
        PruningPlan first = PruningPlan.keepAll(SHAPE)
                .withLayer(0, new PruningPlan.Kept(new int[] {0, 1}, new int[] {2, 3, 47}));
        var e = failure(IllegalStateException.class, first, Optional.empty(), matrix ->
                matrix.name().equals("model.layers.0.mlp.down_proj.weight") && matrix.cols() == 3
                        ? scaled(matrix, Float.NaN)
                        : matrix);
        assertEquals("the plan applied in F32 differs from the masked model by NaN at layer 0,"
                + " rounding explains at most 1.00000e-05: the result was not written", e.getMessage());
    }

    private StoredMatrix scaled(StoredMatrix matrix, float factor) {
        MemorySegment data = arena.allocate(matrix.data().byteSize(), 64);
        for (long i = 0; i < data.byteSize(); i += Float.BYTES) {
            data.set(ValueLayout.JAVA_FLOAT, i, factor * matrix.data().get(ValueLayout.JAVA_FLOAT_UNALIGNED, i));
        }
        return new StoredMatrix(matrix.name(), matrix.type(), matrix.rows(), matrix.cols(), data);
    }

    /// A bit of the file flips after it was written, before it is compared.
    @Test
    void aFileThatIsNotWhatWasWritten() throws IOException {
        var e = failure(IllegalStateException.class, matrix -> {
            temporary().ifPresent(file -> flipLastBit(file.resolve("model.safetensors")));
            return matrix;
        });
        assertTrue(e.getMessage().matches("(?s).*\\.tmp.model\\.safetensors: tensor \\S+ was read back as F32 with"
                + " sha256 [0-9a-f]{64}, written as F32 with [0-9a-f]{64}"), e.getMessage());
    }

    private Optional<Path> temporary() {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(".tmp")).findFirst();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private final List<Path> flipped = new ArrayList<>();

    private void flipLastBit(Path path) {
        if (flipped.contains(path)) {
            return;
        }
        flipped.add(path);
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.seek(file.length() - 1);
            int last = file.read();
            file.seek(file.length() - 1);
            file.write(last ^ 1);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void aSourceThatChanges() throws IOException {
        var e = failure(CheckpointException.class, matrix -> {
            touch(matrix);
            return matrix;
        });
        assertTrue(e.getMessage().startsWith(source.resolve("model.safetensors") + ": "), e.getMessage());
    }

    /// Once the smaller model is being proved, the source is written to in place.
    private void touch(StoredMatrix matrix) {
        if (matrix.name().equals(DOWN) && matrix.cols() == 3) {
            Path file = source.resolve("model.safetensors");
            flipped.clear();
            flipLastBit(file);
            try {
                Files.setLastModifiedTime(file, FileTime.fromMillis(1_000_000_000_000L + 1000 * touches++));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private long touches;

    @Test
    void aValueBeyondTheRangeOfTheType() throws IOException {
        float[] huge = {1e6f};
        try (RandomModel random = new RandomModel(SHAPE, 7)) {
            random.values().get(DOWN)[0] = huge[0];
            random.write(source, StoredType.F32, new CheckpointWriter.Options(1L << 40, true));
        }
        PruningPlan all = PruningPlan.keepAll(SHAPE);
        var e = failure(CheckpointException.class, all, Optional.of(DType.F16), matrix -> matrix);
        String tensor = "tensor " + DOWN;
        assertEquals(source.resolve("model.safetensors") + ": " + tensor + ": 1000000.0 is beyond the range of F16",
                e.getMessage());
        float[] hidden = new float[32];
        Arrays.fill(hidden, 1e35f);
        PruningPlan folded = all.withFactors(new MaskValues(List.of(), List.of(), hidden));
        e = failure(CheckpointException.class, folded, Optional.empty(), matrix -> matrix);
        assertEquals(tensor + ": 1000000.0 times 1.0000000409184788E35 is beyond the range of F32", e.getMessage());
    }

    /// The result is opened only when every mapping of the source is gone.
    @Test
    void sourceAndResultAreNeverMappedTogether() throws IOException {
        List<MemorySegment> ofSource = new ArrayList<>();
        int[] ofResult = {0};
        Ops watched = InterceptedOps.of(ops, matrix -> {
            if (temporary().isPresent()) {
                ofResult[0]++;
                ofSource.forEach(data -> assertFalse(data.scope().isAlive(), "the source is still mapped"));
            } else {
                ofSource.add(matrix.data());
            }
            return matrix;
        }, workspace -> {});
        Path out = folder.resolve("new");
        try (ModelFolder open = ModelFolder.open(source, watched)) {
            Compaction.write(open, PLAN, request(out, Optional.empty()));
        }
        assertTrue(ofSource.size() > 16 && ofResult[0] == 16, ofSource.size() + " " + ofResult[0]);
        try (Stream<Path> files = Files.walk(out)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    /// The system refuses to let a file grow, as a full disk does.
    @Test
    @DisabledOnOs(OS.WINDOWS)
    void aDiskThatIsFull() throws IOException, InterruptedException {
        // In blocks of 512 bytes: less than the weights.
        List<String> limited = List.of("sh", "-c", "ulimit -f 20; exec \"$@\"", "sh");
        for (Path out : List.of(target, folder.resolve("new"))) {
            String output =
                    ChildJvm.run(limited, List.of("-XX:-UsePerfData"), Full.class, source.toString(), out.toString());
            assertTrue(output.startsWith("cannot write " + out + ": cannot write model.safetensors: "), output);
        }
    }

    /// Prunes and prints the error.
    static final class Full {
        private Full() {}

        /// @param args source and target
        public static void main(String[] args) throws IOException {
            try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
                    ModelFolder open = ModelFolder.open(Path.of(args[0]), ops)) {
                Compaction.write(open, PLAN, request(Path.of(args[1]), Optional.empty()));
                System.out.println("written");
            } catch (IOException e) {
                System.out.println(e.getMessage());
            }
        }
    }
}
