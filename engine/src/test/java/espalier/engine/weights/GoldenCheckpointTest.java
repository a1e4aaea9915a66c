package espalier.engine.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.weights.CheckpointWriter.Options;
import espalier.testing.SharedData;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Folders that PyTorch and other tools wrote.
class GoldenCheckpointTest {
    static Stream<Path> folders() throws IOException {
        List<Path> folders = new ArrayList<>(SharedData.goldenCases(""));
        try (Stream<Path> models = Files.list(SharedData.models())) {
            models.sorted().forEach(folders::add);
        }
        List<Path> checkpoints =
                folders.stream().filter(f -> Files.exists(f.resolve("config.json"))).toList();
        assertTrue(checkpoints.size() >= 14, "only " + checkpoints.size() + " checkpoints were found");
        return checkpoints.stream();
    }

    @ParameterizedTest
    @MethodSource("folders")
    void opensAndFitsItsConfiguration(Path folder) throws IOException {
        try (Checkpoint model = Checkpoint.open(folder)) {
            SmallModel.verify(model);
            model.checkFinite(bytes -> {});
            assertEquals(List.of(), model.config().unsupported());
            StoredTensor embedding =
                    model.get(model.embeddingName(), model.config().vocabSize(), model.config().hiddenSize());
            assertEquals(model.config().dtype().orElseThrow(), embedding.type());
            assertEquals(model.config().tied(), model.lmHeadName().equals(model.embeddingName()));
        }
    }

    @ParameterizedTest
    @MethodSource("folders")
    void rewritingKeepsEveryByte(Path folder, @TempDir Path parent) throws IOException {
        try (Checkpoint model = Checkpoint.open(folder)) {
            List<TensorToWrite> tensors = model.tensorNames().stream()
                    .map(name -> TensorToWrite.of(model.get(name)))
                    .toList();
            List<SideFile> sideFiles =
                    model.otherFiles().stream().map(f -> SideFile.copyOf(folder, f)).toList();
            ObjectNode config = model.config().raw();
            Path single = parent.resolve("single");
            List<ExpectedTensor> expected = SmallModel.expected(config);
            CheckpointWriter.write(single, config, expected, tensors, sideFiles, Options.DEFAULT);
            assertSameTensors(model, single);
            Path sharded = parent.resolve("sharded");
            Options small = new Options(model.bytes() / 3, false);
            CheckpointWriter.write(sharded, config, expected, tensors, sideFiles, small);
            assertTrue(Files.exists(sharded.resolve("model.safetensors.index.json")));
            assertSameTensors(model, sharded);
            for (Path file : model.otherFiles()) {
                assertArrayEquals(
                        Files.readAllBytes(folder.resolve(file)), Files.readAllBytes(single.resolve(file)));
            }
        }
    }

    /// These files have one element type each, so their order is that of the names.
    @ParameterizedTest
    @MethodSource("folders")
    void rewritingAFileOfTheReferenceGivesTheSameFile(Path folder, @TempDir Path parent) throws IOException {
        Path original = folder.resolve("model.safetensors");
        Path copy = parent.resolve("model.safetensors");
        try (SafetensorsFile file = SafetensorsFile.open(original)) {
            List<TensorToWrite> tensors = file.tensors().stream()
                    .map(t -> TensorToWrite.of(file.tensor(t.name())))
                    .toList();
            SafetensorsWriter.write(copy, file.metadata(), tensors.reversed());
        }
        assertEquals(-1, Files.mismatch(original, copy));
    }

    @Test
    void tinyStoriesStoresOnlyTheHead() throws IOException {
        try (Checkpoint model = Checkpoint.open(SharedData.models().resolve("tinystories-656k"))) {
            assertTrue(model.config().tied());
            assertFalse(model.has("model.embed_tokens.weight"));
            assertEquals("lm_head.weight", model.embeddingName());
            assertEquals("lm_head.weight", model.lmHeadName());
            assertEquals(
                    List.of("generation_config.json", "special_tokens_map.json", "tokenizer.json",
                            "tokenizer_config.json"),
                    model.otherFiles().stream().map(Path::toString).toList());
        }
    }

    @Test
    void smolLm2() throws IOException {
        try (Checkpoint model = Checkpoint.open(SharedData.smollm2())) {
            SmallModel.verify(model);
            model.checkFinite(bytes -> {});
            assertEquals(30, model.config().numLayers());
            assertEquals(new LayerShape(new int[] {3, 3, 3}, 64, 1536), model.config().layers().getLast());
            assertEquals(100000, model.config().ropeTheta());
            assertEquals(2L * 134_515_008, model.bytes());
            assertEquals(List.of(), model.config().unsupported());
        }
    }

    @Test
    void biasesOfQwen2() throws IOException {
        try (Checkpoint model = Checkpoint.open(SharedData.golden().resolve("core-bias"))) {
            assertTrue(model.config().attentionBias());
            assertFalse(model.config().oProjBias());
            assertEquals(16, model.get("model.layers.1.self_attn.v_proj.bias", 16).elements());
            assertFalse(model.has("model.layers.0.self_attn.o_proj.bias"));
        }
    }

    private static void assertSameTensors(Checkpoint expected, Path folder) throws IOException {
        try (Checkpoint actual = Checkpoint.open(folder)) {
            SmallModel.verify(actual);
            assertEquals(expected.tensorNames().size(), actual.tensorNames().size());
            assertEquals(expected.bytes(), actual.bytes());
            for (String name : expected.tensorNames()) {
                StoredTensor e = expected.get(name);
                StoredTensor a = actual.get(name, e.shape());
                assertEquals(e.type(), a.type());
                assertArrayEquals(
                        e.data().toArray(ValueLayout.JAVA_BYTE), a.data().toArray(ValueLayout.JAVA_BYTE), name);
            }
        }
    }
}
