package espalier.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import espalier.engine.Progress;
import espalier.engine.generate.Generation;
import espalier.engine.generate.GenerationRequest;
import espalier.engine.generate.Generator;
import espalier.engine.generate.Sampler;
import espalier.engine.generate.SamplingOptions;
import espalier.engine.model.Batch;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.Pass;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Workspace;
import espalier.testing.SharedData;
import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Real models against their `reference.json`, which was computed in float64 (its README says how): ids, logits, greedy
/// text and perplexity. The numbers there are printed with six decimals; float32 arithmetic over 30 layers stays well
/// within the tolerances, and the greedy texts have larger gaps between the two best logits than they allow.
class ReferenceModelGoldenTest {
    private static final double LOGIT_TOLERANCE = 1e-3;

    static Stream<Arguments> tiny() {
        return Stream.of("tinystories-656k", "stories260k", "aidreams-231k")
                .flatMap(name -> Stream.of(Backends.Choice.values()).map(choice -> Arguments.of(name, choice)));
    }

    /// A model that is open, with its reference.
    private record Opened(Ops ops, ModelFolder folder, Tokenizer tokenizer, JsonNode reference)
            implements AutoCloseable {
        static Opened open(Path folder, Path reference, Backends.Choice choice) throws IOException {
            Ops ops = Backends.open(choice, 2);
            return new Opened(
                    ops,
                    ModelFolder.open(folder, ops),
                    Tokenizer.load(folder),
                    new ObjectMapper().readTree(reference.resolve("reference.json").toFile()));
        }

        static Opened tiny(String name, Backends.Choice choice) throws IOException {
            Path folder = SharedData.models().resolve(name);
            return open(folder, folder, choice);
        }

        static Opened smollm2() throws IOException {
            return open(
                    SharedData.smollm2(),
                    SharedData.models().resolve("smollm2-135m-instruct"),
                    Backends.Choice.VECTOR);
        }

        @Override
        public void close() {
            folder.close();
            ops.close();
        }
    }

    private static int[] ids(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false).mapToInt(JsonNode::intValue).toArray();
    }

    /// @param skipSpecials whether the golden text leaves special tokens out
    private static void assertCase(Opened opened, JsonNode golden, boolean skipSpecials) {
        int[] prompt = ids(golden.get("ids"));
        assertArrayEquals(
                prompt, opened.tokenizer.encode(golden.get("prompt").textValue(), EncodeOptions.WITH_SPECIALS));
        assertLogits(opened, golden, prompt);
        assertGreedy(opened, golden, prompt, skipSpecials);
    }

    private static void assertLogits(Opened opened, JsonNode golden, int[] prompt) {
        int vocab = opened.folder.model().shape().vocab();
        float[] logits = new float[prompt.length * vocab];
        try (Workspace ws = opened.ops.newWorkspace()) {
            Hidden hidden = opened.folder.model().forward(
                    Batch.of(prompt), Pass.plain(opened.folder.config().numLayers()), Keep.NOTHING, ws);
            opened.ops.toHost(opened.folder.model().lmHead().logits(hidden.normed(), ws), logits);
        }
        JsonNode first = golden.get("first_position_logits");
        for (int i = 0; i < first.size(); i++) {
            assertEquals(first.get(i).doubleValue(), logits[i], LOGIT_TOLERANCE, "first position, id " + i);
        }
        int last = (prompt.length - 1) * vocab;
        for (JsonNode best : golden.get("last_position_top8")) {
            int id = best.get(0).intValue();
            assertEquals(best.get(1).doubleValue(), logits[last + id], LOGIT_TOLERANCE, "last position, id " + id);
        }
        double squares = 0;
        for (float logit : logits) {
            squares += (double) logit * logit;
        }
        double expected = golden.get("logits_sum_of_squares").doubleValue();
        assertEquals(expected, squares, 1e-5 * expected);
    }

    private static void assertGreedy(Opened opened, JsonNode golden, int[] prompt, boolean skipSpecials) {
        int[] expected = ids(golden.get("greedy_ids"));
        try (Generator generator = new Generator(opened.folder.model())) {
            Generation generation = generator.generate(
                    new GenerationRequest(prompt, expected.length, Set.of(), opened.tokenizer.vocabSize()),
                    new Sampler(SamplingOptions.GREEDY),
                    id -> true);
            assertArrayEquals(expected, generation.ids());
        }
        int[] all = Arrays.copyOf(prompt, prompt.length + expected.length);
        System.arraycopy(expected, 0, all, prompt.length, expected.length);
        assertEquals(golden.get("greedy_text").textValue(), opened.tokenizer.decode(all, skipSpecials));
    }

    private static void assertParagraphs(Opened opened, JsonNode golden) throws IOException {
        Path file = SharedData.models().resolve(golden.get("file").textValue());
        try (EngineLanguageModel measured = new EngineLanguageModel(opened.folder.model())) {
            Perplexity result = ParagraphPerplexity.of(
                            opened.tokenizer, opened.folder.config().bosId(), TextSource.read(file).paragraphs())
                    .measure(measured, Progress.NONE);
            assertEquals(golden.get("tokens").longValue(), result.tokens());
            double expected = golden.get("perplexity").doubleValue();
            assertEquals(expected, result.value(), 1e-4 * expected);
        }
    }

    private static Perplexity wikitext2(Opened opened, int window, int windows) throws IOException {
        TextSource source = TextSource.read(SharedData.data().resolve("wikitext2/wiki.test.raw.gz"));
        int[] ids = opened.tokenizer.encode(
                source.join(source.usualJoin()).text(), EncodeOptions.WITH_SPECIALS);
        try (EngineLanguageModel measured = new EngineLanguageModel(opened.folder.model())) {
            return new WindowPerplexity(window, window, windows).measure(measured, ids, Progress.NONE);
        }
    }

    @ParameterizedTest
    @MethodSource("tiny")
    void tinyModels(String name, Backends.Choice choice) throws IOException {
        try (Opened opened = Opened.tiny(name, choice)) {
            assertCase(opened, opened.reference, true);
            assertParagraphs(opened, opened.reference.get("eval"));
        }
    }

    @Test
    void smollm2TextsAndLogits() throws IOException {
        try (Opened opened = Opened.smollm2()) {
            JsonNode cases = opened.reference.get("cases");
            assertTrue(cases.size() >= 5);
            cases.forEach(golden -> assertCase(opened, golden, false));
            assertParagraphs(opened, opened.reference.get("text"));
        }
    }

    /// The value that LLM-Pruner's reference run started from, `llm-pruner.json`, float32.
    @Test
    void smollm2OverTheFirstWindows() throws IOException {
        try (Opened opened = Opened.smollm2()) {
            Perplexity result = wikitext2(opened, 128, 64);
            assertEquals(64 * 127, result.tokens());
            assertEquals(64.03372360734421, result.value(), 64 * 1e-4);
        }
    }

    @Test
    @Tag("slow")
    void smollm2OverManyWindows() throws IOException {
        try (Opened opened = Opened.smollm2()) {
            for (JsonNode golden : elements(opened.reference.get("wikitext2"))) {
                Perplexity result =
                        wikitext2(opened, golden.get("window").intValue(), golden.get("windows").intValue());
                assertEquals(golden.get("tokens").longValue(), result.tokens());
                double expected = golden.get("perplexity").doubleValue();
                assertEquals(expected, result.value(), 2e-4 * expected);
            }
        }
    }

    private static List<JsonNode> elements(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false).toList();
    }
}
