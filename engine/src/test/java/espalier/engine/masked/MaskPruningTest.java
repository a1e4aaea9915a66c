package espalier.engine.masked;

import static espalier.engine.testing.Compare.relativeError;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.adapt.LoraWeights;
import espalier.engine.adapt.PeftAdapter;
import espalier.engine.gates.DeterministicMask;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.WidthRule;
import espalier.engine.model.Batch;
import espalier.engine.model.Gates;
import espalier.engine.model.HostCopy;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.Pass;
import espalier.engine.testing.RandomModel;
import espalier.engine.train.RunFolder;
import espalier.engine.train.RunRecord;
import espalier.engine.train.TrainingWatch;
import espalier.engine.weights.FileHash;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.StrictJson;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Workspace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// From a folder to a smaller one, in a run directory.
class MaskPruningTest {
    private static final int LAYERS = Runs.SHAPE.layers().size();

    private static final GateSettings HIDDEN = new GateSettings(
            false, false, true, GateSettings.HeadUnit.GROUP, GateSettings.Enabling.NONE, new LayerRange(0, LAYERS));

    /// Query heads one by one, and one layer without masks.
    private static final GateSettings SINGLE_HEADS = new GateSettings(
            true, true, false, GateSettings.HeadUnit.HEAD, GateSettings.Enabling.NONE, new LayerRange(1, LAYERS));

    @TempDir
    Path folder;

    private Ops ops;

    @BeforeEach
    void write() throws IOException {
        ops = Backends.open(Backends.Choice.VECTOR, 2);
        try (RandomModel random = new RandomModel(Runs.SHAPE, 5)) {
            random.write(folder.resolve("base"), StoredType.F32);
        }
    }

    @AfterEach
    void close() {
        ops.close();
    }

    private static MaskPruning.Request request(MaskTraining.Request training, WidthRule widths, boolean merge) {
        return request(training, MaskPruning.Landing.AS_TRAINED, widths, merge);
    }

    private static MaskPruning.Request request(
            MaskTraining.Request training, MaskPruning.Landing landing, WidthRule widths, boolean merge) {
        return new MaskPruning.Request(
                "base", training, landing, widths, Optional.empty(), merge, Optional.empty(), 1 << 30, "test");
    }

    private Optional<ObjectNode> prune(
            MaskPruning.Request request, String out, RunFolder.Opening opening, TrainingWatch watch)
            throws IOException {
        try (ModelFolder base = ModelFolder.open(folder.resolve("base"), ops);
                RunFolder run = RunFolder.open(
                        folder.resolve(out),
                        MaskPruning.configuration(base, request, JsonNodeFactory.instance.objectNode()), opening)) {
            return MaskPruning.run(base, request, run, watch);
        }
    }

    private ObjectNode prune(MaskPruning.Request request, String out) throws IOException {
        return prune(request, out, RunFolder.Opening.NEW, TrainingWatch.NONE).orElseThrow();
    }

    private float[] logits(String path, Pass pass) throws IOException {
        try (ModelFolder model = ModelFolder.open(folder.resolve(path), ops)) {
            Batch batch = Batch.of(RandomModel.ids(Runs.SHAPE, 2, 9, 1));
            return HostCopy.logits(model.model(), batch, pass);
        }
    }

    private float[] logits(String path) throws IOException {
        return logits(path, Pass.plain(LAYERS));
    }

    /// compresso.md checks 8 and 10, nuteprune.md check 11: the student under its deterministic masks, the smaller base
    /// with its adapters, and the merged model are one and the same.
    @Test
    void whatIsWrittenIsTheStudent() throws IOException {
        for (MaskTraining.Request training : new MaskTraining.Request[] {
            Runs.nutePrune(0.4, 300, 100),
            Runs.with(Runs.request(new MaskMethod.Compresso(10), 0.4, 300, 100), HIDDEN),
            Runs.with(Runs.nutePrune(0.4, 300, 100), SINGLE_HEADS)
        }) {
            String name = MaskDescription.name(training.method()) + training.gates().headUnit();
            prune(request(training, WidthRule.FREE, true), name);
            float[] student = student(training);
            assertClose(student, logits(name));
            try (ModelFolder base = ModelFolder.open(folder.resolve(name + "/run/base"), ops);
                    LoraWeights adapters = LoraWeights.frozen(
                            PeftAdapter.read(folder.resolve(name + "/adapter"), base.model().shape()).state(), ops)) {
                boolean hasFewer = base.model().shape().hidden() < Runs.SHAPE.hidden();
                assertEquals(training.gates() == HIDDEN, hasFewer, "hidden channels were removed");
                assertEquals(
                        training.gates() == SINGLE_HEADS,
                        base.model().shape().layers().stream().anyMatch(layer -> layer.heads() % 2 == 1),
                        "groups lost some of their heads");
                Pass pass = Pass.frozen(Gates.open(LAYERS), adapters.adapters());
                assertClose(student, logits(name + "/run/base", pass));
            }
        }
    }

