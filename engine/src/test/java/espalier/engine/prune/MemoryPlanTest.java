package espalier.engine.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.Progress;
import espalier.engine.generate.GenerationRequest;
import espalier.engine.generate.Generator;
import espalier.engine.generate.Sampler;
import espalier.engine.generate.SamplingOptions;
import espalier.engine.model.Architecture;
import espalier.engine.model.Batch;
import espalier.engine.model.ChannelGraph;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.MemoryPlan;
import espalier.engine.model.Model;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Pass;
import espalier.engine.model.StateGradients;
import espalier.engine.model.Workload;
import espalier.engine.testing.InterceptedOps;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// The plan's formulas against what the workspaces of real runs hold.
class MemoryPlanTest {
    /// A workspace grows in blocks of at most this size; the plan leaves room for one that is not used.
    private static final long GROWTH = 64L << 20;
    private static final long SMALLEST_BLOCK = 1L << 20;

    static Stream<Arguments> shapes() {
        LayerShape plain = LayerShape.uniform(8, 8, 32, 700);
        return Stream.of(
                Arguments.of("heads", shape(2000, 256, 3, plain), 4, 96),
                Arguments.of("many layers, one long sample",
                        shape(300, 128, 24, LayerShape.uniform(4, 4, 32, 300)), 1, 900),
                Arguments.of("grouped queries",
                        shape(2000, 192, 4, new LayerShape(new int[] {1, 7, 4}, 32, 500)), 4, 128),
                Arguments.of("large vocabulary", shape(60_000, 64, 2, LayerShape.uniform(4, 1, 16, 128)), 4, 96),
                Arguments.of("large ffn", shape(500, 128, 2, LayerShape.uniform(4, 2, 32, 4000)), 2, 256),
                Arguments.of("narrow model, many samples",
                        shape(30_000, 32, 2, LayerShape.uniform(2, 1, 16, 64)), 24, 64));
    }

    private static ModelShape shape(int vocab, int hidden, int layers, LayerShape layer) {
        return new ModelShape(
                vocab, hidden, Collections.nCopies(layers, layer), false, ModelShape.Biases.NONE, 1e-5, 10_000, 2048);
    }

