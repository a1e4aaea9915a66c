package espalier.engine.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CheckpointTest {
    private static final String Q_PROJ = "model.layers.0.self_attn.q_proj.weight";

    @TempDir
    Path folder;

    @Test
    void givesTensorsByNameAndShape() throws IOException {
        SmallModel.write(folder, SmallModel.config(), SmallModel.tensors(SmallModel.config()));
        try (Checkpoint model = Checkpoint.open(folder)) {
            SmallModel.verify(model);
            assertEquals(folder, model.folder());
            assertEquals(8, model.get(Q_PROJ, 8, 8).rows());
            assertEquals(8, model.get(Q_PROJ).cols());
            assertTrue(model.has(Q_PROJ));
            assertFalse(model.has("q_proj"));
            assertEquals(21, model.tensorNames().size());
            // embedding and head, then per layer q, o, k, v, three matrices of the FFN, two norms, and the last norm
            long floats = 2 * 10 * 8 + 2 * (2 * 8 * 8 + 2 * 4 * 8 + 3 * 6 * 8 + 2 * 8) + 8;
            assertEquals(4 * floats, model.bytes());
            assertMessage(
                    folder + "/model.safetensors: tensor " + Q_PROJ
                            + " has shape [8, 8], expected [8, 4] (2 heads x 2)",
                    () -> model.get(Q_PROJ, "2 heads x 2", 8, 4));
            assertMessage(
                    folder + "/model.safetensors: tensor " + Q_PROJ + " has shape [8, 8], expected [64]",
                    () -> model.get(Q_PROJ, 64));
            assertMessage(folder + ": has no tensor q_proj among its 21", () -> model.get("q_proj", 8, 8));
        }
    }

    @Test
    void missingAndUnexpectedTensorsAreListedTogether() throws IOException {
        List<TensorToWrite> tensors = new ArrayList<>(SmallModel.tensors(SmallModel.config()));
        tensors.removeIf(t -> t.name().endsWith("0.mlp.up_proj.weight") || t.name().equals("model.norm.weight"));
        tensors.add(vector("model.layers.2.x", 1));
        tensors.add(vector("model.layers.0.self_attn.rotary_emb.inv_freq", 1));
        assertRefused(
                ": the tensors do not fit config.json: missing model.layers.0.mlp.up_proj.weight, model.norm.weight;"
                        + " unexpected model.layers.2.x",
                SmallModel.config(),
                tensors);
    }

    @Test
    void wrongShapeIsExplained() throws IOException {
        List<TensorToWrite> tensors = replace("model.layers.1.self_attn.k_proj.weight",
                t -> TensorToWrite.ofFloats(t.name(), StoredType.F32, new long[] {8, 8}, new float[64]));
        assertRefused(
                "/model.safetensors: tensor model.layers.1.self_attn.k_proj.weight has shape [8, 8], expected [4, 8]"
                        + " (2 kv heads x 2)",
                SmallModel.config(),
                tensors);
    }

    @Test
    void typesThatWeightsDoNotHave() throws IOException {
        List<TensorToWrite> tensors = replace(Q_PROJ, t -> new TensorToWrite(
                t.name(), StoredType.I8, t.shape(), ByteSource.of(MemorySegment.ofArray(new byte[64]))));
        assertRefused(
                "/model.safetensors: tensor " + Q_PROJ + " has type I8, expected F64, F32, BF16 or F16",
                SmallModel.config(),
                tensors);
    }

    @Test
    void untiedNeedsBothMatrices() throws IOException {
        List<TensorToWrite> tensors = new ArrayList<>(SmallModel.tensors(SmallModel.config()));
        tensors.removeIf(t -> t.name().equals("lm_head.weight"));
        SmallModel.write(folder, SmallModel.config(), tensors);
        try (Checkpoint model = Checkpoint.open(folder)) {
            assertEquals("model.embed_tokens.weight", model.embeddingName());
            assertMessage(folder + ": has no tensor lm_head.weight among its 20", model::lmHeadName);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"lm_head.weight", "model.embed_tokens.weight"})
    void eitherNameServesBothWhenTied(String stored) throws IOException {
        ObjectNode config = SmallModel.config(c -> c.put("tie_word_embeddings", true));
        List<TensorToWrite> tensors = new ArrayList<>(SmallModel.tensors(config));
        tensors.replaceAll(t -> t.name().equals("model.embed_tokens.weight")
                ? new TensorToWrite(stored, t.type(), t.shape(), t.source())
                : t);
        SmallModel.write(folder, config, tensors);
        try (Checkpoint model = Checkpoint.open(folder)) {
            SmallModel.verify(model);
            assertEquals(stored, model.embeddingName());
            assertEquals(stored, model.lmHeadName());
        }
    }

    @Test
    void tiedMatricesThatDiffer() throws IOException {
        ObjectNode tied = SmallModel.config(c -> c.put("tie_word_embeddings", true));
        assertRefused(
                "/model.safetensors: tensor lm_head.weight differs from model.embed_tokens.weight, expected the same"
                        + " matrix as tie_word_embeddings is true",
                tied,
                SmallModel.tensors(SmallModel.config()));
        TensorToWrite embedding = SmallModel.tensors(tied).get(0);
        List<TensorToWrite> same = replace("lm_head.weight",
                t -> new TensorToWrite(t.name(), t.type(), t.shape(), embedding.source()));
        SmallModel.write(folder, tied, same);
        try (Checkpoint model = Checkpoint.open(folder)) {
            SmallModel.verify(model);
            assertEquals("model.embed_tokens.weight", model.lmHeadName());
        }
    }

    @Test
    void foldersThatAreNone() throws IOException {
        assertMessage(folder + "/x: is not a folder", () -> Checkpoint.open(folder.resolve("x")));
        assertMessage(folder + ": has no config.json", () -> Checkpoint.open(folder));
        Files.writeString(folder.resolve("config.json"), StrictJson.pretty(SmallModel.config()));
        assertMessage(
                folder + ": has neither model.safetensors nor model.safetensors.index.json",
                () -> Checkpoint.open(folder));
        Files.createFile(folder.resolve("pytorch_model.bin"));
        Files.createFile(folder.resolve("model.gguf"));
        assertMessage(
                folder + ": has neither model.safetensors nor model.safetensors.index.json; it has model.gguf,"
                        + " pytorch_model.bin, which are not read",
                () -> Checkpoint.open(folder));
    }

    @Test
    void configThatIsALfsPointer() throws IOException {
        Files.writeString(folder.resolve("config.json"), "version https://git-lfs.github.com/spec/v1\n");
        assertMessage(
                folder + "/config.json: is a Git LFS pointer, not the file itself; fetch it with \"git lfs pull\"",
                () -> Checkpoint.open(folder));
    }

    @Test
    void readsShards() throws IOException {
        writeShards("{\"weight_map\": {\"a\": \"1.safetensors\", \"b\": \"2.safetensors\"}}");
        try (Checkpoint model = Checkpoint.open(folder)) {
            assertEquals(List.of("a", "b"), List.copyOf(model.tensorNames()));
            assertEquals(folder.resolve("2.safetensors"), model.get("b", 2).file());
            assertEquals(12, model.bytes());
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
        "{}; : weight_map is missing, expected an object of file names",
        "{\"weight_map\": []}; : weight_map is [], expected an object",
        "{\"weight_map\": {}}; : weight_map is empty",
    })
    void indexWithoutAMap(String index, String message) throws IOException {
        writeShards(index);
        assertMessage(folder + "/model.safetensors.index.json" + message, () -> Checkpoint.open(folder));
    }

    @ParameterizedTest
    @ValueSource(strings = {"../1.safetensors", "/etc/passwd", "x/1.safetensors", "..\\\\1.safetensors", "..", ".", "",
        "C:1.safetensors", "1.safetensors\\u0000"})
    void indexThatLeavesItsFolder(String name) throws IOException {
        writeShards("{\"weight_map\": {\"a\": \"" + name + "\"}}");
        assertMessage(
                folder + "/model.safetensors.index.json: tensor a is in \"" + name
                        + "\", expected the plain name of a file in the same folder",
                () -> Checkpoint.open(folder));
    }

    @Test
    void indexThatDoesNotFitItsShards() throws IOException {
        Path index = folder.resolve("model.safetensors.index.json");
        writeShards("{\"weight_map\": {\"a\": \"1.safetensors\", \"b\": \"3.safetensors\"}}");
        assertMessage(index + ": names 3.safetensors, which is not in the folder", () -> Checkpoint.open(folder));
        writeShards("{\"weight_map\": {\"a\": \"1.safetensors\", \"c\": \"1.safetensors\"}}");
        assertMessage(
                index + ": tensor c is not in 1.safetensors, where the index has it", () -> Checkpoint.open(folder));
        writeShards("{\"weight_map\": {\"a\": \"2.safetensors\", \"b\": \"1.safetensors\"}}");
        assertMessage(
                index + ": tensor a is not in 2.safetensors, where the index has it, but in 1.safetensors",
                () -> Checkpoint.open(folder));
        writeShards("{\"weight_map\": {\"a\": \"1.safetensors\", \"b\": 2}}");
        assertMessage(
                index + ": tensor b is in 2, expected the plain name of a file in the same folder",
                () -> Checkpoint.open(folder));
        writeShards("{\"weight_map\": {\"a\": \"1.safetensors\", \"a\": \"2.safetensors\"}}");
        var e = assertThrows(CheckpointException.class, () -> Checkpoint.open(folder));
        assertTrue(e.getMessage().startsWith(index + ": Duplicate field 'a'"), e.getMessage());
    }

    @Test
    void tensorInTwoShards() throws IOException {
        writeShards("{\"weight_map\": {\"a\": \"1.safetensors\", \"b\": \"2.safetensors\"}}");
        SafetensorsWriter.write(folder.resolve("2.safetensors"), Map.of(), List.of(vector("b", 2), vector("a", 1)));
        assertMessage(
                folder + "/2.safetensors: tensor a is also in 1.safetensors", () -> Checkpoint.open(folder));
    }

    @Test
    void tensorsThatTheIndexDoesNotName() throws IOException {
        writeShards("{\"weight_map\": {\"a\": \"1.safetensors\", \"b\": \"2.safetensors\"}}");
        List<TensorToWrite> extra = new ArrayList<>();
        extra.add(vector("b", 2));
        for (int i = 10; i < 22; i++) {
            extra.add(vector("x" + i, 1));
        }
        SafetensorsWriter.write(folder.resolve("2.safetensors"), Map.of(), extra);
        assertMessage(
                folder + "/model.safetensors.index.json: does not name 12 tensors of its shards: "
                        + "x10 (in 2.safetensors), x11 (in 2.safetensors), x12 (in 2.safetensors), "
                        + "x13 (in 2.safetensors), x14 (in 2.safetensors), x15 (in 2.safetensors), "
                        + "x16 (in 2.safetensors), x17 (in 2.safetensors), x18 (in 2.safetensors), "
                        + "x19 (in 2.safetensors) and 2 more",
                () -> Checkpoint.open(folder));
    }

    @Test
    void theSingleFileWinsOverAnIndex() throws IOException {
        writeShards("{\"weight_map\": {\"a\": \"1.safetensors\", \"b\": \"2.safetensors\"}}");
        SafetensorsWriter.write(folder.resolve("model.safetensors"), Map.of(), List.of(vector("c", 1)));
        try (Checkpoint model = Checkpoint.open(folder)) {
            assertEquals(List.of("c"), List.copyOf(model.tensorNames()));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "F32, NaN, 0", "F32, Infinity, 16", "F32, -Infinity, 12", "BF16, NaN, 15", "BF16, Infinity, 7",
        "F16, NaN, 16", "F16, -Infinity, 9", "F64, NaN, 3", "F64, -Infinity, 16", "F64, Infinity, 0"
    })
    void valuesThatAreNotFinite(StoredType type, float bad, int index) throws IOException {
        float[] values = new float[17];
        for (int i = 0; i < values.length; i++) {
            // The largest finite values of the type, of either sign, must not be taken for infinity.
            float largest = type == StoredType.F16 ? 65504 : type == StoredType.BF16 ? 3.3895314e38f : Float.MAX_VALUE;
            values[i] = i % 2 == 0 ? largest : -largest;
        }
        assertFinite(type, values);
        values[index] = bad;
        var e = assertThrows(CheckpointException.class, () -> assertFinite(type, values));
        assertEquals(
                folder + "/model.safetensors: tensor w [17] has " + bad + " at flat index " + index
                        + ", expected finite weights",
                e.getMessage());
    }

    @Test
    void nanFarIntoALargeTensor() throws IOException {
        float[] values = new float[9_000_001];
        assertFinite(StoredType.BF16, values);
        values[8_999_999] = Float.NaN;
        var e = assertThrows(CheckpointException.class, () -> assertFinite(StoredType.BF16, values));
        assertTrue(e.getMessage().contains(" has NaN at flat index 8999999, "), e.getMessage());
    }

    private void assertFinite(StoredType type, float[] values) throws IOException {
        SmallModel.write(folder, SmallModel.config(), List.of(
                TensorToWrite.ofFloats("w", type, new long[] {values.length}, values),
                new TensorToWrite("i", StoredType.I32, new long[] {1}, out -> out.write(
                        ByteBuffer.wrap(new byte[] {0, 0, -64, 127})))));
        try (Checkpoint model = Checkpoint.open(folder)) {
            long[] seen = {0};
            model.checkFinite(bytes -> seen[0] += bytes);
            assertEquals(model.bytes(), seen[0]);
        }
    }

    @Test
    void otherFilesAreThoseOfTheTokenizerAndTheLicence() throws IOException {
        SmallModel.write(folder, SmallModel.config(), SmallModel.tensors(SmallModel.config()));
        for (String name : List.of("tokenizer.json", "tokenizer_config.json", "generation_config.json", "LICENSE",
                "LICENSE.txt", "NOTICE", "USE_POLICY.md", "chat_template.jinja", "README.md", "pytorch_model.bin",
                "licensed.bin", ".gitattributes", "train.log")) {
            Files.createFile(folder.resolve(name));
        }
        Files.createDirectory(folder.resolve("additional_chat_templates"));
        Files.createFile(folder.resolve("additional_chat_templates/tool.jinja"));
        Files.createFile(folder.resolve("additional_chat_templates/x.py"));
        try (Checkpoint model = Checkpoint.open(folder)) {
            assertArrayEquals(
                    new String[] {"LICENSE", "LICENSE.txt", "NOTICE", "USE_POLICY.md",
                        "additional_chat_templates/tool.jinja", "chat_template.jinja", "generation_config.json",
                        "tokenizer.json", "tokenizer_config.json"},
                    model.otherFiles().stream().map(Path::toString).toArray());
        }
    }

    /// A folder of a hub cache, where every file is a link to a blob elsewhere (interop.md section 9).
    @Test
    void aFolderOfLinksIsAModelWithItsOtherFiles() throws IOException {
        Path blobs = Files.createDirectory(folder.resolve("blobs"));
        SmallModel.write(blobs, SmallModel.config(), SmallModel.tensors(SmallModel.config()));
        Files.writeString(blobs.resolve("tokenizer.json"), "{}");
        Path snapshot = Files.createDirectories(folder.resolve("snapshots/abc"));
        for (String name : List.of("config.json", "model.safetensors", "tokenizer.json")) {
            Files.createSymbolicLink(snapshot.resolve(name), Path.of("../../blobs").resolve(name));
        }
        try (Checkpoint model = Checkpoint.open(snapshot)) {
            SmallModel.verify(model);
            assertEquals(List.of(Path.of("tokenizer.json")), model.otherFiles());
            Path copy = folder.resolve("copy");
            List<SideFile> files = List.of(SideFile.copyOf(snapshot, model.otherFiles().getFirst()));
            FolderWriter.write(copy, FolderWriter.Kind.CHECKPOINT, false, files);
            assertFalse(Files.isSymbolicLink(copy.resolve("tokenizer.json")), "a copy stands alone");
            assertEquals("{}", Files.readString(copy.resolve("tokenizer.json")));
            Files.delete(blobs.resolve("tokenizer.json"));
            var e = assertThrows(NoSuchFileException.class, model::otherFiles);
            assertEquals(
                    snapshot.resolve("tokenizer.json") + ": is a link to a file that does not exist", e.getMessage());
        }
    }

    private void assertRefused(String message, ObjectNode config, List<TensorToWrite> tensors) throws IOException {
        SmallModel.write(folder, config, tensors);
        try (Checkpoint model = Checkpoint.open(folder)) {
            assertMessage(folder + message, () -> SmallModel.verify(model));
        }
    }

    private static List<TensorToWrite> replace(String name, UnaryOperator<TensorToWrite> change) throws IOException {
        List<TensorToWrite> tensors = new ArrayList<>(SmallModel.tensors(SmallModel.config()));
        tensors.replaceAll(t -> t.name().equals(name) ? change.apply(t) : t);
        return tensors;
    }

    private static void assertMessage(String message, Executable work) {
        assertEquals(message, assertThrows(CheckpointException.class, work).getMessage());
    }

    private static TensorToWrite vector(String name, int length) {
        return TensorToWrite.ofFloats(name, StoredType.F32, new long[] {length}, new float[length]);
    }

    /// Tensor a in 1.safetensors and tensor b in 2.safetensors.
    private void writeShards(String index) throws IOException {
        Files.writeString(folder.resolve("config.json"), StrictJson.pretty(SmallModel.config()));
        SafetensorsWriter.write(folder.resolve("1.safetensors"), Map.of(), List.of(vector("a", 1)));
        SafetensorsWriter.write(folder.resolve("2.safetensors"), Map.of(), List.of(vector("b", 2)));
        Files.writeString(folder.resolve("model.safetensors.index.json"), index);
    }
}
