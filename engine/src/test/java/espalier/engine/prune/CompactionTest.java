package espalier.engine.prune;

import static espalier.engine.testing.Compare.assertClose;
import static espalier.engine.testing.Compare.relativeError;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.gates.MaskValues;
import espalier.engine.generate.GenerationRequest;
import espalier.engine.generate.Generator;
import espalier.engine.generate.Sampler;
import espalier.engine.generate.SamplingOptions;
import espalier.engine.model.Adapters;
import espalier.engine.model.Architecture;
import espalier.engine.model.Batch;
import espalier.engine.model.Gates;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.Model;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape.Biases;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Pass;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.Checkpoint;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.FloatBits;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.StoredTensor;
import espalier.engine.weights.StoredType;
import espalier.kernels.Backends;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// From a plan to a smaller folder: what it computes, and which bits it has (llm-pruner.md §7, §12). Its files are tested by
/// [CompactionFilesTest].
class CompactionTest {
    static final Biases LLAMA_BIASES = new Biases(true, true, true);
    private static final Biases QWEN2_BIASES = new Biases(true, false, false);
    static final LayerShape GROUPS = LayerShape.uniform(4, 2, 4, 11);
    static final LayerShape UNEQUAL = new LayerShape(new int[] {1, 3, 2}, 4, 9);

    @TempDir
    Path folder;

    static ModelShape shape(boolean tied, Biases biases, LayerShape... layers) {
        return new ModelShape(19, 14, List.of(layers), tied, biases, 1e-3, 10_000, 300);
    }

    private Path source(ModelShape shape, StoredType type) throws IOException {
        return source(folder, shape, type);
    }

    /// A random model, written once into a folder of the test.
    static Path source(Path folder, ModelShape shape, StoredType type) throws IOException {
        Path source = folder.resolve("source");
        if (!Files.exists(source)) {
            try (RandomModel random = new RandomModel(shape, 7)) {
                random.write(source, type);
            }
        }
        return source;
    }

    static Compaction.Request request(Path out, ModelShape shape) {
        return request(out, shape, Optional.empty());
    }

    private static Compaction.Request request(Path out, ModelShape shape, Optional<DType> dtype) {
        return new Compaction.Request(
                out, dtype, CheckpointWriter.Options.DEFAULT, Optional.empty(), Map.of("method", "test"),
                RandomModel.ids(shape, 2, 6, 1));
    }

