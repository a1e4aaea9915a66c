package espalier.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.Progress;
import espalier.engine.model.ModelFolder;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.testing.SharedData;
import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

class PrefixedLanguageModelGoldenTest {
    private static final int BEGIN = 1;
    private static final OptionalInt BEGIN_ID = OptionalInt.of(BEGIN);

    private final List<List<String>> calls = new ArrayList<>();

    /// The loss of a token is its id.
    private final LanguageModel recorder = new LanguageModel() {
        @Override
        public int maxTokens() {
            return 10;
        }

        @Override
        public int efficientTokens() {
            return 12;
        }

        @Override
        public List<double[]> losses(List<int[]> sequences) {
            calls.add(sequences.stream().map(Arrays::toString).toList());
            return sequences.stream()
                    .map(ids -> Arrays.stream(ids).skip(1).mapToDouble(id -> id).toArray())
                    .toList();
        }
    };

    private LanguageModel prefixed(int... prefix) {
        return new PrefixedLanguageModel(recorder, new TextPrefix(prefix, BEGIN_ID));
    }

    @Test
    void thePrefixComesBeforeEachSequenceAndTakesThePlaceOfABeginToken() {
        List<double[]> losses = prefixed(BEGIN, 7, 8).losses(List.of(new int[] {4, 5, 6}, new int[] {BEGIN, 5, 6}));
        assertEquals(List.of(List.of("[1, 7, 8, 4, 5, 6]", "[1, 7, 8, 5, 6]")), calls);
        assertArrayEquals(new double[] {5, 6}, losses.get(0));
        assertArrayEquals(new double[] {5, 6}, losses.get(1));
        assertEquals(0, prefixed(7).losses(List.of(new int[] {4})).getFirst().length);
    }

    @Test
    void callsStayWithinWhatTheModelTakesAtOnce() {
        List<double[]> losses = prefixed(7, 8, 9)
                .losses(List.of(new int[] {4, 5}, new int[] {4, 6}, new int[] {4, 5, 6, 7, 8}, new int[] {3, 2}));
        assertEquals(
                List.of(
                        List.of("[7, 8, 9, 4, 5]", "[7, 8, 9, 4, 6]"),
                        List.of("[7, 8, 9, 4, 5, 6, 7, 8]"),
                        List.of("[7, 8, 9, 3, 2]")),
                calls);
        assertEquals(
                List.of("[5.0]", "[6.0]", "[5.0, 6.0, 7.0, 8.0]", "[2.0]"),
                losses.stream().map(Arrays::toString).toList());
    }

    @Test
    void theContextIsThatOfBoth() {
        LanguageModel model = prefixed(7, 8, 9);
        assertEquals(7, model.maxTokens());
        int[] ids = new int[20];
        assertEquals(6, new WindowPerplexity(7, 7, 1).measure(model, ids, Progress.NONE).tokens());
        assertMessage(
                "a window of 8 tokens exceeds the model's context of 10, of which the prefix takes 3",
                () -> new WindowPerplexity(8, 8, 1).measure(model, ids, Progress.NONE));
        assertMessage("the prefix of 9 tokens leaves no room in the model's context of 10", () -> prefixed(new int[9]));
        assertMessage("the prefix gives no token, expected at least one", this::prefixed);
    }

    private static void assertMessage(String message, Runnable action) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, action::run).getMessage());
    }

    @Test
    void theIdsOfATextHaveTheBeginTokenThatTheTokenizerAdds() throws IOException {
        String text = "Be </s> pruned:\n";
        for (String name : List.of("llama2-spm", "smollm2")) {
            Tokenizer tokenizer = Tokenizer.load(SharedData.tokenizers().resolve(name));
            TextPrefix prefix = TextPrefix.of(tokenizer, tokenizer.bosId(), text);
            int[] plain = tokenizer.encode(text, EncodeOptions.PLAIN_TEXT);
            int begins = tokenizer.addsBeginToken() ? 1 : 0;
            assertEquals(begins + plain.length, prefix.length());
            assertArrayEquals(plain, Arrays.copyOfRange(prefix.ids(), begins, prefix.length()));
        }
    }

    /// compresso.md, check 11.
    @Test
    void aContinuationIsScoredAsInTheWholeSequence() throws IOException {
        Path folder = SharedData.models().resolve("stories260k");
        Tokenizer tokenizer = Tokenizer.load(folder);
        TextPrefix prefix = TextPrefix.of(tokenizer, BEGIN_ID, "###Be pruned:\nYou are smaller now.\n\n###Input:\n");
        int[] context = tokenizer.encode("Once upon a time, there was", EncodeOptions.WITH_SPECIALS);
        int[] continuation = tokenizer.encode(" a little girl named Lily.", EncodeOptions.WITHOUT_TEMPLATE);
        assertEquals(BEGIN, context[0]);
        int[] request = join(context, continuation);
        int[] whole = join(join(prefix.ids(), Arrays.copyOfRange(context, 1, context.length)), continuation);
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 2);
                ModelFolder open = ModelFolder.open(folder, ops);
                EngineLanguageModel model = new EngineLanguageModel(open.model())) {
            double[] direct = last(model.losses(List.of(whole)).getFirst(), continuation.length);
            double[] plain = last(model.losses(List.of(request)).getFirst(), continuation.length);
            List<double[]> losses =
                    new PrefixedLanguageModel(model, prefix).losses(List.of(context, request, request));
            assertEquals(context.length - 1, losses.get(0).length);
            for (double[] scored : losses.subList(1, 3)) {
                assertEquals(request.length - 1, scored.length);
                assertArrayEquals(direct, last(scored, continuation.length), 1e-5);
            }
            assertTrue(Math.abs(sum(direct) - sum(plain)) > 1e-2, "the prefix changes what is predicted");
        }
    }

    private static int[] join(int[] a, int[] b) {
        int[] joined = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, joined, a.length, b.length);
        return joined;
    }

    private static double[] last(double[] values, int count) {
        return Arrays.copyOfRange(values, values.length - count, values.length);
    }

    private static double sum(double[] values) {
        return Arrays.stream(values).sum();
    }
}
