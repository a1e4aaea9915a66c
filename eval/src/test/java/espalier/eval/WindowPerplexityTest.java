package espalier.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import espalier.engine.Progress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class WindowPerplexityTest {
    private final List<int[]> seen = new ArrayList<>();
    private final List<Integer> calls = new ArrayList<>();

    /// The loss of a token is its id in hundredths.
    private final class Recorder implements LanguageModel {
        @Override
        public int maxTokens() {
            return 10;
        }

        @Override
        public int efficientTokens() {
            return 9;
        }

        @Override
        public List<double[]> losses(List<int[]> sequences) {
            calls.add(sequences.size());
            seen.addAll(sequences);
            return sequences.stream()
                    .map(ids -> Arrays.stream(ids).skip(1).mapToDouble(id -> id * 0.01).toArray())
                    .toList();
        }
    }

    private static int[] ids(int count) {
        return IntStream.range(0, count).toArray();
    }

    private Perplexity measure(int window, int stride, int most, int tokens) {
        return new WindowPerplexity(window, stride, most).measure(new Recorder(), ids(tokens), Progress.NONE);
    }

    private static void assertLosses(int[] scoredIds, Perplexity result) {
        assertEquals(scoredIds.length, result.tokens());
        assertEquals(Arrays.stream(scoredIds).sum() * 0.01, result.lossSum(), 1e-12);
        assertEquals(Math.exp(Arrays.stream(scoredIds).average().orElseThrow() * 0.01), result.value(), 1e-12);
    }

    @Test
    void windowsDoNotOverlapAndTheRestIsDropped() {
        Perplexity result = measure(4, 4, Integer.MAX_VALUE, 15);
        assertEquals(3, result.windows());
        assertEquals(
                List.of("[0, 1, 2, 3]", "[4, 5, 6, 7]", "[8, 9, 10, 11]"),
                seen.stream().map(Arrays::toString).toList());
        assertLosses(new int[] {1, 2, 3, 5, 6, 7, 9, 10, 11}, result);
    }

    @Test
    void aStrideScoresOnlyTheNewTokens() {
        Perplexity result = measure(5, 2, Integer.MAX_VALUE, 10);
        assertEquals(List.of(0, 2, 4), seen.stream().map(window -> window[0]).toList());
        assertLosses(new int[] {1, 2, 3, 4, 5, 6, 7, 8}, result);
    }

    @Test
    void onlyTheFirstWindowsAreRun() {
        assertEquals(2, measure(4, 3, 2, 100).windows());
        assertLosses(new int[] {1, 2, 3, 4, 5, 6}, measure(4, 3, 2, 100));
    }

    @Test
    void aTextOfExactlyOneWindowIsOne() {
        assertLosses(new int[] {1, 2, 3}, measure(4, 1, Integer.MAX_VALUE, 4));
    }

    @Test
    void windowsShareACallAndProgressIsTold() {
        List<String> told = new ArrayList<>();
        new WindowPerplexity(4, 4, 5).measure(new Recorder(), ids(30), (done, total) -> told.add(done + "/" + total));
        assertEquals(List.of(2, 2, 1), calls);
        assertEquals(List.of("2/5", "4/5", "5/5"), told);
    }

    @Test
    void badArgumentsAreRefused() {
        assertMessage("window must be at least 2 tokens, got 1", () -> new WindowPerplexity(1, 1, 1));
        assertMessage("stride must be 1 to 8, the window, got 9", () -> new WindowPerplexity(8, 9, 1));
        assertMessage("stride must be 1 to 8, the window, got 0", () -> new WindowPerplexity(8, 0, 1));
        assertMessage("windows must be positive, got 0", () -> new WindowPerplexity(8, 8, 0));
        assertMessage("the text has 7 tokens, which fill no window of 8", () -> measure(8, 8, 1, 7));
        assertMessage("a window of 11 tokens exceeds the model's context of 10", () -> measure(11, 11, 1, 99));
    }

    private static void assertMessage(String message, Runnable action) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, action::run).getMessage());
    }
}
