package espalier.engine.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class BatchOrderTest {
    @Test
    void everyEpochGoesOnceThroughAll() {
        BatchOrder order = new BatchOrder(10, 4, 42);
        assertEquals(3, order.stepsPerEpoch());
        for (int epoch = 0; epoch < 3; epoch++) {
            int first = 3 * epoch;
            assertEquals(2, order.rows(first + 2).length);
            int[] all = IntStream.range(first, first + 3).flatMap(step -> Arrays.stream(order.rows(step))).toArray();
            assertArrayEquals(IntStream.range(0, 10).toArray(), Arrays.stream(all).sorted().toArray());
        }
        assertFalse(Arrays.equals(order.rows(0), order.rows(3)), "epochs have orders of their own");
    }

    @Test
    void isAFunctionOfSeedAndStep() {
        BatchOrder order = new BatchOrder(100, 7, 1);
        int[] late = order.rows(40);
        order.rows(3);
        assertArrayEquals(late, order.rows(40));
        assertArrayEquals(late, new BatchOrder(100, 7, 1).rows(40));
        assertFalse(Arrays.equals(late, new BatchOrder(100, 7, 2).rows(40)));
    }
}