    private float[] student(MaskTraining.Request training) throws IOException {
        try (ModelFolder base = ModelFolder.open(folder.resolve("base"), ops);
                Workspace ws = ops.newWorkspace()) {
            MaskTraining.Trained trained = MaskTraining.run(
                    base, training, RunRecord.NONE, SnapshotStore.inMemory(), TrainingWatch.NONE);
            try (LoraWeights adapters = LoraWeights.frozen(trained.adapters().orElseThrow(), ops)) {
                return logits("base", Pass.frozen(
                        UploadedMasks.upload(
                                DeterministicMask.of(trained.layout(), trained.logAlpha(), WidthRule.FREE).values(),
                                Runs.SHAPE, ops, ws),
                        adapters.adapters()));
            }
        }
    }

    private static void assertClose(float[] expected, float[] actual) {
        double error = relativeError(actual, expected);
        assertTrue(error < 1e-4, "logits differ by " + error);
    }

    @Test
    void tellsWhatItDid() throws IOException {
        List<String> said = new ArrayList<>();
        TrainingWatch watch = new TrainingWatch() {
            @Override
            public void step(Step step) {}

            @Override
            public void say(String message) {
                said.add(message);
            }
        };
        MaskPruning.Request request = request(Runs.nutePrune(0.4, 500, 100), new WidthRule(8, true), true);
        ObjectNode result = prune(request, "x", RunFolder.Opening.NEW, watch).orElseThrow();
        assertTrue(said.getFirst().startsWith("rounding the widths of layers changed the sparsity"), said.toString());
        assertEquals(said, result.get("notices").valueStream().map(JsonNode::textValue).toList());
        assertEquals("nuteprune", result.get("method").textValue());
        assertEquals(0.4, result.at("/sparsity/expected").doubleValue(), 0.05);
        assertTrue(result.at("/sparsity/realised").doubleValue() > 0.2);
        assertEquals(result.get("prunable_removed"), result.at("/sparsity/aligned"));
        assertEquals(FileHash.ofWeights(folder.resolve("x")), result.get("sha256").textValue());
        assertTrue(result.get("teachers").intValue() >= 20, "snapshots were taken");
        JsonNode layers = result.at("/kept/layers");
        assertEquals(LAYERS, layers.size());
        for (JsonNode layer : layers) {
            assertEquals(layers.get(0), layer, "layers are uniform");
            assertEquals(0, layer.get("ffn").intValue() % 8);
            assertEquals(48, layer.get("of_ffn").intValue());
        }
        assertTrue(Files.exists(folder.resolve("x/run/snapshots/snapshot-0003.safetensors")));
    }

    /// A run that ends beside its target comes down on it, but for whole units.
    @Test
    void landsOnTheTarget() throws IOException {
        MaskTraining.Request training = Runs.nutePrune(0.4, 200, 60);
        JsonNode asTrained = prune(request(training, WidthRule.FREE, true), "trained").get("sparsity");
        assertEquals(asTrained.get("trained"), asTrained.get("expected"));
        double missed = Math.abs(asTrained.get("trained").doubleValue() - 0.4);
        assertTrue(missed > 0.02, "missed by " + missed);
        ObjectNode landed = prune(request(training, MaskPruning.Landing.ON_TARGET, WidthRule.FREE, true), "landed");
        assertEquals(asTrained.get("trained"), landed.at("/sparsity/trained"));
        assertEquals(0.4, landed.at("/sparsity/expected").doubleValue(), 1e-6);
        assertEquals(0.4, landed.at("/sparsity/realised").doubleValue(), 0.08);
        assertTrue(landed.get("notices").get(0).textValue().startsWith("training ended at an expected sparsity of"));
    }

