package espalier.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Which elements are dropped, by definition, by number and by backend.
class DropoutTest {
    private static final Dropout KEY = new Dropout(0.3, 0x0123456789ABCDEFL, 7, 5, 6);

    /// `y = dropout(ones)`, `[rows, n]`, of the sequence `batchRow` from `position` on.
    private static float[] ones(Ops ops, Dropout key, int rows, int n, int batchRow, int position) {
        try (Workspace memory = ops.newWorkspace()) {
            Tensor x = memory.take(rows, n);
            Tensor y = memory.take(rows, n);
            ops.fill(x, 1);
            int[] batchRows = new int[rows];
            int[] positions = new int[rows];
            Arrays.fill(batchRows, batchRow);
            Arrays.setAll(positions, t -> position + t);
            ops.dropout(y, x, key, batchRows, positions, false);
            float[] values = new float[rows * n];
            ops.toHost(y, values);
            return values;
        }
    }

    /// The layout that the Javadoc of [Dropout] promises, written out with numbers.
    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void maskIsPhiloxOfTheCoordinates(Backends.Choice choice) {
        int n = 300;
        int batchRow = 0xABCDE;
        int position = 0x12345678;
        float scale = (float) (65536.0 / (65536 - 19661));
        float[] expected = new float[n];
        for (int column = 0; column < n; column++) {
            int[] words = {6 << 24 | column / 128 * 16 + column % 16, position, 5 << 20 | batchRow, 7};
            Philox.block(words, 0x89ABCDEF ^ 0x6F757420, 0x01234567 ^ 0x64726F70);
            int piece = column / 16 % 8;
            int draw = piece < 4 ? words[piece] & 0xFFFF : words[piece - 4] >>> 16;
            expected[column] = draw < 19661 ? 0 : scale;
        }
        try (Ops ops = Backends.open(choice, 1)) {
            assertArrayEquals(expected, ones(ops, KEY, 1, n, batchRow, position));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 8, 9, 13, 64, 207, 576, 1536, 4099, 9001})
    void backendsAndThreadsAgreeBitForBit(int n) {
        OpCases.all().stream().filter(test -> test.name().startsWith("dropout")).forEach(test -> {
            try (Ops scalar = Backends.open(Backends.Choice.SCALAR, 1);
                    Ops one = Backends.open(Backends.Choice.VECTOR, 1);
                    Ops two = Backends.open(Backends.Choice.VECTOR, 2)) {
                List<Long> expected = Contract.bits(test, 67, n, scalar);
                assertEquals(67 * n, expected.size());
                assertEquals(expected, Contract.bits(test, 67, n, one));
                assertEquals(expected, Contract.bits(test, 67, n, two));
            }
        });
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 1e-6, 0.001, 0.05, 0.1, 0.5, 0.9, 65535.0 / 65536})
    void rateIsTheProbability(double probability) {
        int rows = 2000;
        int n = 577;
        Dropout key = new Dropout(probability, 3, 4, 1, 2);
        double p = Math.round(probability * 65536) / 65536.0;
        float scale = (float) (1 / (1 - p));
        double draws = (double) rows * n;
        int dropped = 0;
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 2)) {
            for (float value : ones(ops, key, rows, n, 9, 0)) {
                assertTrue(value == 0 || value == scale, () -> "1 became " + value);
                dropped += value == 0 ? 1 : 0;
            }
        }
        assertEquals(draws * p, dropped, 5 * Math.sqrt(draws * p * (1 - p)));
    }

    /// Masks that differ in one coordinate agree as often as independent ones do.
    @Test
    void everyCoordinateMatters() {
        int rows = 40;
        int n = 700;
        Dropout half = new Dropout(0.5, 1, 2, 3, 4);
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 1)) {
            float[] mask = ones(ops, half, rows, n, 5, 6);
            assertArrayEquals(mask, ones(ops, half, rows, n, 5, 6));
            List<float[]> others = List.of(
                    ones(ops, new Dropout(0.5, 1L << 32 | 1, 2, 3, 4), rows, n, 5, 6),
                    ones(ops, new Dropout(0.5, 0, 2, 3, 4), rows, n, 5, 6),
                    ones(ops, new Dropout(0.5, 1, 3, 3, 4), rows, n, 5, 6),
                    ones(ops, new Dropout(0.5, 1, 2, 4, 4), rows, n, 5, 6),
                    ones(ops, new Dropout(0.5, 1, 2, 3, 5), rows, n, 5, 6),
                    ones(ops, half, rows, n, 6, 6),
                    ones(ops, half, rows, n, 5, 7));
            double draws = rows * n;
            for (float[] other : others) {
                int same = 0;
                for (int i = 0; i < mask.length; i++) {
                    same += mask[i] == other[i] ? 1 : 0;
                }
                assertEquals(draws / 2, same, 5 * Math.sqrt(draws / 4));
            }
        }
    }

    /// The largest value of each coordinate, and neighbours that a field too narrow would confuse, have counters of
    /// their own.
    @Test
    void countersDoNotCollide() {
        Set<List<Integer>> counters = new HashSet<>();
        int combinations = 0;
        for (int block : new int[] {0, 1, (1 << 24) - 1}) {
            for (int site : new int[] {0, 1, 255}) {
                for (int layer : new int[] {0, 1, 4095}) {
                    for (int batchRow : new int[] {0, 1, (1 << 20) - 1}) {
                        for (int position : new int[] {0, 1, Integer.MAX_VALUE}) {
                            for (long step : new long[] {0, 1, 0xFFFFFFFFL}) {
                                Dropout key = new Dropout(0.5, 1, step, layer, site);
                                counters.add(List.of(key.counter0(block), key.counter1(position),
                                        key.counter2(batchRow), key.counter3()));
                                combinations++;
                            }
                        }
                    }
                }
            }
        }
        assertEquals(combinations, counters.size());
    }

    /// A dropped element counts as 0, whatever it is; probability 0 changes nothing; `y` may be `x`.
    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void droppedElementsAreZeroAndKeptOnesExact(Backends.Choice choice) {
        int n = 203;
        try (Ops ops = Backends.open(choice, 1); Scene s = new Scene(ops, 3)) {
            float[] values = s.randomHost(n);
            values[0] = Float.NaN;
            values[1] = Float.NEGATIVE_INFINITY;
            values[2] = -0f;
            Tensor x = s.tensor(1, n, values);
            int[] row = {1};
            int[] position = {2};
            ops.dropout(x, x, new Dropout(0, 1, 2, 3, 4), row, position, false);
            assertArrayEquals(values, s.host(x));
            Dropout key = new Dropout(0.5, 1, 2, 3, 4);
            float[] expected = new float[n];
            for (int c = 0; c < n; c++) {
                expected[c] = key.keeps(1, 2, c) ? values[c] * 2 : 0;
            }
            ops.dropout(x, x, key, row, position, false);
            assertArrayEquals(expected, s.host(x));
            s.checkGuards();
        }
    }
}
