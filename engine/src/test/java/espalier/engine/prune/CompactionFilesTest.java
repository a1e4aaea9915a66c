package espalier.engine.prune;

import static espalier.engine.prune.CompactionTest.GROUPS;
import static espalier.engine.prune.CompactionTest.LLAMA_BIASES;
import static espalier.engine.prune.CompactionTest.UNEQUAL;
import static espalier.engine.prune.CompactionTest.irregular;
import static espalier.engine.prune.CompactionTest.request;
import static espalier.engine.prune.CompactionTest.shape;
import static espalier.engine.prune.CompactionTest.source;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import espalier.engine.model.Architecture;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape.Biases;
import espalier.engine.model.ModelShape;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.Checkpoint;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.ModelPrompt;
import espalier.engine.weights.PretrainedConfig;
import espalier.engine.weights.SafetensorsFile;
import espalier.engine.weights.SideFile;
import espalier.engine.weights.StoredType;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a smaller folder consists of: shards, the plan, the configuration, the files beside them. What it computes is tested
/// by [CompactionTest].
class CompactionFilesTest {
    @TempDir
    Path folder;

    @Test
    void shardsAreReadAndWritten() throws IOException {
        ModelShape shape = shape(false, LLAMA_BIASES, GROUPS, UNEQUAL, GROUPS);
        PruningPlan plan = irregular(shape);
        Path sharded = folder.resolve("sharded");
        CheckpointWriter.Options small = new CheckpointWriter.Options(700, false);
        try (RandomModel random = new RandomModel(shape, 7)) {
            random.write(sharded, StoredType.F32, small);
        }
        assertTrue(Files.exists(sharded.resolve("model.safetensors.index.json")));
        Path whole = folder.resolve("whole");
        Path parts = folder.resolve("parts");
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 2)) {
            try (ModelFolder open = ModelFolder.open(source(folder, shape, StoredType.F32), ops)) {
                Compaction.write(open, plan, request(whole, shape));
            }
            try (ModelFolder open = ModelFolder.open(sharded, ops)) {
                Compaction.Request request = new Compaction.Request(
                        parts, Optional.empty(), small, Optional.empty(), Map.of(), RandomModel.ids(shape, 1, 4, 1));
                Compaction.write(open, plan, request);
            }
        }
        assertFalse(Files.exists(parts.resolve("model.safetensors")));
        try (Checkpoint one = Checkpoint.open(whole); Checkpoint many = Checkpoint.open(parts)) {
            many.verifyTensors(Architecture.expectedTensors(many.config()));
            assertEquals(one.fingerprint(), many.fingerprint());
        }
    }

    @Test
    void keptIndicesAndSettingsAreStored() throws IOException {
        ModelShape shape = shape(false, LLAMA_BIASES, GROUPS, UNEQUAL, GROUPS);
        Path out = folder.resolve("out");
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
                ModelFolder open = ModelFolder.open(source(folder, shape, StoredType.F32), ops)) {
            Compaction.write(open, irregular(shape), request(out, shape));
        }
        Path file = out.resolve("espalier-plan.safetensors");
        GoldenTensors plan = new GoldenTensors(file);
        assertArrayEquals(new int[] {0, 1, 2}, plan.ints("layers"));
        assertArrayEquals(IntStream.range(0, 14).toArray(), plan.ints("hidden"));
        assertArrayEquals(new int[] {1, 2, 3}, plan.ints("layers.0.heads"));
        assertArrayEquals(new int[] {0, 1}, plan.ints("layers.0.kv_groups"));
        assertArrayEquals(new int[] {0, 3, 4, 8}, plan.ints("layers.0.ffn"));
        assertArrayEquals(new int[] {2}, plan.ints("layers.1.heads"));
        assertArrayEquals(new int[] {1}, plan.ints("layers.1.kv_groups"));
        assertArrayEquals(new int[0], plan.ints("layers.2.heads"));
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            assertEquals(11, open.tensors().size());
            assertEquals(Map.of("method", "test"), open.metadata());
        }
    }

    @Test
    void uniformResultsHaveAPlainConfiguration() throws IOException {
        ModelShape shape = shape(false, Biases.NONE, GROUPS, GROUPS);
        PruningPlan.Kept even = new PruningPlan.Kept(new int[] {0, 2}, new int[] {0, 1, 2});
        // Other indices of the same widths: head 1 and 3 are one of each key/value head too.
        PruningPlan uniform = PruningPlan.keepAll(shape)
                .withLayer(0, even)
                .withLayer(1, new PruningPlan.Kept(new int[] {1, 3}, new int[] {7, 8, 9}));
        assertTrue(uniform.isUniform());
        JsonNode plain = config(shape, uniform, "uniform");
        assertFalse(plain.has("espalier"));
        assertEquals(List.of(2, 2, 4, 3), List.of(
                plain.get("num_attention_heads").intValue(), plain.get("num_key_value_heads").intValue(),
                plain.get("head_dim").intValue(), plain.get("intermediate_size").intValue()));

        PruningPlan other = uniform.withLayer(1, new PruningPlan.Kept(new int[] {1, 3}, new int[] {7, 8}));
        assertFalse(other.isUniform());
        JsonNode layers = config(shape, other, "other").get("espalier").get("layers");
        assertEquals("{\"queries_per_kv\":[1,1],\"head_dim\":4,\"ffn\":3}", layers.get(0).toString());
        assertEquals("{\"queries_per_kv\":[1,1],\"head_dim\":4,\"ffn\":2}", layers.get(1).toString());
    }

    private JsonNode config(ModelShape shape, PruningPlan plan, String name) throws IOException {
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
                ModelFolder open = ModelFolder.open(source(folder, shape, StoredType.F32), ops)) {
            Compaction.write(open, plan, request(folder.resolve(name), shape));
        }
        try (Checkpoint result = Checkpoint.open(folder.resolve(name))) {
            return result.config().raw();
        }
    }

    @Test
    void theResultCarriesTheRequestsPromptOrElseTheSources() throws IOException {
        ModelShape shape = shape(false, Biases.NONE, GROUPS, UNEQUAL, GROUPS);
        ModelPrompt first = new ModelPrompt("a", "Be pruned:\n", "Was pruned:\n");
        ModelPrompt other = new ModelPrompt("b", "B", "C");
        PruningPlan smaller = irregular(shape);
        Path source = source(folder, shape, StoredType.F32);
        assertEquals(Optional.empty(), written(source, smaller, "none", Optional.empty()).prompt());
        PretrainedConfig with = written(source, smaller, "first", Optional.of(first));
        assertEquals(Optional.of(first), with.prompt());
        assertEquals(smaller.resultShape().layers(), with.layers());
        PruningPlan same = PruningPlan.keepAll(smaller.resultShape());
        assertEquals(Optional.of(first), written(folder.resolve("first"), same, "kept", Optional.empty()).prompt());
        assertEquals(Optional.of(other), written(folder.resolve("first"), same, "other", Optional.of(other)).prompt());
    }

    private PretrainedConfig written(Path source, PruningPlan plan, String name, Optional<ModelPrompt> prompt)
            throws IOException {
        Path out = folder.resolve(name);
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1); ModelFolder open = ModelFolder.open(source, ops)) {
            Compaction.write(open, plan, new Compaction.Request(
                    out, Optional.empty(), CheckpointWriter.Options.DEFAULT, prompt, Map.of(),
                    RandomModel.ids(plan.resultShape(), 2, 6, 1)));
        }
        return PretrainedConfig.read(out.resolve("config.json"));
    }

    @Test
    void otherFilesAreCopiedAndAnOldPlanIsNot() throws IOException {
        ModelShape shape = shape(false, Biases.NONE, GROUPS);
        Path source = folder.resolve("source");
        try (RandomModel random = new RandomModel(shape, 7)) {
            random.write(source, StoredType.F32,
                    SideFile.text("tokenizer.json", "{\"é\": 1}"), SideFile.text("generation_config.json", "{}"),
                    SideFile.text("LICENSE", "free"), SideFile.text("README.md", "of another model"),
                    SideFile.text("espalier-plan.safetensors", "indices of another model"));
        }
        Path out = folder.resolve("out");
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1); ModelFolder open = ModelFolder.open(source, ops)) {
            Compaction.write(open, PruningPlan.keepAll(shape), request(out, shape));
        }
        try (Stream<Path> files = Files.list(out)) {
            assertEquals(
                    List.of("LICENSE", "config.json", "espalier-plan.safetensors", "generation_config.json",
                            "model.safetensors", "tokenizer.json"),
                    files.map(file -> file.getFileName().toString()).sorted().toList());
        }
        for (String name : List.of("tokenizer.json", "generation_config.json", "LICENSE")) {
            assertArrayEquals(Files.readAllBytes(source.resolve(name)), Files.readAllBytes(out.resolve(name)));
        }
        assertArrayEquals(new int[] {0}, new GoldenTensors(out.resolve("espalier-plan.safetensors")).ints("layers"));
    }
}
