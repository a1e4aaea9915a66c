package espalier.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Saliences by hand: w = (2, -3; 1, -0.5), g = (-1, 2; 4, 8), a = (0.5, 1; 2, 4).
class SalienceTest {
    @ParameterizedTest
    @CsvSource({
        "VECTOR, -2, -6, 4, -4",
        "FIRST_ORDER, 2, 6, 4, 4",
        "SECOND_ORDER, 2, 9, 2, 1",
        "MIXED, 3, 10.5, 3, 4.5",
        "L1, 2, 3, 1, 0.5",
        "L2, 4, 9, 1, 0.25"
    })
    void sumsOverRowsAndColumns(Salience salience, double v00, double v01, double v10, double v11) {
        for (Backends.Choice choice : Backends.Choice.values()) {
            try (Ops ops = Backends.open(choice, 1); Workspace memory = ops.newWorkspace();
                    Arena arena = Arena.ofShared()) {
                var data = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 9, 9, 2, -3, 1, -0.5f);
                Weight w = ops.prepare(new StoredMatrix("w", DType.F32, 3, 2, data));
                Tensor g = memory.take(2, 2);
                Tensor a = memory.take(2, 2);
                ops.fromHost(new float[] {-1, 2, 4, 8}, g);
                ops.fromHost(new float[] {0.5f, 1, 2, 4}, a);
                double[] rows = {100, 200};
                double[] cols = {300, 400};
                ops.reduceSalience(rows, cols, salience, w, 1, 2, g, a);
                assertArrayEquals(new double[] {100 + v00 + v01, 200 + v10 + v11}, rows);
                assertArrayEquals(new double[] {300 + v00 + v10, 400 + v01 + v11}, cols);
            }
        }
    }
}