    /// Bytes held by each workspace at its end, in the order in which they were closed.
    private static List<Long> held(ModelShape shape, BiConsumer<Model, RandomModel> run) {
        List<Long> held = new ArrayList<>();
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 2); RandomModel random = new RandomModel(shape, 7)) {
            Ops watched = InterceptedOps.of(ops, matrix -> matrix, workspace -> held.add(workspace.heldBytes()));
            try (Model model = Model.load(random, shape, watched)) {
                run.accept(model, random);
            }
        }
        // The last is the model's own: norms, biases, rotations.
        assertTrue(held.removeLast() <= 4 << 20, "what a model keeps besides its weights is small");
        return held;
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("shapes")
    void scoring(String name, ModelShape shape, int samples, int tokens) {
        Workload work = PruningMemory.scoring(Architecture.LLAMA, shape, 0, samples, tokens);
        for (Importance importance : List.of(Importance.PARAM_FIRST, Importance.PARAM_MIX)) {
            boolean hidden = importance == Importance.PARAM_FIRST || samples > 1;
            Keep keep = hidden ? Keep.lastLayers(1) : Keep.ACTIVATIONS;
            Map<String, Long> plan = MemoryPlan.training(work, keep, false).parts();
            List<Long> held = held(shape, (model, random) -> {
                ChannelGraph graph = Architecture.LLAMA.graph(shape);
                List<Group> groups = Groups.of(graph).all().stream()
                        .filter(group -> (group.kind() == Group.Kind.HIDDEN) == hidden)
                        .toList();
                UnitScorer.score(
                        new UnitScorer.Settings(importance, Reduction.Stacked.SUM, GqaFold.BY_GROUP), groups,
                        model, keep, graph.tensors(), random, RandomModel.ids(shape, samples, tokens, 1), 0,
                        Progress.NONE);
            });
            assertEquals(3, held.size(), "the pass, the tiles, the norms");
            long pass = plan.get("activations") + plan.get("temporaries");
            assertEquals(Math.max(SMALLEST_BLOCK, pass), held.get(0), name + ": nothing beyond the planned block");
            long sink = held.get(1) + held.get(2);
            assertTrue(sink <= plan.get("gradient_tiles"), name + ": sink holds " + sink);
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("shapes")
    void inference(String name, ModelShape shape, int sequences, int tokens) {
        Map<String, Long> plan = MemoryPlan.inference(shape, 0, sequences * tokens, 0).parts();
        List<Long> held = held(shape, (model, random) -> {
            try (Workspace ws = model.ops().newWorkspace()) {
                Batch batch = Batch.of(RandomModel.ids(shape, sequences, tokens, 1));
                Hidden hidden =
                        model.forward(batch, Pass.plain(shape.layers().size()), Keep.NOTHING, ws);
                model.lmHead().loss(hidden, batch.nextTokens(), ws);
            }
        });
        assertBetween(name, held.getFirst(), plan.get("activations") + plan.get("logits"));
        assertEquals(0, plan.get("kv_cache"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("shapes")
    void generation(String name, ModelShape shape, int sequences, int tokens) {
        int length = 2 * tokens;
        Map<String, Long> plan = MemoryPlan.inference(shape, 0, tokens, length).parts();
        List<Long> held = held(shape, (model, random) -> {
            try (Generator generator = new Generator(model)) {
                generator.generate(
                        new GenerationRequest(RandomModel.ids(shape, 1, length - 3, 1)[0], 3, Set.of(), shape.vocab()),
                        new Sampler(SamplingOptions.GREEDY), id -> true);
            }
        });
        assertEquals(2, held.size(), "the cache, then the passes");
        assertTrue(held.get(0) <= plan.get("kv_cache"), name + ": cache holds " + held.get(0) + " of " + plan);
    }

    /// What the kernels keep in real passes.
    @ParameterizedTest(name = "{0}")
    @MethodSource("shapes")
    void kernels(String name, ModelShape shape, int samples, int tokens) {
        int threads = Runtime.getRuntime().availableProcessors();
        Workload work = PruningMemory.scoring(Architecture.LLAMA, shape, 0, samples, tokens);
        long training = MemoryPlan.training(work, Keep.LAYER_INPUTS, false).parts().get("kernels");
        long inference = MemoryPlan.inference(shape, 0, samples * tokens, 0).parts().get("kernels");
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, threads);
                RandomModel random = new RandomModel(shape, 7);
                Model model = Model.load(random, shape, ops);
                Workspace ws = ops.newWorkspace()) {
            Batch batch = Batch.of(RandomModel.ids(shape, samples, tokens, 1));
            Pass pass = Pass.plain(shape.layers().size());
            Hidden hidden = model.forward(batch, pass, Keep.LAYER_INPUTS, ws);
            assertTrue(ops.scratchBytes() <= inference, "%,d of %,d".formatted(ops.scratchBytes(), inference));
            Tensor dNormed = ws.take(batch.tokens(), shape.hidden());
            model.lmHead().lossBackward(dNormed, hidden, batch.nextTokens(), 1, ws);
            model.backward(hidden, dNormed, StateGradients.NONE, pass, ws);
            assertTrue(ops.scratchBytes() <= training, "%,d of %,d".formatted(ops.scratchBytes(), training));
        }
    }

    /// Attention's share grows with the longest sequence, not with the batch.
    @Test
    void longSequencesTakeMoreOfTheKernels() {
        ModelShape shape = shape(2000, 256, 3, LayerShape.uniform(8, 8, 32, 700));
        Workload work = Workload.of(shape, 4096, 0);
        long whole = kernels(work);
        long parts = kernels(work.withSequences(512));
        int threads = Runtime.getRuntime().availableProcessors();
        assertTrue(whole - parts > 3500L * threads * 5 * 32 * 4, whole + " " + parts);
    }

    private static long kernels(Workload work) {
        return MemoryPlan.training(work, Keep.LAYER_INPUTS, false).parts().get("kernels");
    }

    /// Enough, and without the room for growth not more than twice as much.
    private static void assertBetween(String name, long held, long planned) {
        assertTrue(held <= planned, "%s holds %,d, planned are %,d".formatted(name, held, planned));
        assertTrue(planned - GROWTH <= 2 * held, "%s holds %,d, planned are %,d".formatted(name, held, planned));
    }

    @Test
    void whatIsMissingIsListed() {
        Map<String, Long> parts = new LinkedHashMap<>();
        parts.put("weights", 1_000_000L);
        parts.put("kernels", 2345L);
        MemoryPlan plan = new MemoryPlan(parts).with("copies", 1000).with("kernels", 5);
        assertEquals(1_003_350, plan.total());
        plan.require(1_003_350);
        var e = assertThrows(IllegalArgumentException.class, () -> plan.require(1_003_349));
        assertEquals("not enough memory: the run needs 1,003,350 bytes (weights 1,000,000, kernels 2,350,"
                + " copies 1,000), available are 1,003,349", e.getMessage());
    }
}
