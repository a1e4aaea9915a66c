package espalier.engine.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import espalier.engine.generate.Generation.End;
import espalier.engine.model.Batch;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.Model;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Pass;
import espalier.engine.model.WeightSource;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Backends;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class GeneratorTest {
    private static final int VOCAB = 23;
    private static final int CONTEXT = 600;
    private static final ModelShape SHAPE = new ModelShape(
            VOCAB,
            8,
            List.of(LayerShape.uniform(4, 2, 4, 12), new LayerShape(new int[] {1, 2}, 4, 5)),
            true,
            ModelShape.Biases.NONE,
            1e-5,
            10_000,
            CONTEXT);

    private Arena arena;
    private Ops ops;
    private Model model;
    private Generator generator;

    @BeforeEach
    void open() {
        arena = Arena.ofConfined();
        ops = Backends.open(Backends.Choice.SCALAR, 1);
        model = Model.load(new RandomWeights(arena), SHAPE, ops);
        generator = new Generator(model);
    }

    @AfterEach
    void close() {
        generator.close();
        model.close();
        ops.close();
        arena.close();
    }

    private record RandomWeights(Arena arena) implements WeightSource {
        @Override
        public StoredMatrix matrix(String name, int rows, int cols) {
            Philox random = new Philox(3, name.hashCode());
            MemorySegment data = arena.allocate((long) rows * cols * Float.BYTES);
            for (int i = 0; i < rows * cols; i++) {
                data.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.gaussian(i));
            }
            return new StoredMatrix(name, DType.F32, rows, cols, data);
        }

        @Override
        public float[] vector(String name, int length) {
            float[] ones = new float[length];
            Arrays.fill(ones, 1);
            return ones;
        }
    }

    private static int[] prompt(int length) {
        Philox random = new Philox(11, 0);
        return IntStream.range(0, length).map(i -> random.below(i, VOCAB)).toArray();
    }

    private Generation greedy(int[] prompt, int maxTokens, Integer... endIds) {
        return generator.generate(
                new GenerationRequest(prompt, maxTokens, Set.of(endIds), VOCAB),
                new Sampler(SamplingOptions.GREEDY),
                id -> true);
    }

    /// Without a cache: everything is computed again for each token.
    private int[] greedyWithoutCache(int[] prompt, int count) {
        int[] all = Arrays.copyOf(prompt, prompt.length + count);
        try (Workspace ws = ops.newWorkspace()) {
            for (int n = prompt.length; n < all.length; n++) {
                Hidden hidden = model.forward(
                        Batch.of(Arrays.copyOf(all, n)), Pass.plain(SHAPE.layers().size()), Keep.NOTHING, ws);
                float[] logits = new float[VOCAB];
                ops.toHost(model.lmHead().logits(hidden.normed().rowRange(n - 1, n), ws), logits);
                all[n] = new Sampler(SamplingOptions.GREEDY).pick(logits, VOCAB, n);
                ws.release(0);
            }
        }
        return Arrays.copyOfRange(all, prompt.length, all.length);
    }

    @Test
    void aCachedGenerationEqualsOneWithoutCache() {
        for (int length : new int[] {1, 127, 128, 513}) {
            int[] prompt = prompt(length);
            assertArrayEquals(greedyWithoutCache(prompt, 6), greedy(prompt, 6).ids(), length + " prompt tokens");
        }
    }

    @Test
    void tokensAreHandedOverAsTheyCome() {
        List<Integer> seen = new ArrayList<>();
        Generation generation = generator.generate(
                new GenerationRequest(prompt(5), 7, Set.of(), VOCAB), new Sampler(SamplingOptions.GREEDY), seen::add);
        assertEquals(Arrays.stream(generation.ids()).boxed().toList(), seen);
        assertEquals(7, seen.size());
        assertEquals(End.MAX_TOKENS, generation.end());
    }

    @Test
    void anEndTokenEndsAndIsPartOfTheResult() {
        int[] free = greedy(prompt(5), 8).ids();
        Generation ended = greedy(prompt(5), 8, free[3]);
        int first = IntStream.range(0, 8).filter(i -> free[i] == free[3]).findFirst().orElseThrow();
        assertArrayEquals(Arrays.copyOf(free, first + 1), ended.ids());
        assertEquals(End.END_TOKEN, ended.end());
    }

    @Test
    void theListenerAndAnInterruptStop() {
        GenerationRequest request = new GenerationRequest(prompt(5), 8, Set.of(), VOCAB);
        Generation stopped = generator.generate(request, new Sampler(SamplingOptions.GREEDY), id -> false);
        assertEquals(End.STOPPED, stopped.end());
        assertEquals(1, stopped.ids().length);
        Thread.currentThread().interrupt();
        Generation interrupted = generator.generate(request, new Sampler(SamplingOptions.GREEDY), id -> true);
        assertEquals(true, Thread.interrupted(), "the interrupt is left for the caller");
        assertEquals(End.STOPPED, interrupted.end());
    }

    @Test
    void theContextEndsAGeneration() {
        Generation generation = greedy(prompt(CONTEXT - 2), 50);
        assertEquals(End.CONTEXT, generation.end());
        assertEquals(3, generation.ids().length, "the last token needs no position");
    }

    @Test
    void idsBeyondTheTokenizersVocabularyAreNotGenerated() {
        int[] prompt = prompt(5);
        Generation generation = generator.generate(
                new GenerationRequest(prompt, 30, Set.of(), 3),
                new Sampler(new SamplingOptions(1, 0, 1, 9)),
                id -> true);
        assertEquals(true, Arrays.stream(generation.ids()).allMatch(id -> id < 3));
    }

    @Test
    void badPromptsAreRefused() {
        assertMessage("the prompt has 601 tokens, the model's context is 600", prompt(CONTEXT + 1));
        assertMessage("the prompt is empty: generation needs at least one token to start from");
        assertMessage("token id 23 of the prompt is not in the model's vocabulary of 23", 1, VOCAB);
        assertMessage("token id -1 of the prompt is not in the model's vocabulary of 23", -1);
    }

    private void assertMessage(String message, int... prompt) {
        var error = assertThrows(IllegalArgumentException.class, () -> greedy(prompt, 1));
        assertEquals(message, error.getMessage());
    }
}
