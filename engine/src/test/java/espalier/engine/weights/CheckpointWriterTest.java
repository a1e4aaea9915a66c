package espalier.engine.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.weights.CheckpointWriter.Options;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointWriterTest {
    private static final Options REPLACE = new Options(Options.DEFAULT.shardBytes(), true);

    @TempDir
    Path parent;

    private Path target;

    @BeforeEach
    void nameTarget() {
        target = parent.resolve("model");
    }

    @AfterEach
    void leavesNoTemporaryFolder() throws IOException {
        assertEquals(List.of(), names(parent).stream().filter(name -> name.endsWith(".tmp")).toList());
    }

    @Test
    void writesOneFile() throws IOException {
        write(SmallModel.config(), List.of(SideFile.text("tokenizer.json", "{}"), SideFile.text("a/b.txt", "é")),
                Options.DEFAULT);
        assertEquals(List.of("a", "config.json", "model.safetensors", "tokenizer.json"), names(target));
        assertEquals("é", Files.readString(target.resolve("a/b.txt")));
        try (Checkpoint model = Checkpoint.open(target)) {
            SmallModel.verify(model);
            assertEquals(SmallModel.config(), model.config().raw());
        }
        String config = Files.readString(target.resolve("config.json"));
        assertTrue(config.startsWith("{\n  \"architectures\": [\n    \"LlamaForCausalLM\"\n  ],\n"), config);
        assertTrue(config.endsWith("\n}\n"), config);
        try (SafetensorsFile file = SafetensorsFile.open(target.resolve("model.safetensors"))) {
            assertEquals("pt", file.metadata().get("format"));
        }
    }

    @Test
    void writesShardsAndAnIndex() throws IOException {
        // The embedding and the head have 320 bytes, no other tensor more than 256.
        write(SmallModel.config(), List.of(), new Options(300, false));
        List<String> names = names(target);
        int shards = names.size() - 2;
        assertTrue(shards > 2 && names.contains("model-00001-of-%05d.safetensors".formatted(shards)), names.toString());
        ObjectNode index = StrictJson.readObject(target.resolve("model.safetensors.index.json"));
        try (Checkpoint model = Checkpoint.open(target)) {
            SmallModel.verify(model);
            assertEquals(model.bytes(), index.get("metadata").get("total_size").longValue());
            assertEquals(model.tensorNames().size(), index.get("weight_map").size());
            List<TensorToWrite> tensors = SmallModel.tensors(SmallModel.config());
            for (int i = 0; i < tensors.size(); i++) {
                StoredTensor read = model.get(tensors.get(i).name());
                assertEquals(i, read.get(0));
            }
        }
        for (String name : names) {
            if (name.endsWith(".safetensors")) {
                try (SafetensorsFile shard = SafetensorsFile.open(target.resolve(name))) {
                    long bytes = shard.tensors().stream().mapToLong(TensorInfo::bytes).sum();
                    assertTrue(bytes <= 300 || shard.tensors().size() == 1, name + " has " + bytes);
                }
            }
        }
    }

    @Test
    void fillsShardsInOrderAndSetsLargeTensorsApart() {
        List<TensorToWrite> tensors = new ArrayList<>();
        for (int bytes : new int[] {4, 50, 6, 3, 0, 7}) {
            tensors.add(new TensorToWrite("t" + bytes, StoredType.U8, new long[] {bytes}, out -> {}));
        }
        List<String> shards = CheckpointWriter.shards(tensors, 10).stream()
                .map(shard -> String.join(" ", shard.stream().map(TensorToWrite::name).toList()))
                .toList();
        assertEquals(List.of("t50", "t4 t6", "t3 t0 t7"), shards);
        assertEquals(5_000_000_000L, Options.DEFAULT.shardBytes());
        var e = assertThrows(IllegalArgumentException.class, () -> new Options(0, false));
        assertEquals("shardBytes is 0, expected a positive number", e.getMessage());
    }

    @Test
    void existingTargetIsKeptUnlessReplaced() throws IOException {
        write(SmallModel.config(), List.of(SideFile.text("old.txt", "")), Options.DEFAULT);
        var e = assertThrows(
                FileAlreadyExistsException.class, () -> write(SmallModel.config(), List.of(), Options.DEFAULT));
        assertEquals(target + ": exists already; it is replaced only on demand", e.getMessage());
        try (Checkpoint old = Checkpoint.open(target)) {
            write(SmallModel.config(c -> c.put("vocab_size", 11)), List.of(), REPLACE);
            assertEquals(List.of("config.json", "model.safetensors"), names(target));
            // The open checkpoint is still the old one.
            assertEquals(10, old.get("lm_head.weight", 10, 8).rows());
            old.checkFinite(bytes -> {});
        }
        try (Checkpoint model = Checkpoint.open(target)) {
            SmallModel.verify(model);
            assertEquals(11, model.config().vocabSize());
        }
    }

    @Test
    void neverReplacesWhatIsNoCheckpoint() throws IOException {
        Files.createDirectory(target);
        write(SmallModel.config(), List.of(), REPLACE);
        Files.delete(target.resolve("config.json"));
        var e = assertThrows(FileAlreadyExistsException.class, () -> write(SmallModel.config(), List.of(), REPLACE));
        assertEquals(target + ": is not a checkpoint folder, so it is not replaced", e.getMessage());
        assertEquals(List.of("model.safetensors"), names(target));
    }

    @Test
    void failureLeavesTheOldCheckpoint() throws IOException {
        write(SmallModel.config(), List.of(), Options.DEFAULT);
        byte[] before = Files.readAllBytes(target.resolve("model.safetensors"));
        List<TensorToWrite> tensors = new ArrayList<>(SmallModel.tensors(SmallModel.config()));
        TensorToWrite last = tensors.getLast();
        tensors.set(tensors.size() - 1, new TensorToWrite(last.name(), last.type(), last.shape(), out -> {
            throw new IOException("No space left on device");
        }));
        var e = assertThrows(
                IOException.class,
                () -> write(SmallModel.config(), tensors, List.of(), REPLACE));
        assertEquals(
                "cannot write " + target + ": cannot write model.safetensors: tensor lm_head.weight: "
                        + "No space left on device",
                e.getMessage());
        assertArrayEquals(before, Files.readAllBytes(target.resolve("model.safetensors")));
        SideFile failing = new SideFile("tokenizer.json", out -> {
            throw new IOException("Input/output error");
        });
        e = assertThrows(IOException.class, () -> write(SmallModel.config(), List.of(failing), REPLACE));
        assertEquals("cannot write " + target + ": cannot write tokenizer.json: Input/output error", e.getMessage());
        SideFile again = SideFile.text("config.json", "");
        e = assertThrows(IOException.class, () -> write(SmallModel.config(), List.of(again), REPLACE));
        assertTrue(e.getMessage().startsWith("cannot write " + target + ": cannot write config.json: "
                + "FileAlreadyExistsException"), e.getMessage());
        Checkpoint.open(target).close();
    }

    @Test
    void tensorsThatDoNotFitTheConfiguration() throws IOException {
        ObjectNode config = SmallModel.config();
        List<TensorToWrite> tensors = new ArrayList<>(SmallModel.tensors(config));
        tensors.remove(0);
        var e = assertThrows(
                CheckpointException.class,
                () -> write(config, tensors, List.of(), Options.DEFAULT));
        assertEquals(target + ": no tensor was given for model.embed_tokens.weight", e.getMessage());
        ObjectNode wider = SmallModel.config(c -> c.put("intermediate_size", 7));
        e = assertThrows(
                CheckpointException.class,
                () -> write(wider, SmallModel.tensors(config), List.of(), Options.DEFAULT));
        assertEquals(
                target + ": tensor model.layers.0.mlp.gate_proj.weight has shape [6, 8], expected [7, 8]"
                        + " (7 feed-forward channels)",
                e.getMessage());
        List<TensorToWrite> extra = new ArrayList<>(SmallModel.tensors(config));
        extra.add(TensorToWrite.ofFloats("x", StoredType.F32, new long[] {1}, new float[1]));
        e = assertThrows(
                CheckpointException.class,
                () -> write(config, extra, List.of(), Options.DEFAULT));
        assertEquals(target + ": tensor x is not one that config.json calls for", e.getMessage());
        List<TensorToWrite> twice = new ArrayList<>(SmallModel.tensors(config));
        twice.add(twice.get(3));
        e = assertThrows(
                CheckpointException.class,
                () -> write(config, twice, List.of(), Options.DEFAULT));
        assertEquals(target + ": tensor " + twice.get(3).name() + " is given twice", e.getMessage());
        assertEquals(List.of(), names(parent));
    }

    @Test
    void sideFilesStayInTheFolder() throws IOException {
        for (String name : List.of("../x", "/x", "a/../x", "", "a//b", "..\\x")) {
            var e = assertThrows(IllegalArgumentException.class, () -> SideFile.text(name, ""), name);
            assertEquals("side file " + name + " does not have a plain relative name", e.getMessage());
        }
        Files.createDirectories(parent.resolve("from/sub"));
        Files.writeString(parent.resolve("from/sub/x.jinja"), "text");
        write(SmallModel.config(), List.of(SideFile.copyOf(parent.resolve("from"), Path.of("sub", "x.jinja"))),
                Options.DEFAULT);
        assertEquals("text", Files.readString(target.resolve("sub/x.jinja")));
    }

    private void write(ObjectNode config, List<SideFile> sideFiles, Options options) throws IOException {
        write(config, SmallModel.tensors(config), sideFiles, options);
    }

    private void write(
            ObjectNode config, List<TensorToWrite> tensors, List<SideFile> sideFiles, Options options)
            throws IOException {
        CheckpointWriter.write(target, config, SmallModel.expected(config), tensors, sideFiles, options);
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }
}
