package espalier.cli.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ThinningTest {
    private static long count(boolean[] kept) {
        return IntStream.range(0, kept.length).filter(i -> kept[i]).count();
    }

    @Test
    void aShortSeriesStaysWhole() {
        double[] y = new double[1000];
        y[4] = Double.NaN;
        boolean[] kept = Thinning.keep(y, false, 1000);
        assertFalse(kept[4]);
        assertEquals(999, count(kept));
    }

    @Test
    void extremesAndEndsStay() {
        Random random = new Random(5);
        for (int n : new int[] {1001, 1500, 99_999, 100_000}) {
            double[] y = random.doubles(n).toArray();
            int high = random.nextInt(n);
            int low = (high + n / 3) % n;
            y[high] = 7;
            y[low] = -7;
            boolean[] kept = Thinning.keep(y, false, 1000);
            assertTrue(kept[high] && kept[low] && kept[0] && kept[n - 1], "n " + n);
            long count = count(kept);
            assertTrue(count >= 500 && count <= 1002, n + ": " + count);
        }
    }

    @Test
    void everyBucketKeepsItsRange() {
        double[] y = new Random(6).doubles(10_000).toArray();
        boolean[] kept = Thinning.keep(y, false, 1000);
        for (int bucket = 0; bucket < 500; bucket++) {
            double[] all = Arrays.copyOfRange(y, 20 * bucket, 20 * bucket + 20);
            double[] rest = IntStream.range(20 * bucket, 20 * bucket + 20).filter(i -> kept[i])
                    .mapToDouble(i -> y[i]).toArray();
            assertEquals(Arrays.stream(all).summaryStatistics().getMax(), Arrays.stream(rest).max().getAsDouble());
            assertEquals(Arrays.stream(all).summaryStatistics().getMin(), Arrays.stream(rest).min().getAsDouble());
        }
    }

    @Test
    void whatCannotBeShownIsNotKept() {
        double[] y = new double[5000];
        Arrays.setAll(y, i -> switch (i % 4) {
            case 0 -> Double.NaN;
            case 1 -> Double.NEGATIVE_INFINITY;
            case 2 -> -i;
            default -> i;
        });
        boolean[] kept = Thinning.keep(y, true, 1000);
        assertTrue(IntStream.range(0, y.length).filter(i -> kept[i]).allMatch(i -> i % 4 == 3));
        assertEquals(0, count(Thinning.keep(new double[] {Double.NaN, Double.NaN}, false, 1000)));
        assertEquals(0, count(Thinning.keep(new double[0], false, 1000)));
    }

    @Test
    void aCloudIsThinnedEvenly() {
        double[] y = new double[1001];
        Arrays.setAll(y, i -> i == 500 ? 9 : i % 3);
        y[22] = Double.NaN;
        boolean[] kept = Thinning.keepEvenly(y, false, 100);
        for (int i = 0; i < y.length; i++) {
            assertEquals(i % 11 == 0 && i != 22, kept[i], "point " + i);
        }
        assertTrue(Thinning.keepEvenly(new double[] {1, 2}, true, 100)[1]);
    }
}
