package espalier.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The contract at every lane width, each in a process of its own: a process has one width.
class LaneWidthTest {
    @ParameterizedTest
    @ValueSource(ints = {128, 256, 512})
    void vectorMatchesScalarAtWidth(int bits) throws Exception {
        int machine = FloatVector.SPECIES_PREFERRED.vectorBitSize();
        assumeTrue(bits <= machine, "NOT RUN: %d-bit lanes on a machine with %d".formatted(bits, machine));
        List<String> lines = ChildJvm.run(List.of("-Despalier.laneBits=" + bits), List.of("compare"));
        int comparisons = OpCases.all().size() * OpCases.SIZES.length;
        assertEquals(List.of(comparisons + " comparisons at " + bits + " bits"), lines);
    }
}
