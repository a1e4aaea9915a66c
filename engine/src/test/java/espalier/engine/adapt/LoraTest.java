package espalier.engine.adapt;

import espalier.engine.model.Adapters;
import espalier.engine.model.LoraAdapter;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.model.Batch;
import espalier.engine.model.Gates;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Pass;
import espalier.engine.model.Parameter;
import espalier.engine.model.Site;
import espalier.engine.testing.Compare;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.PretrainedConfig;
import espalier.engine.weights.SafetensorsFile;
import espalier.engine.weights.StoredType;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Settings, initial values, PEFT folders and merging. The folder `peft-tiny` is written by peft, see its script.
class LoraTest {
    private static final ModelShape SHAPE = new ModelShape(
            40, 32, Collections.nCopies(2, LayerShape.uniform(4, 2, 8, 48)), false, ModelShape.Biases.NONE, 1e-5,
            10_000, 64);
    private static final Path FIXTURE = Path.of("src/test/resources/espalier/engine/adapt/peft-tiny");

    @TempDir
    Path folder;

    private static LoraState random(ModelShape shape, LoraSettings settings) {
        LoraState initial = LoraState.initial(shape, settings, 3);
        for (LoraFactors factors : initial.factors()) {
            Philox random = new Philox(9, factors.module().name().hashCode());
            for (int i = 0; i < factors.b().length; i++) {
                factors.b()[i] = (float) (0.1 * random.gaussian(i));
            }
        }
        return initial;
    }

    private static Pass pass(LoraWeights weights, int layers) {
        return Pass.frozen(Gates.open(layers), weights.adapters());
    }

    @Test
    void trainableValuesOfLlama7b() {
        ModelShape llama = new ModelShape(
                32000, 4096, Collections.nCopies(32, LayerShape.uniform(32, 32, 128, 11008)), false,
                ModelShape.Biases.NONE, 1e-6, 10_000, 2048);
        long count = LoraSettings.LLM_PRUNER.modules(llama).stream().mapToLong(LoraModule::parameters).sum();
        assertEquals(19_988_480, count);
    }

    @Test
    void initialValuesDependOnSeedAndModuleOnly() {
        LoraState all = LoraState.initial(SHAPE, LoraSettings.LLM_PRUNER, 3);
        LoraState one = LoraState.initial(SHAPE, LoraSettings.of(8, 16, 0, Set.of(Site.DOWN_PROJ)), 3);
        assertArrayEquals(one.factors().getFirst().a(), all.factors().get(6).a());
        double bound = 1 / Math.sqrt(48);
        double squares = 0;
        for (float value : one.factors().getFirst().a()) {
            assertTrue(value >= -bound && value <= bound, "value " + value);
            squares += value * value;
        }
        assertEquals(bound * bound / 3, squares / (8 * 48), 0.15 * bound * bound / 3);
        for (LoraFactors factors : all.factors()) {
            assertArrayEquals(new float[factors.b().length], factors.b());
        }
        assertTrue(!Arrays.equals(all.factors().get(0).a(), all.factors().get(1).a()));
    }

    @Test
    void moreTargetsStartWithoutEffectBesideTheOldOnes() {
        LoraSettings settings = LoraSettings.of(4, 8, 0, Set.of(Site.Q_PROJ, Site.V_PROJ))
                .withModules(Map.of("model.layers.1.self_attn.v_proj", 2), Map.of());
        LoraState before = random(SHAPE, settings);
        LoraState after = before.withTargets(Set.of(Site.V_PROJ, Site.DOWN_PROJ), 5);
        assertEquals(Set.of(Site.Q_PROJ, Site.V_PROJ, Site.DOWN_PROJ), after.settings().targets());
        assertEquals(settings.ranks(), after.settings().ranks());
        LoraState fresh = LoraState.initial(SHAPE, after.settings(), 5);
        int kept = 0;
        for (int i = 0; i < fresh.factors().size(); i++) {
            LoraFactors factors = after.factors().get(i);
            if (factors.module().site() == Site.DOWN_PROJ) {
                assertArrayEquals(fresh.factors().get(i).a(), factors.a());
                assertArrayEquals(new float[factors.b().length], factors.b());
            } else {
                assertTrue(factors == before.factors().get(kept++), factors.module().name());
            }
        }
        assertEquals(before.factors().size(), kept);
        assertEquals(before.factors(), before.withTargets(Set.of(Site.Q_PROJ), 5).factors());
    }

