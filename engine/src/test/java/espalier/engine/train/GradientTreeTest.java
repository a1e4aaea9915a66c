package espalier.engine.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import espalier.engine.model.Parameter;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GradientTreeTest {
    private static final int LENGTH = 37;

    private final Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
    private final Workspace memory = ops.newWorkspace();
    private final Parameter parameter =
            new Parameter("p", memory.takeZeros(1, LENGTH), memory.takeZeros(1, LENGTH));

    @AfterEach
    void close() {
        memory.close();
        ops.close();
    }

    private static float[] gradient(int index) {
        Philox random = new Philox(7, index);
        float[] values = new float[LENGTH];
        for (int i = 0; i < LENGTH; i++) {
            values[i] = (float) (random.gaussian(i) * Math.pow(10, index % 5));
        }
        return values;
    }

    /// The documented tree, written as its definition.
    private static float[] expected(int level, int position, int count) {
        if (level == 0) {
            return gradient(position);
        }
        float[] left = expected(level - 1, 2 * position, count);
        if ((2L * position + 1) << (level - 1) < count) {
            float[] right = expected(level - 1, 2 * position + 1, count);
            for (int i = 0; i < LENGTH; i++) {
                left[i] += right[i];
            }
        }
        return left;
    }

    private GradientTree tree() {
        return new GradientTree(List.of(parameter), ops);
    }

    private void take(GradientTree tree, int index) {
        ops.fromHost(gradient(index), parameter.gradient());
        tree.take(index);
        assertArrayEquals(new float[LENGTH], host(parameter.gradient()));
    }

    private float[] host(Tensor tensor) {
        float[] host = new float[LENGTH];
        ops.toHost(tensor, host);
        return host;
    }

    private float[] finished(GradientTree tree, int count) {
        tree.finish(count);
        return host(parameter.gradient());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 7, 8, 11, 16, 21})
    void addsInTheDocumentedOrder(int count) {
        int levels = 0;
        while (1 << levels < count) {
            levels++;
        }
        float[] expected = expected(levels, 0, count);
        try (GradientTree tree = tree()) {
            for (int i = 0; i < count; i++) {
                take(tree, i);
            }
            assertArrayEquals(expected, finished(tree, count));
            // Used again, and from the last to the first.
            for (int i = count - 1; i >= 0; i--) {
                take(tree, i);
            }
            assertArrayEquals(expected, finished(tree, count));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4})
    void ranksGiveTheSameBits(int ranks) {
        int count = 13;
        float[] plain = new float[LENGTH];
        for (int i = 0; i < count; i++) {
            float[] gradient = gradient(i);
            for (int j = 0; j < LENGTH; j++) {
                plain[j] += gradient[j];
            }
        }
        float[] expected = expected(4, 0, count);
        assertFalse(Arrays.equals(plain, expected), "the order must matter for this data, or the test proves nothing");
        List<GradientTree> trees = new ArrayList<>();
        for (int rank = 0; rank < ranks; rank++) {
            GradientTree tree = tree();
            for (int i = rank * count / ranks; i < (rank + 1) * count / ranks; i++) {
                take(tree, i);
            }
            trees.add(tree);
        }
        for (int rank = ranks - 1; rank > 0; rank--) {
            trees.getFirst().merge(trees.get(rank));
        }
        assertArrayEquals(expected, finished(trees.getFirst(), count));
        trees.forEach(GradientTree::close);
    }

    @Test
    void saysWhatIsMissingOrTwice() {
        try (GradientTree tree = tree()) {
            take(tree, 0);
            take(tree, 2);
            assertEquals(
                    "the gradients of micro-batch 1 of 3 are missing",
                    assertThrows(IllegalStateException.class, () -> tree.finish(3)).getMessage());
            tree.clear();
            take(tree, 1);
            assertThrows(IllegalArgumentException.class, () -> tree.take(1));
        }
    }
}
