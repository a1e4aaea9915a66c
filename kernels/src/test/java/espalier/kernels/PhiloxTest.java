package espalier.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class PhiloxTest {
    /// Known answers of Random123's `kat_vectors` (philox4x32, 10 rounds).
    @Test
    void knownAnswers() {
        assertBlock(new int[4], 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
        assertBlock(new int[] {-1, -1, -1, -1}, -1, -1, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
        assertBlock(
                new int[] {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0xa4093822, 0x299f31d0,
                0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
    }

    private static void assertBlock(int[] counter, int key0, int key1, int... expected) {
        Philox.block(counter, key0, key1);
        assertArrayEquals(expected, counter);
    }

    @Test
    void seedStreamAndIndexFillTheBlock() {
        Philox random = new Philox(0x299f31d0_a4093822L, 0x03707344_13198a2eL);
        assertEquals(0x94fdcceb_d16cfe09L, random.bits(0x85a308d3_243f6a88L));
    }

    @Test
    void uniformsLieInTheHalfOpenUnitInterval() {
        Philox random = new Philox(7, 1);
        double sum = 0;
        double squares = 0;
        int n = 100_000;
        for (int i = 0; i < n; i++) {
            double u = random.uniform(i);
            float f = random.uniformFloat(i);
            assertTrue(u >= 0 && u < 1 && f >= 0 && f < 1, u + " " + f);
            sum += u;
            squares += u * u;
        }
        assertEquals(0.5, sum / n, 0.004);
        assertEquals(1.0 / 3, squares / n, 0.004);
    }

    @Test
    void gaussiansHaveTheRightMoments() {
        Philox random = new Philox(8, 2);
        double[] moments = new double[5];
        int n = 200_000;
        for (int i = 0; i < n; i++) {
            double g = random.gaussian(i);
            for (int m = 1; m <= 4; m++) {
                moments[m] += Math.pow(g, m) / n;
            }
        }
        assertEquals(0, moments[1], 0.01);
        assertEquals(1, moments[2], 0.02);
        assertEquals(0, moments[3], 0.04);
        assertEquals(3, moments[4], 0.12);
    }

    @Test
    void integersAreUniformBelowABoundThatRejectsOften() {
        Philox random = new Philox(9, 3);
        int bound = (1 << 30) + (1 << 29);
        int[] thirds = new int[3];
        int n = 90_000;
        for (int i = 0; i < n; i++) {
            int value = random.below(i, bound);
            assertTrue(value >= 0 && value < bound);
            thirds[value / (1 << 29)]++;
        }
        for (int count : thirds) {
            // Multiplying without rejection would give 1/3 too, modulo without rejection 3/8 to the first two thirds.
            assertEquals(n / 3.0, count, 5 * Math.sqrt(n / 3.0));
        }
        int[] dice = new int[6];
        for (int i = 0; i < 60_000; i++) {
            dice[random.below(i, 6)]++;
        }
        for (int count : dice) {
            assertEquals(10_000, count, 500);
        }
        assertEquals(0, random.below(5, 1));
    }

    @Test
    void drawsDependOnSeedStreamAndIndexAlone() {
        Philox random = new Philox(1, 2);
        long draw = random.bits(3);
        random.bits(4);
        assertEquals(draw, new Philox(1, 2).bits(3));
        assertNotEquals(draw, new Philox(2, 2).bits(3));
        assertNotEquals(draw, new Philox(1, 3).bits(3));
        assertNotEquals(draw, random.bits(4));
    }

    @Test
    void refusesABoundThatIsNotPositive() {
        var error = assertThrows(IllegalArgumentException.class, () -> new Philox(1, 2).below(0, 0));
        assertEquals("bound must be positive, got 0", error.getMessage());
    }
}
