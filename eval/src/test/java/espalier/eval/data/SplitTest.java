package espalier.eval.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SplitTest {
    @Test
    void eachRowIsOnOneSide() {
        Split split = Split.of(1000, 137, 42);
        assertEquals(137, split.validation().length);
        assertArrayEquals(split.validation(), Arrays.stream(split.validation()).sorted().toArray());
        assertArrayEquals(split.training(), Arrays.stream(split.training()).sorted().toArray());
        int[] all = IntStream.concat(Arrays.stream(split.training()), Arrays.stream(split.validation()))
                .sorted()
                .toArray();
        assertArrayEquals(IntStream.range(0, 1000).toArray(), all);
    }

    @Test
    void theRowsHeldOutAreAFunctionOfTheSeed() {
        assertArrayEquals(Split.of(1000, 10, 42).validation(), Split.of(1000, 10, 42).validation());
        assertFalse(Arrays.equals(Split.of(1000, 10, 42).validation(), Split.of(1000, 10, 43).validation()));
        // A Python transcription of Philox and of the shuffle drew these: runs that are resumed rely on them.
        int[] drawn = {50, 109, 226, 511, 650, 665, 688, 699, 795, 927};
        assertArrayEquals(drawn, Split.of(1000, 10, 42).validation());
    }

    @Test
    void everyRowIsHeldOutAsOftenAsAnother() {
        int[] count = new int[5];
        for (int seed = 0; seed < 5000; seed++) {
            Arrays.stream(Split.of(5, 2, seed).validation()).forEach(row -> count[row]++);
        }
        for (int held : count) {
            assertEquals(2000, held, 150, "4 standard deviations of a binomial are 139");
        }
    }

    @Test
    void nothingIsHeldOutIfNothingIsAskedFor() {
        Split split = Split.of(3, 0, 42);
        assertArrayEquals(new int[] {0, 1, 2}, split.training());
        assertEquals(0, split.validation().length);
    }

    @Test
    void oneRowAtLeastIsLeftToTrainOn() {
        assertEquals(1, Split.of(5, 4, 42).training().length);
        assertRefused("holding out 5 of 5 rows leaves none to train on, expected at most 4", 5, 5);
        assertRefused("holding out 0 of 0 rows leaves none to train on, expected at most 0", 0, 0);
        assertRefused("validation rows must not be negative, got -1", 5, -1);
    }

    private static void assertRefused(String message, int rows, int validation) {
        assertEquals(
                message,
                assertThrows(IllegalArgumentException.class, () -> Split.of(rows, validation, 1)).getMessage());
    }
}
