package espalier.engine.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SamplerTest {
    private static final float[] LOGITS = {-1.5f, 2, 0.5f, -0f, 2, -3};

    private static double[] frequencies(SamplingOptions options, int draws) {
        Sampler sampler = new Sampler(options);
        double[] frequencies = new double[LOGITS.length];
        for (int position = 0; position < draws; position++) {
            frequencies[sampler.pick(LOGITS, LOGITS.length, position)] += 1.0 / draws;
        }
        return frequencies;
    }

    private static double[] softmax(double temperature, int... ids) {
        double sum = IntStream.of(ids).mapToDouble(id -> Math.exp(LOGITS[id] / temperature)).sum();
        double[] probabilities = new double[LOGITS.length];
        for (int id : ids) {
            probabilities[id] = Math.exp(LOGITS[id] / temperature) / sum;
        }
        return probabilities;
    }

    private static void assertClose(double[] expected, double[] actual) {
        for (int id = 0; id < expected.length; id++) {
            assertEquals(expected[id], actual[id], 0.01, "token " + id);
            assertTrue(expected[id] > 0 || actual[id] == 0, "token " + id + " is no candidate");
        }
    }

    @Test
    void greedyPicksTheFirstMaximum() {
        assertEquals(1, new Sampler(SamplingOptions.GREEDY).pick(LOGITS, LOGITS.length, 0));
        assertEquals(0, new Sampler(SamplingOptions.GREEDY).pick(new float[] {-7, 5}, 1, 0));
    }

    @Test
    void frequenciesFollowTheTemperedSoftmax() {
        int[] all = {0, 1, 2, 3, 4, 5};
        assertClose(softmax(1, all), frequencies(new SamplingOptions(1, 0, 1, 42), 40_000));
        assertClose(softmax(3, all), frequencies(new SamplingOptions(3, 0, 1, 42), 40_000));
    }

    @Test
    void topKKeepsTheMostProbableAndOfEqualOnesTheFirst() {
        assertClose(softmax(2, 1, 4, 2), frequencies(new SamplingOptions(2, 3, 1, 7), 40_000));
        assertClose(softmax(2, 1), frequencies(new SamplingOptions(2, 1, 1, 7), 1000));
    }

    @Test
    void topPKeepsTheTokenThatReachesTheBound() {
        // At temperature 1 the two best have 0.42 each.
        assertClose(softmax(1, 1), frequencies(new SamplingOptions(1, 0, 0.4, 7), 1000));
        assertClose(softmax(1, 1, 4), frequencies(new SamplingOptions(1, 0, 0.8, 7), 40_000));
        assertClose(softmax(1, 1, 4, 2), frequencies(new SamplingOptions(1, 0, 0.9, 7), 40_000));
    }

    @Test
    void picksAreAFunctionOfSeedAndPosition() {
        SamplingOptions options = new SamplingOptions(1, 0, 1, 5);
        int[] forward = IntStream.range(0, 200).map(i -> new Sampler(options).pick(LOGITS, 6, i)).toArray();
        Sampler other = new Sampler(options);
        for (int i = 199; i >= 0; i--) {
            assertEquals(forward[i], other.pick(LOGITS, 6, i));
        }
        Sampler reseeded = new Sampler(new SamplingOptions(1, 0, 1, 6));
        assertTrue(IntStream.range(0, 200).anyMatch(i -> reseeded.pick(LOGITS, 6, i) != forward[i]));
    }

    @Test
    void aTinyTemperatureIsGreedyAndDoesNotOverflow() {
        assertEquals(2, new Sampler(new SamplingOptions(1e-300, 0, 1, 1)).pick(new float[] {-1e38f, 0, 1e38f}, 3, 0));
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
    void aLogitThatIsNotFiniteIsAnErrorAndNeverAToken(float bad) {
        for (SamplingOptions options : List.of(SamplingOptions.GREEDY, new SamplingOptions(1, 2, 1, 0))) {
            var error = assertThrows(
                    ArithmeticException.class, () -> new Sampler(options).pick(new float[] {0, 3, bad}, 3, 17));
            assertEquals("the logit of token id 2 at position 17 is " + bad, error.getMessage());
            assertEquals(1, new Sampler(SamplingOptions.GREEDY).pick(new float[] {0, 3, bad}, 2, 17));
        }
    }

    @Test
    void optionsOutOfRangeAreRefused() {
        assertMessage("temperature must be finite and not negative, got -0.5", -0.5, 0, 1);
        assertMessage("temperature must be finite and not negative, got NaN", Double.NaN, 0, 1);
        assertMessage("temperature must be finite and not negative, got Infinity", Double.POSITIVE_INFINITY, 0, 1);
        assertMessage("top-k must not be negative, got -1", 1, -1, 1);
        assertMessage("top-p must be in (0, 1], got 0.0", 1, 0, 0);
        assertMessage("top-p must be in (0, 1], got NaN", 1, 0, Double.NaN);
    }

    private static void assertMessage(String message, double temperature, int topK, double topP) {
        var error = assertThrows(
                IllegalArgumentException.class, () -> new SamplingOptions(temperature, topK, topP, 0));
        assertEquals(message, error.getMessage());
    }
}
