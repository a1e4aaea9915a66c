package espalier.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import espalier.kernels.Backends;
import espalier.kernels.Contract;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.testing.ChildJvm;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The contract and the kernels under it at the lane widths that are not this machine's, each in a process of its own:
/// a process has one width. The machine's own is what every other test runs at.
class LaneWidthTest {
    /// Runs the checks of the other test classes; a failed one ends the process with a stack trace.
    static final class Checks {
        private Checks() {}

        /// @param args the lane bits that the process should have
        public static void main(String[] args) {
            assertEquals(args[0], Integer.toString(Lanes.F32.vectorBitSize()));
            kernels();
            try (Ops scalar = Backends.open(Backends.Choice.SCALAR, 1);
                    Ops vector = Backends.open(Backends.Choice.VECTOR, 2)) {
                assertEquals(args[0], Integer.toString(vector.laneBits()));
                System.out.println(Contract.compareAll(scalar, vector) + " comparisons");
            }
        }

        private static void kernels() {
            GemmTest gemm = new GemmTest();
            gemm.open();
            for (Gemm.Form form : GemmTest.PLAIN) {
                gemm.allTermCounts(form);
            }
            gemm.longSums(769);
            gemm.emptyProducts();
            gemm.localProductsHaveTheSameBits();
            for (DType type : DType.values()) {
                gemm.packedOnceGivesTheSameBits(type);
            }
            gemm.close();
            GemvTest gemv = new GemvTest();
            gemv.open();
            for (DType type : DType.values()) {
                gemv.allShapes(type);
            }
            gemv.close();
            AttentionTest attention = new AttentionTest();
            attention.open();
            attention.forwardOverPages(7);
            attention.backwardOfPackedSequences();
            attention.close();
            VectorMathTest math = new VectorMathTest();
            math.specialValues();
            math.subnormalResults();
            math.withoutThePositiveSide();
        }
    }

    private static String run(String bits) throws Exception {
        return ChildJvm.run(List.of(), List.of("-D" + Lanes.PROPERTY + "=" + bits), Checks.class, bits);
    }

    @ParameterizedTest
    @ValueSource(ints = {128, 256, 512})
    void vectorMatchesScalarAtWidth(int bits) throws Exception {
        int machine = FloatVector.SPECIES_PREFERRED.vectorBitSize();
        // Wider than the machine, every operation is emulated: minutes for what takes a second.
        assumeTrue(bits < machine, "NOT RUN HERE: %d-bit lanes on a machine with %d".formatted(bits, machine));
        assertEquals(Contract.comparisons() + " comparisons\n", run(Integer.toString(bits)));
    }

    @Test
    void anotherWidthIsRefused() {
        AssertionError refused = assertThrows(AssertionError.class, () -> run("100"));
        String message = "espalier.laneBits must be 128, 256 or 512, got 100";
        assertTrue(refused.getMessage().contains(message), refused::getMessage);
    }
}