    /// Base and adapters apart, for a fine-tuning to go on with.
    @Test
    void withoutMergingAdaptersLieBesideTheBase() throws IOException {
        MaskTraining.Request training = Runs.nutePrune(0.4, 120, 60);
        prune(request(training, WidthRule.FREE, true), "merged");
        prune(request(training, WidthRule.FREE, false), "apart");
        assertFalse(Files.exists(folder.resolve("apart/run/base")));
        assertEquals(
                FileHash.ofWeights(folder.resolve("merged/run/base")), FileHash.ofWeights(folder.resolve("apart")));
        assertEquals(
                FileHash.of(folder.resolve("merged/adapter").resolve(PeftAdapter.TENSORS)),
                FileHash.of(folder.resolve("apart/adapter").resolve(PeftAdapter.TENSORS)));
        assertEquals(folder.resolve("merged/run/base").toString(), baseOfAdapter("merged"));
        assertEquals(folder.resolve("apart").toString(), baseOfAdapter("apart"));
    }

    private String baseOfAdapter(String out) throws IOException {
        return StrictJson.readObject(folder.resolve(out + "/adapter/adapter_config.json"))
                .get("base_model_name_or_path")
                .textValue();
    }

    @Test
    void masksAlone() throws IOException {
        ObjectNode result = prune(
                request(Runs.masksOnly(Runs.nutePrune(0.4, 120, 60)), WidthRule.FREE, true), "x");
        assertFalse(Files.exists(folder.resolve("x/adapter")));
        assertEquals(FileHash.ofWeights(folder.resolve("x")), result.get("sha256").textValue());
    }

    /// Stopped in every phase, then resumed: the same files.
    @Test
    void goesOnToTheSameFiles() throws IOException {
        MaskPruning.Request request = request(Runs.nutePrune(0.3, 90, 60), WidthRule.FREE, true);
        String expected = prune(request, "once").get("sha256").textValue();
        RunFolder.Opening opening = RunFolder.Opening.NEW;
        for (int stop : new int[] {1, 17, 61, 88}) {
            assertTrue(prune(request, "often", opening, stoppingAfter(stop)).isEmpty());
            opening = RunFolder.Opening.RESUME;
        }
        ObjectNode result = prune(request, "often", opening, TrainingWatch.NONE).orElseThrow();
        assertEquals(expected, result.get("sha256").textValue());
        assertEquals(
                Files.readString(folder.resolve("once/run/metrics.jsonl")).lines().map(this::withoutTime).toList(),
                Files.readString(folder.resolve("often/run/metrics.jsonl")).lines().map(this::withoutTime).toList());
        // A result that was lost is written again.
        Files.delete(folder.resolve("often/model.safetensors"));
        assertEquals(
                expected,
                prune(request, "often", opening, TrainingWatch.NONE).orElseThrow().get("sha256").textValue());
        assertEquals(expected, FileHash.ofWeights(folder.resolve("often")));
    }

    private String withoutTime(String line) {
        return line.replaceAll("\"(seconds|tokens_per_second)\":[^,}]*", "");
    }

    private static TrainingWatch stoppingAfter(int step) {
        return new TrainingWatch() {
            private long done;

            @Override
            public void step(Step last) {
                done = last.step();
            }

            @Override
            public boolean isStopRequested() {
                return done >= step;
            }
        };
    }

    /// A run goes on with the settings it was begun with.
    @Test
    void otherSettingsAreRefused() throws IOException {
        MaskPruning.Request request = request(Runs.nutePrune(0.3, 90, 60), WidthRule.FREE, true);
        prune(request, "x", RunFolder.Opening.NEW, stoppingAfter(5));
        MaskPruning.Request other = request(Runs.nutePrune(0.35, 90, 60), WidthRule.FREE, true);
        String message = assertThrows(
                        IllegalArgumentException.class,
                        () -> prune(other, "x", RunFolder.Opening.RESUME, TrainingWatch.NONE))
                .getMessage();
        assertTrue(message.contains("sparsity.target is 0.35, was 0.3"), message);
    }
}