    @Test
    void settingsAreChecked() {
        var e = assertThrows(IllegalArgumentException.class, () -> LoraSettings.of(8, 0, 0, LoraSettings.ALL_LINEAR));
        assertEquals("lora alpha is 0.0, expected a positive number", e.getMessage());
        e = assertThrows(IllegalArgumentException.class, () -> LoraSettings.of(8, 8, 1, LoraSettings.ALL_LINEAR));
        assertEquals("lora dropout is 1.0, expected a number from 0 to 65535/65536", e.getMessage());
        LoraSettings other = LoraSettings.LLM_PRUNER.withModules(Map.of("model.layers.2.mlp.up_proj", 4), Map.of());
        e = assertThrows(IllegalArgumentException.class, () -> other.modules(SHAPE));
        assertEquals("a lora rank is given for model.layers.2.mlp.up_proj, which is no target of this model",
                e.getMessage());
    }

    @Test
    void parametersAreThoseThatPassesUse() {
        LoraState state = random(SHAPE, LoraSettings.LLM_PRUNER);
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
                LoraWeights weights = LoraWeights.trained(state, ops)) {
            assertEquals(state.parameters(), weights.trainableCount());
            Parameter b = weights.parameters().get(1);
            assertEquals("model.layers.0.self_attn.q_proj.lora_B.weight", b.name());
            LoraAdapter adapter = weights.adapters().get(0, Site.Q_PROJ).orElseThrow();
            assertEquals(adapter.b(), b.value());
            assertEquals(adapter.dB(), b.gradient());
            assertArrayEquals(state.factors().get(5).a(), weights.state().factors().get(5).a());
        }
    }

    @Test
    void anAdapterWrittenByPeft() throws IOException {
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 1);
                ModelFolder base = ModelFolder.open(FIXTURE.resolve("base"), ops);
                SafetensorsFile golden = SafetensorsFile.open(FIXTURE.resolve("logits.safetensors"))) {
            ModelShape shape = base.model().shape();
            PeftAdapter adapter = PeftAdapter.read(FIXTURE.resolve("adapter"), shape);
            assertEquals("base", adapter.baseModel());
            assertEquals(Map.of("model.layers.0.mlp.down_proj", 3, "model.layers.1.mlp.down_proj", 3,
                    "model.layers.1.self_attn.q_proj", 1), adapter.state().settings().ranks());
            int[] ids = Arrays.stream(golden.tensor("ids").toLongs()).mapToInt(Math::toIntExact).toArray();
            float[] expected = golden.tensor("logits").toFloats();
            try (LoraWeights weights = LoraWeights.frozen(adapter.state(), ops)) {
                float[] actual = RandomModel.logits(base.model(), Batch.of(new int[][] {ids}), pass(weights, 2));
                Compare.assertClose("logits", expected, actual, 1e-5);
            }
        }
    }

    @Test
    void aFolderComesBackAsItWas() throws IOException {
        LoraSettings settings = new LoraSettings(4, 6.5, 0.1, Set.of(Site.Q_PROJ, Site.UP_PROJ), true,
                Map.of("model.layers.1.mlp.up_proj", 2), Map.of("model.layers.0.self_attn.q_proj", 3.0));
        LoraState state = random(SHAPE, settings);
        Path out = folder.resolve("adapter");
        new PeftAdapter("pruned", state).write(out, false);
        PeftAdapter read = PeftAdapter.read(out, SHAPE);
        assertEquals(settings, read.state().settings());
        for (int i = 0; i < state.factors().size(); i++) {
            assertArrayEquals(state.factors().get(i).a(), read.state().factors().get(i).a());
            assertArrayEquals(state.factors().get(i).b(), read.state().factors().get(i).b());
        }
        assertThrows(FileAlreadyExistsException.class, () -> new PeftAdapter("pruned", state).write(out, false));
        var e = assertThrows(CheckpointException.class,
                () -> PeftAdapter.read(out, SHAPE.withWidths(16, SHAPE.layers())));
        assertEquals(out.resolve("adapter_model.safetensors") + ": tensor base_model.model.model.layers.0.self_attn"
                + ".q_proj.lora_A.weight has shape [4, 32], expected [4, 16] (rank, inputs)", e.getMessage());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "\"use_dora\":true | use_dora is true, which is not supported; expected it to be absent, null, false or empty",
        "\"fan_in_fan_out\":true | fan_in_fan_out is true, which is not supported; expected it to be absent, null,"
                + " false or empty",
        "\"modules_to_save\":[\"lm_head\"] | modules_to_save is [\"lm_head\"], which is not supported; expected it to"
                + " be absent, null, false or empty",
        "\"bias\":\"all\" | bias is \"all\", expected none",
        "\"rank_pattern\":{\"(a+)+\":4} | rank_pattern: the key \"(a+)+\" is not a module name; other regular"
                + " expressions are not supported",
    })
    void whatIsNotSupportedIsNamed(String field, String message) throws IOException {
        Path file = folder.resolve("adapter_config.json");
        Files.writeString(file, "{\"peft_type\":\"LORA\",\"target_modules\":[\"q_proj\"]," + field + "}");
        var e = assertThrows(CheckpointException.class, () -> PeftAdapter.read(folder, SHAPE));
        assertEquals(file + ": " + message, e.getMessage());
    }

    @Test
    void mergingGivesTheSameLogits() throws IOException {
        for (StoredType type : List.of(StoredType.F32, StoredType.BF16)) {
            LoraState state = random(SHAPE, LoraSettings.LLM_PRUNER);
            LoraMerge.Written written = merge(type, state, "merged-" + type);
            assertTrue(written.layerDifference() <= 1e-6, "layer " + written.layerDifference());
            assertTrue(written.logitsDifference() <= 1e-5, "logits " + written.logitsDifference());
            if (type == StoredType.F32) {
                assertTrue(written.roundingDifference() <= 1e-5, "rounding " + written.roundingDifference());
            } else {
                assertTrue(written.roundingDifference() > 1e-4, "rounding " + written.roundingDifference());
            }
        }
    }

    @Test
    void aMergedWeightBeyondItsTypeIsNamed() throws IOException {
        LoraState state = random(SHAPE, LoraSettings.of(1, 1, 0, Set.of(Site.V_PROJ)));
        state.factors().getFirst().a()[0] = 300;
        state.factors().getFirst().b()[0] = 300;
        var e = assertThrows(ArithmeticException.class, () -> merge(StoredType.F16, state, "beyond"));
        assertTrue(e.getMessage().matches("tensor model\\.layers\\.0\\.self_attn\\.v_proj\\.weight:"
                + " the merged value (89999|90000)[.0-9]* is beyond the range of F16"), e.getMessage());
        assertFalse(Files.exists(folder.resolve("beyond")));
    }

    @Test
    void mergingNothingKeepsEveryByte() throws IOException {
        for (StoredType type : List.of(StoredType.F32, StoredType.BF16)) {
            merge(type, LoraState.initial(SHAPE, LoraSettings.LLM_PRUNER, 3), "same-" + type);
            assertArrayEquals(
                    Files.readAllBytes(folder.resolve("same-" + type + "-base").resolve("model.safetensors")),
                    Files.readAllBytes(folder.resolve("same-" + type).resolve("model.safetensors")));
        }
    }

    @Test
    void mergingKeepsWhatTheConfigurationCarries() throws IOException {
        Path source = folder.resolve("base");
        try (RandomModel random = new RandomModel(SHAPE, 7)) {
            random.write(source, StoredType.F32);
        }
        Path config = source.resolve("config.json");
        Files.writeString(config, Files.readString(config).replaceFirst("\\{", """
                {"unknown": [1], "espalier": {"format": 1, "note": "kept",
                  "prompt": {"style": "a", "prefix": "Be pruned:\\\\n", "past_prefix": "Was pruned:\\\\n"}},"""));
        PretrainedConfig before = PretrainedConfig.read(config);
        assertEquals("Be pruned:\n", before.prompt().orElseThrow().prefix());
        LoraState state = random(SHAPE, LoraSettings.LLM_PRUNER);
        merge(source, state, "merged");
        PretrainedConfig after = PretrainedConfig.read(folder.resolve("merged/config.json"));
        assertEquals(before.prompt(), after.prompt());
        assertEquals(before.raw().get("espalier"), after.raw().get("espalier"));
        assertEquals(before.raw().get("unknown"), after.raw().get("unknown"));
    }

    private LoraMerge.Written merge(StoredType type, LoraState state, String name) throws IOException {
        Path source = folder.resolve(name + "-base");
        try (RandomModel random = new RandomModel(SHAPE, 7)) {
            random.write(source, type);
        }
        return merge(source, state, name);
    }

    private LoraMerge.Written merge(Path source, LoraState state, String name) throws IOException {
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 1); ModelFolder base = ModelFolder.open(source, ops)) {
            return LoraMerge.write(base, state, new LoraMerge.Request(folder.resolve(name),
                    CheckpointWriter.Options.DEFAULT, new PeftAdapter("base", state).files("adapter/"),
                    RandomModel.ids(SHAPE, 2, 9, 1)));
        }
    }
}