    /// Heads 1 to 3 and some channels stay in layer 0, one head and one channel in layer 1, nothing in layer 2.
    static PruningPlan irregular(ModelShape shape) {
        return PruningPlan.keepAll(shape)
                .withLayer(0, new PruningPlan.Kept(new int[] {1, 2, 3}, new int[] {0, 3, 4, 8}))
                .withLayer(1, new PruningPlan.Kept(new int[] {2}, new int[] {5}))
                .withLayer(2, new PruningPlan.Kept(new int[0], new int[0]));
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void nothingCutIsTheSameBitForBit(Backends.Choice choice) throws IOException {
        for (StoredType type : List.of(StoredType.F32, StoredType.BF16, StoredType.F16)) {
            ModelShape shape = shape(type == StoredType.BF16, LLAMA_BIASES, GROUPS, UNEQUAL);
            Path source = folder.resolve(type + "-source");
            try (RandomModel random = new RandomModel(shape, 7)) {
                random.write(source, type);
            }
            Path out = folder.resolve(type + "-out");
            Batch batch = Batch.of(RandomModel.ids(shape, 3, 9, 2));
            try (Ops ops = Backends.open(choice, 2)) {
                float[] before;
                try (ModelFolder open = ModelFolder.open(source, ops)) {
                    before = RandomModel.logits(open.model(), batch);
                    Compaction.Written written =
                            Compaction.write(open, PruningPlan.keepAll(shape), request(out, shape));
                    assertEquals(0, written.maskedDifference());
                    assertEquals(0, written.roundingDifference());
                }
                try (ModelFolder open = ModelFolder.open(out, ops)) {
                    assertArrayEquals(before, RandomModel.logits(open.model(), batch));
                }
            }
            assertArrayEquals(
                    Files.readAllBytes(source.resolve("model.safetensors")),
                    Files.readAllBytes(out.resolve("model.safetensors")));
        }
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void cutHeadsAndChannelsAreThoseThatAreZero(Backends.Choice choice) throws IOException {
        ModelShape shape = shape(false, LLAMA_BIASES, GROUPS, UNEQUAL, GROUPS);
        PruningPlan plan = irregular(shape);
        Batch batch = Batch.of(RandomModel.ids(shape, 2, 12, 3));
        Path out = folder.resolve("out");
        try (Ops ops = Backends.open(choice, 2)) {
            float[] masked;
            try (ModelFolder open = ModelFolder.open(source(shape, StoredType.F32), ops);
                    Workspace ws = ops.newWorkspace()) {
                // Gates written by hand, so that the expectation does not come from the code that is tested.
                List<Tensor> heads = List.of(
                        gate(ops, ws, 0, 1, 1, 1), gate(ops, ws, 0, 0, 1, 0, 0, 0), gate(ops, ws, 0, 0, 0, 0));
                List<Tensor> ffn = List.of(
                        gate(ops, ws, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0),
                        gate(ops, ws, 0, 0, 0, 0, 0, 1, 0, 0, 0),
                        ws.takeZeros(1, 11));
                Gates gates = new Gates(heads, ffn, Tensor.NONE, Set.of(), 0);
                masked = RandomModel.logits(open.model(), batch, Pass.frozen(gates, Adapters.NONE));
                assertTrue(relativeError(RandomModel.logits(open.model(), batch), masked) > 0.1, "the masks matter");
                Compaction.Written written = Compaction.write(open, plan, request(out, shape));
                assertTrue(written.maskedDifference() <= 1e-6, "difference " + written.maskedDifference());
                assertEquals(0, written.roundingDifference());
            }
            try (ModelFolder open = ModelFolder.open(out, ops)) {
                assertEquals(
                        List.of(new LayerShape(new int[] {1, 2}, 4, 4), new LayerShape(new int[] {1}, 4, 1),
                                new LayerShape(new int[0], 4, 0)),
                        open.model().shape().layers());
                assertClose("cut", masked, RandomModel.logits(open.model(), batch), 1e-5);
            }
        }
    }

    private static Tensor gate(Ops ops, Workspace ws, float... values) {
        Tensor gate = ws.take(1, values.length);
        ops.fromHost(values, gate);
        return gate;
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void normsOfAChannelPrunedModel(Backends.Choice choice) throws IOException {
        for (boolean tied : new boolean[] {false, true}) {
            ModelShape shape = shape(tied, LLAMA_BIASES, GROUPS, UNEQUAL);
            int[] kept = {0, 2, 3, 5, 6, 9, 10, 13};
            Batch batch = Batch.of(RandomModel.ids(shape, 2, 12, 3));
            Path source = folder.resolve("source-" + tied);
            try (RandomModel random = new RandomModel(shape, 7)) {
                random.write(source, StoredType.F32);
            }
            try (Ops ops = Backends.open(choice, 2)) {
                float[] zeroed;
                float[] zeroedDividedByKept;
                try (ModelFolder open = ModelFolder.open(source, ops); Workspace ws = ops.newWorkspace()) {
                    float[] mask = new float[14];
                    IntStream.of(kept).forEach(channel -> mask[channel] = 1);
                    zeroed = RandomModel.logits(open.model(), batch, channels(gate(ops, ws, mask), 2, 0));
                    zeroedDividedByKept =
                            RandomModel.logits(open.model(), batch, channels(gate(ops, ws, mask), 2, kept.length));
                }
                float[] exact = cutChannels(source, shape, kept, NormRule.EXACT, ops);
                float[] released = cutChannels(source, shape, kept, NormRule.RELEASED, ops);
                assertClose("exact equals the zero-masked model", zeroed, exact, 1e-5);
                assertTrue(relativeError(released, zeroed) > 0.01, "released does not");
                assertClose("released, if norms divide by the kept width", zeroedDividedByKept, released, 1e-5);
            }
        }
    }

    private static Pass channels(Tensor hidden, int layers, int normDivisor) {
        Gates open = Gates.open(layers);
        return Pass.frozen(
                new Gates(open.heads(), open.ffn(), hidden, Set.of(), normDivisor), Adapters.NONE);
    }

    private float[] cutChannels(Path source, ModelShape shape, int[] kept, NormRule rule, Ops ops) throws IOException {
        Path out = folder.resolve(source.getFileName() + "-" + rule);
        try (ModelFolder open = ModelFolder.open(source, ops)) {
            Compaction.write(open, PruningPlan.keepAll(shape).withHidden(kept, rule), request(out, shape));
        }
        try (ModelFolder open = ModelFolder.open(out, ops)) {
            assertEquals(kept.length, open.model().shape().hidden());
            assertEquals(shape.tied(), open.checkpoint().config().tied());
            assertEquals(rule == NormRule.EXACT ? 1e-3 * 14 / kept.length : 1e-3, open.model().shape().normEps());
            return RandomModel.logits(open.model(), Batch.of(RandomModel.ids(shape, 2, 12, 3)));
        }
    }

    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void firstLayersAreThoseOfTheSource(Backends.Choice choice) throws IOException {
        ModelShape shape = shape(false, LLAMA_BIASES, GROUPS, UNEQUAL, GROUPS);
        Batch batch = Batch.of(RandomModel.ids(shape, 2, 12, 3));
        Path out = folder.resolve("out");
        try (Ops ops = Backends.open(choice, 2)) {
            float[] state;
            float[] finalNorm;
            try (ModelFolder open = ModelFolder.open(source(shape, StoredType.F32), ops);
                    Workspace ws = ops.newWorkspace()) {
                Hidden hidden = open.model().forward(batch, Pass.plain(3), Keep.LAYER_INPUTS, ws);
                state = RandomModel.host(ops, hidden.states().get(2));
                finalNorm = open.checkpoint().get("model.norm.weight", 14).toFloats();
                Compaction.write(open, PruningPlan.keepFirstLayers(shape, 2), request(out, shape));
            }
            try (ModelFolder open = ModelFolder.open(out, ops); Workspace ws = ops.newWorkspace()) {
                assertEquals(List.of(GROUPS, UNEQUAL), open.model().shape().layers());
                Hidden hidden = open.model().forward(batch, Pass.plain(2), Keep.NOTHING, ws);
                assertArrayEquals(state, RandomModel.host(ops, hidden.states().getFirst()), "bit for bit");
                assertClose("norm", normed(state, finalNorm, 1e-3), RandomModel.host(ops, hidden.normed()), 1e-6);
            }
        }
    }

    private static float[] normed(float[] x, float[] weight, double eps) {
        int width = weight.length;
        float[] y = new float[x.length];
        for (int row = 0; row < x.length; row += width) {
            double squares = 0;
            for (int i = 0; i < width; i++) {
                squares += (double) x[row + i] * x[row + i];
            }
            for (int i = 0; i < width; i++) {
                y[row + i] = (float) (x[row + i] / Math.sqrt(squares / width + eps) * weight[i]);
            }
        }
        return y;
    }

    @Test
    void layersFromTheMiddleKeepTheirOwnWeights() throws IOException {
        ModelShape shape = shape(false, LLAMA_BIASES, GROUPS, UNEQUAL, GROUPS);
        Path out = folder.resolve("out");
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1)) {
            try (ModelFolder open = ModelFolder.open(source(shape, StoredType.BF16), ops)) {
                PruningPlan plan = PruningPlan.keepAll(shape).withLayers(new int[] {0, 2});
                Compaction.write(open, plan, request(out, shape));
            }
            try (Checkpoint before = Checkpoint.open(folder.resolve("source"));
                    Checkpoint after = Checkpoint.open(out)) {
                for (String module : 
                        List.of("self_attn.q_proj.weight", "mlp.down_proj.bias", "input_layernorm.weight")) {
                    assertArrayEquals(
                            before.get("model.layers.2." + module).sha256(),
                            after.get("model.layers.1." + module).sha256());
                }
            }
            GoldenTensors stored = new GoldenTensors(out.resolve("espalier-plan.safetensors"));
            assertArrayEquals(new int[] {0, 2}, stored.ints("layers"));
        }
    }

    /// A layer that keeps nothing still adds the biases of o_proj and down_proj, and runs with a cache.
    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void biasesOfEmptyLayersStay(Backends.Choice choice) throws IOException {
        ModelShape shape = shape(true, LLAMA_BIASES, GROUPS, GROUPS);
        PruningPlan plan = PruningPlan.keepAll(shape).withLayer(0, new PruningPlan.Kept(new int[0], new int[0]));
        Path out = folder.resolve("out");
        try (Ops ops = Backends.open(choice, 2)) {
            try (ModelFolder open = ModelFolder.open(source(shape, StoredType.F32), ops)) {
                Compaction.write(open, plan, request(out, shape));
            }
            int[] prompt = RandomModel.ids(shape, 1, 7, 8)[0];
            try (ModelFolder open = ModelFolder.open(out, ops); Workspace ws = ops.newWorkspace();
                    Generator generator = new Generator(open.model())) {
                Hidden hidden = open.model().forward(Batch.of(prompt), Pass.plain(2), Keep.LAYER_INPUTS, ws);
                float[] embedded = RandomModel.host(ops, hidden.states().get(0));
                float[] o = open.checkpoint().get("model.layers.0.self_attn.o_proj.bias", 14).toFloats();
                float[] down = open.checkpoint().get("model.layers.0.mlp.down_proj.bias", 14).toFloats();
                for (int i = 0; i < embedded.length; i++) {
                    embedded[i] += o[i % 14];
                    embedded[i] += down[i % 14];
                }
                assertArrayEquals(embedded, RandomModel.host(ops, hidden.states().get(1)));

                int[] generated = generator.generate(
                        new GenerationRequest(prompt, 9, Set.of(), 19), new Sampler(SamplingOptions.GREEDY), id -> true)
                        .ids();
                assertArrayEquals(greedyWithoutCache(open.model(), prompt, 9), generated);
            }
        }
    }

    private static int[] greedyWithoutCache(Model model, int[] prompt, int count) {
        int[] ids = prompt;
        int vocab = model.shape().vocab();
        for (int i = 0; i < count; i++) {
            float[] logits = RandomModel.logits(model, Batch.of(ids));
            int at = logits.length - vocab;
            int best = IntStream.range(0, vocab).reduce(0, (a, b) -> logits[at + b] > logits[at + a] ? b : a);
            ids = Arrays.copyOf(ids, ids.length + 1);
            ids[ids.length - 1] = best;
        }
        return Arrays.copyOfRange(ids, prompt.length, ids.length);
    }

    /// Every element of a pure slice has the bits and the type that it had; worked out here from the kept indices.
    @Test
    void slicesKeepBitsAndType() throws IOException {
        for (StoredType type : List.of(StoredType.F32, StoredType.BF16, StoredType.F16)) {
            ModelShape shape = shape(false, LLAMA_BIASES, GROUPS);
            Path source = folder.resolve("source-" + type);
            try (RandomModel random = new RandomModel(shape, 7)) {
                random.write(source, type);
            }
            int[] hidden = {0, 1, 5, 8, 13};
            int[] ffn = {0, 4, 10};
            int[] heads = {1, 3};
            PruningPlan plan = PruningPlan.keepAll(shape)
                    .withHidden(hidden, NormRule.RELEASED)
                    .withLayer(0, new PruningPlan.Kept(heads, ffn));
            Path out = folder.resolve("out-" + type);
            try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1); ModelFolder open = ModelFolder.open(source, ops)) {
                Compaction.write(open, plan, request(out, shape));
            }
            int[] queries = channels(heads);
            int[] kv = channels(new int[] {0, 1});
            int[] one = {0};
            int[] vocab = IntStream.range(0, 19).toArray();
            try (Checkpoint before = Checkpoint.open(source); Checkpoint after = Checkpoint.open(out)) {
                String attention = "model.layers.0.self_attn.";
                assertSlice(before, after, type, "model.embed_tokens.weight", vocab, hidden);
                assertSlice(before, after, type, "lm_head.weight", vocab, hidden);
                assertSlice(before, after, type, attention + "q_proj.weight", queries, hidden);
                assertSlice(before, after, type, attention + "q_proj.bias", queries, one);
                assertSlice(before, after, type, attention + "v_proj.weight", kv, hidden);
                assertSlice(before, after, type, attention + "k_proj.bias", kv, one);
                assertSlice(before, after, type, attention + "o_proj.weight", hidden, queries);
                assertSlice(before, after, type, attention + "o_proj.bias", hidden, one);
                assertSlice(before, after, type, "model.layers.0.mlp.up_proj.weight", ffn, hidden);
                assertSlice(before, after, type, "model.layers.0.mlp.gate_proj.bias", ffn, one);
                assertSlice(before, after, type, "model.layers.0.mlp.down_proj.weight", hidden, ffn);
                assertSlice(before, after, type, "model.layers.0.post_attention_layernorm.weight", hidden, one);
                assertSlice(before, after, type, "model.norm.weight", hidden, one);
            }
        }
    }

    private static int[] channels(int[] heads) {
        return Arrays.stream(heads).flatMap(head -> IntStream.range(4 * head, 4 * head + 4)).toArray();
    }

    private static void assertSlice(
            Checkpoint before, Checkpoint after, StoredType type, String name, int[] rows, int[] cols) {
        StoredTensor source = before.get(name);
        StoredTensor cut = after.get(name);
        assertEquals(type, cut.type(), name);
        int sourceCols = source.shape().length == 1 ? 1 : (int) source.cols();
        assertEquals((long) rows.length * cols.length, cut.elements(), name);
        for (int r = 0; r < rows.length; r++) {
            for (int c = 0; c < cols.length; c++) {
                float expected = source.get((long) rows[r] * sourceCols + cols[c]);
                float actual = cut.get((long) r * cols.length + c);
                assertEquals(
                        Float.floatToRawIntBits(expected), Float.floatToRawIntBits(actual), name + " " + r + " " + c);
            }
        }
    }

    @Test
    void anotherTypeRoundsToNearestEven() throws IOException {
        ModelShape shape = shape(false, Biases.NONE, GROUPS);
        Path source = folder.resolve("source");
        try (RandomModel random = new RandomModel(shape, 7)) {
            float[] gate = random.values().get("model.layers.0.mlp.gate_proj.weight");
            // Halfway between two bfloat16 values, with an even and an odd lower neighbour; and just above halfway.
            gate[0] = Float.intBitsToFloat(0x3F80_8000);
            gate[1] = Float.intBitsToFloat(0x3F81_8000);
            gate[2] = Float.intBitsToFloat(0x3F80_8001);
            random.write(source, StoredType.F32);
        }
        Path out = folder.resolve("out");
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1); ModelFolder open = ModelFolder.open(source, ops)) {
            Compaction.Written written = Compaction.write(
                    open, PruningPlan.keepAll(shape), request(out, shape, Optional.of(DType.BF16)));
            assertEquals(0, written.maskedDifference());
            assertTrue(written.roundingDifference() > 1e-5 && written.roundingDifference() < 0.1,
                    "rounding " + written.roundingDifference());
        }
        try (Checkpoint before = Checkpoint.open(source); Checkpoint after = Checkpoint.open(out)) {
            StoredTensor gate = after.get("model.layers.0.mlp.gate_proj.weight");
            assertEquals(Float.intBitsToFloat(0x3F80_0000), gate.get(0));
            assertEquals(Float.intBitsToFloat(0x3F82_0000), gate.get(1));
            assertEquals(Float.intBitsToFloat(0x3F81_0000), gate.get(2));
            for (String name : before.tensorNames()) {
                StoredTensor tensor = before.get(name);
                assertEquals(StoredType.BF16, after.get(name).type());
                for (int i = 0; i < tensor.elements(); i++) {
                    assertEquals(FloatBits.fromBf16(FloatBits.toBf16(tensor.get(i))), after.get(name).get(i), name);
                }
            }
            assertEquals("bfloat16", after.config().raw().get("torch_dtype").textValue());
        }
    }

    /// Factors are applied in F32 and rounded once, at the end.
    @Test
    void factorsAreFoldedBeforeTheOneRounding() throws IOException {
        ModelShape shape = shape(true, QWEN2_BIASES, GROUPS);
        float[] heads = {0.3f, 0.5f, 0.7f, 0.9f};
        float[] ffn = new float[11];
        float[] hidden = new float[14];
        IntStream.range(0, 11).forEach(i -> ffn[i] = 0.2f + 0.07f * i);
        IntStream.range(0, 14).forEach(i -> hidden[i] = 0.3f + 0.05f * i);
        PruningPlan plan = PruningPlan.keepAll(shape)
                .withHidden(new int[] {1, 2, 3, 7, 8, 11}, NormRule.EXACT)
                .withFactors(new MaskValues(List.of(heads), List.of(ffn), hidden));
        Path out = folder.resolve("out");
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
                ModelFolder open = ModelFolder.open(source(shape, StoredType.BF16), ops)) {
            Compaction.Written written = Compaction.write(open, plan, request(out, shape));
            assertTrue(written.maskedDifference() < 1e-6, "difference " + written.maskedDifference());
            assertTrue(written.roundingDifference() > 1e-4, "rounding " + written.roundingDifference());
        }
        int[] kept = plan.keptHidden();
        try (Checkpoint before = Checkpoint.open(folder.resolve("source")); Checkpoint after = Checkpoint.open(out)) {
            StoredTensor o = before.get("model.layers.0.self_attn.o_proj.weight");
            StoredTensor cutO = after.get("model.layers.0.self_attn.o_proj.weight", kept.length, 16);
            for (int r = 0; r < kept.length; r++) {
                for (int c = 0; c < 16; c++) {
                    float folded = (float) (o.get(kept[r] * 16L + c) * ((double) hidden[kept[r]] * heads[c / 4]));
                    assertEquals(FloatBits.fromBf16(FloatBits.toBf16(folded)), cutO.get(r * 16L + c));
                }
            }
            // The embedding carries the hidden factor, which the final norm undoes for the tied lm_head.
            StoredTensor norm = after.get("model.norm.weight", kept.length);
            for (int i = 0; i < kept.length; i++) {
                float folded = (float) (before.get("model.norm.weight").get(kept[i])
                        * (1 / (double) hidden[kept[i]] * Math.sqrt(14.0 / kept.length)));
                assertEquals(FloatBits.fromBf16(FloatBits.toBf16(folded)), norm.get(i));
            }
            assertTrue(after.config().tied());
        }
    }

    /// A gate multiplies what a projection puts out, its bias included.
    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void factorsReachTheBiases(Backends.Choice choice) throws IOException {
        for (boolean tied : new boolean[] {false, true}) {
            ModelShape shape = shape(tied, LLAMA_BIASES, GROUPS, UNEQUAL);
            Path source = folder.resolve("source-" + tied);
            try (RandomModel random = new RandomModel(shape, 7)) {
                random.write(source, StoredType.F32);
            }
            float[] hidden = new float[14];
            IntStream.range(0, 14).forEach(i -> hidden[i] = 0.3f + 0.05f * i);
            List<float[]> ffn = List.of(new float[11], new float[9]);
            ffn.forEach(factors -> IntStream.range(0, factors.length).forEach(i -> factors[i] = 0.2f + 0.07f * i));
            PruningPlan plan = PruningPlan.keepAll(shape)
                    .withHidden(new int[] {1, 2, 3, 7, 8, 11}, NormRule.EXACT)
                    .withFactors(new MaskValues(List.of(), ffn, hidden));
            Path out = folder.resolve("out-" + tied);
            try (Ops ops = Backends.open(choice, 2); ModelFolder open = ModelFolder.open(source, ops)) {
                assertTrue(Compaction.write(open, plan, request(out, shape)).maskedDifference() < 1e-6);
            }
            try (Checkpoint before = Checkpoint.open(source); Checkpoint after = Checkpoint.open(out)) {
                String bias = "model.layers.1.mlp.down_proj.bias";
                assertEquals((float) (before.get(bias).get(3) * (double) hidden[3]), after.get(bias).get(2));
                bias = "model.layers.0.mlp.up_proj.bias";
                assertEquals((float) (before.get(bias).get(4) * (double) ffn.get(0)[4]), after.get(bias).get(4));
            }
        }
    }

    @Test
    void aFactorThatCannotBeUndone() {
        float[] hidden = new float[14];
        Arrays.fill(hidden, 0.5f);
        hidden[3] = 0;
        MaskValues factors = new MaskValues(List.of(), List.of(), hidden);
        ModelShape tied = shape(true, Biases.NONE, GROUPS);
        PruningPlan all = PruningPlan.keepAll(tied).withFactors(factors);
        var e = assertThrows(IllegalArgumentException.class, () -> Surgery.of(Architecture.LLAMA, all));
        assertEquals("hidden channel 3 is kept with the factor 0, which the final norm of a tied model cannot undo",
                e.getMessage());
        Surgery.of(Architecture.LLAMA, all.withHidden(new int[] {0, 1, 2, 4}, NormRule.EXACT));
        Surgery.of(Architecture.LLAMA, PruningPlan.keepAll(shape(false, Biases.NONE, GROUPS)).withFactors(factors));
    }
}
