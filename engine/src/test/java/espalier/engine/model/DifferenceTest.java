package espalier.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/// How proofs compare: what must not be lost is a NaN, and a small row beside a large one.
class DifferenceTest {
    private static final float[] NUMBERS = {3, 4, 0, 0, 300, 400};

    @Test
    void isRelativeToTheSecond() {
        assertEquals(0.5, Difference.relative(new float[] {3, 6.5f}, new float[] {3, 4}), 1e-15);
        assertEquals(Math.sqrt(2.5 * 2.5 / (9 + 6.5 * 6.5)),
                Difference.relative(new float[] {3, 4}, new float[] {3, 6.5f}), 1e-15);
        assertEquals(0, Difference.relative(NUMBERS, NUMBERS.clone()));
    }

    @Test
    void theLargestRowCounts() {
        float[] b = {300, 400, 3, 4};
        float[] a = {300, 400, 3, 6.5f};
        assertEquals(0.5, Difference.largestOfRows(a, b, 2), 1e-15);
        assertEquals(Math.sqrt(6.25 / 250_025), Difference.relative(a, b), 1e-15);
    }

    @Test
    void columnsAreAveragedInTheSquare() {
        float[] b = {3, 300, 4, 400};
        float[] a = {3, 300, 6.5f, 400};
        assertEquals(Math.sqrt(0.25 / 2), Difference.meanOfColumns(a, b, 2), 1e-15);
    }

    @Test
    void equalZerosDifferByNothingAndOthersFromZerosByInfinity() {
        float[] zeros = new float[4];
        assertEquals(0, Difference.relative(zeros, zeros.clone()));
        assertEquals(0, Difference.largestOfRows(zeros, zeros.clone(), 2));
        assertEquals(0, Difference.meanOfColumns(zeros, zeros.clone(), 2));
        float[] other = {0, 0, 0, 1e-30f};
        assertEquals(Double.POSITIVE_INFINITY, Difference.relative(other, zeros));
        assertEquals(Double.POSITIVE_INFINITY, Difference.largestOfRows(other, zeros, 2));
        assertEquals(Double.POSITIVE_INFINITY, Difference.meanOfColumns(other, zeros, 2));
        assertEquals(0, Difference.relative(new float[0], new float[0]));
    }

    @Test
    void whatIsNotFiniteIsKeptWhereverItStands() {
        for (float odd : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            for (int i = 0; i < NUMBERS.length; i++) {
                float[] odds = NUMBERS.clone();
                odds[i] = odd;
                assertFails(odds, NUMBERS);
                assertFails(NUMBERS, odds);
                assertFails(odds, odds.clone());
            }
        }
    }

    @Test
    void onlyAnInfinityInTheFirstAloneGivesInfinity() {
        float[] infinite = {3, Float.POSITIVE_INFINITY};
        float[] finite = {3, 4};
        assertEquals(Double.POSITIVE_INFINITY, Difference.relative(infinite, finite));
        assertEquals(Double.POSITIVE_INFINITY, Difference.meanOfColumns(infinite, finite, 2));
        for (float[] a : new float[][] {finite, infinite}) {
            assertEquals(Double.NaN, Difference.relative(a, infinite));
            assertEquals(Double.NaN, Difference.meanOfColumns(a, infinite, 2));
        }
    }

    private static void assertFails(float[] a, float[] b) {
        assertTrue(!(Difference.relative(a, b) <= 1e30));
        assertTrue(!(Difference.largestOfRows(a, b, 2) <= 1e30));
        assertTrue(!(Difference.meanOfColumns(a, b, 2) <= 1e30));
    }

    @Test
    void otherSizesAreNotCompared() {
        var e = assertThrows(IllegalArgumentException.class,
                () -> Difference.relative(new float[2], new float[3]));
        assertEquals("2 and 3 numbers cannot be compared in rows of 3", e.getMessage());
        e = assertThrows(IllegalArgumentException.class,
                () -> Difference.largestOfRows(new float[3], new float[3], 2));
        assertEquals("3 and 3 numbers cannot be compared in rows of 2", e.getMessage());
        e = assertThrows(IllegalArgumentException.class,
                () -> Difference.meanOfColumns(new float[3], new float[3], 0));
        assertEquals("3 and 3 numbers cannot be compared in rows of 0", e.getMessage());
    }

    @Test
    void theFirstNaNIsTheLargest() {
        LargestDifference largest = new LargestDifference();
        assertEquals(0, largest.value());
        assertEquals("nowhere", largest.where());
        largest.add("first", 0.1);
        largest.add("second", 0.3);
        largest.add("third", 0.2);
        assertEquals(0.3, largest.value());
        assertEquals("second", largest.where());
        largest.add("fourth", Double.NaN);
        largest.add("fifth", 0.4);
        largest.add("sixth", Double.NaN);
        largest.add("seventh", Double.POSITIVE_INFINITY);
        assertEquals(Double.NaN, largest.value());
        assertEquals("fourth", largest.where());
    }
}
