package espalier.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;

class VectorMathTest {
    private static float[] exp(float... x) {
        int padded = Math.ceilDiv(x.length, Lanes.COUNT) * Lanes.COUNT;
        float[] y = Arrays.copyOf(x, padded);
        for (int i = 0; i < padded; i += Lanes.COUNT) {
            VectorMath.exp(FloatVector.fromArray(Lanes.F32, y, i)).intoArray(y, i);
        }
        return Arrays.copyOf(y, x.length);
    }

    @Test
    void errorIsBelowOneUnitInTheLastPlace() {
        int count = 1 << 20;
        double worst = 0;
        for (int block = 0; block < count; block += 1 << 12) {
            float[] x = new float[1 << 12];
            for (int i = 0; i < x.length; i++) {
                x[i] = -87 + (block + i) * (175.7f / count);
            }
            float[] y = exp(x);
            for (int i = 0; i < x.length; i++) {
                double expected = StrictMath.exp(x[i]);
                double error = Math.abs(y[i] - expected) / Math.ulp((float) expected);
                assertTrue(error <= 1.0, "exp(" + x[i] + ") is " + y[i] + ", " + error + " units off");
                worst = Math.max(worst, error);
            }
        }
        assertTrue(worst > 0.4, "a correctly rounded result shows that this test does not reach the function");
    }

    @Test
    void withoutThePositiveSide() {
        float[] x = new float[1 << 20];
        for (int i = 0; i < x.length; i++) {
            x[i] = -100 + i * (101f / x.length);
        }
        float[] y = new float[x.length];
        for (int i = 0; i < x.length; i += Lanes.COUNT) {
            VectorMath.expUpTo0(FloatVector.fromArray(Lanes.F32, x, i)).intoArray(y, i);
        }
        for (int i = 0; i < x.length; i++) {
            float full = exp(x[i])[0];
            float expected = full < Float.MIN_NORMAL ? 0 : full;
            assertEquals(expected, y[i], "exp(" + x[i] + ")");
        }
        float[] special = new float[Lanes.COUNT];
        special[0] = Float.NEGATIVE_INFINITY;
        special[1] = Float.NaN;
        VectorMath.expUpTo0(FloatVector.fromArray(Lanes.F32, special, 0)).intoArray(special, 0);
        assertEquals(0, Float.floatToRawIntBits(special[0]), "+0 exactly");
        assertTrue(Float.isNaN(special[1]), "NaN stays");
        assertEquals(1, special[2]);
    }

    @Test
    void subnormalResults() {
        float[] x = new float[1700];
        for (int i = 0; i < x.length; i++) {
            x[i] = -103.9f + i * 0.01f;
        }
        float[] y = exp(x);
        for (int i = 0; i < x.length; i++) {
            double expected = StrictMath.exp(x[i]);
            assertTrue(Math.abs(y[i] - expected) <= 1.5 * Math.ulp((float) expected), "exp(" + x[i] + ") is " + y[i]);
        }
    }

    @Test
    void specialValues() {
        float inf = Float.POSITIVE_INFINITY;
        float max = Float.MAX_VALUE;
        float[] y = exp(-inf, inf, Float.NaN, 0f, -0f, -max, max, -104f, 89f, 88.72f, -1e10f, Float.MIN_VALUE);
        assertArrayEquals(
                new float[] {0, inf, Float.NaN, 1, 1, 0, inf, 0, inf, (float) StrictMath.exp(88.72f), 0, 1}, y);
        assertEquals(0, Float.floatToRawIntBits(y[0]), "+0 exactly");
    }
}
