package espalier.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import espalier.engine.Progress;
import espalier.testing.SharedData;
import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// With a tokenizer that adds no begin token of its own.
class ParagraphPerplexityGoldenTest {
    private final List<int[]> seen = new ArrayList<>();
    private Tokenizer tokenizer;

    /// Every token costs two nats.
    private final LanguageModel model = new LanguageModel() {
        @Override
        public int maxTokens() {
            return 6;
        }

        @Override
        public int efficientTokens() {
            return 100;
        }

        @Override
        public List<double[]> losses(List<int[]> sequences) {
            seen.addAll(sequences);
            return sequences.stream().map(ids -> {
                double[] losses = new double[ids.length - 1];
                Arrays.fill(losses, 2);
                return losses;
            }).toList();
        }
    };

    @BeforeEach
    void load() throws IOException {
        tokenizer = Tokenizer.load(SharedData.tokenizers().resolve("smollm2"));
        assertFalse(tokenizer.addsBeginToken());
    }

    @Test
    void theBeginTokenIsPutInFrontAndEveryOtherTokenIsPredicted() {
        List<String> paragraphs = List.of("One day", "Tom saw a bird");
        Perplexity result =
                ParagraphPerplexity.of(tokenizer, OptionalInt.of(1), paragraphs).measure(model, Progress.NONE);
        int tokens = 0;
        for (int p = 0; p < paragraphs.size(); p++) {
            int[] ids = tokenizer.encode(paragraphs.get(p), EncodeOptions.WITH_SPECIALS);
            assertEquals(1, seen.get(p)[0]);
            assertEquals(Arrays.toString(ids), Arrays.toString(Arrays.copyOfRange(seen.get(p), 1, ids.length + 1)));
            tokens += ids.length;
        }
        assertEquals(tokens, result.tokens());
        assertEquals(2, result.windows());
        assertEquals(Math.exp(2), result.value(), 1e-12);
    }

    @Test
    void badInputIsRefused() {
        assertMessage(
                "neither config.json nor the tokenizer names a begin token, which every paragraph starts with",
                OptionalInt.empty(), "One day");
        assertMessage("the text has no paragraph", OptionalInt.of(1));
        String message = assertThrows(
                        IllegalArgumentException.class,
                        () -> measure(OptionalInt.of(1), "One", "one two three four five six seven"))
                .getMessage();
        assertEquals(
                "paragraph 2 has 8 tokens with the begin token, which exceeds the model's context of 6", message);
    }

    private void measure(OptionalInt beginToken, String... paragraphs) {
        ParagraphPerplexity.of(tokenizer, beginToken, List.of(paragraphs)).measure(model, Progress.NONE);
    }

    private void assertMessage(String message, OptionalInt beginToken, String... paragraphs) {
        assertEquals(
                message,
                assertThrows(IllegalArgumentException.class, () -> measure(beginToken, paragraphs)).getMessage());
    }
}
