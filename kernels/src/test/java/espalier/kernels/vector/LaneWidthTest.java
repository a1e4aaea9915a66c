package espalier.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import espalier.kernels.DType;
import java.io.IOException;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Kernels at the widths that are not this machine's, each in a process of its own.
class LaneWidthTest {
    /// Runs the checks of the other test classes; a failed one ends the process with a stack trace.
    static final class Checks {
        private Checks() {}

        /// @param args the lane bits that the process should have
        public static void main(String[] args) {
            assertEquals(args[0], Integer.toString(Lanes.F32.vectorBitSize()));
            GemmTest gemm = new GemmTest();
            gemm.open();
            for (Gemm.Form form : Gemm.Form.values()) {
                gemm.allTermCounts(form);
            }
            gemm.longSums(769);
            gemm.emptyProducts();
            gemm.localProductsHaveTheSameBits();
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
            System.out.println("checked");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"128", "256", "512"})
    void kernelsAreRightAtEveryWidth(String bits) throws IOException, InterruptedException {
        // Wider than the machine, every operation is emulated: minutes for what takes a second.
        assumeTrue(Integer.parseInt(bits) <= FloatVector.SPECIES_PREFERRED.vectorBitSize());
        String output = ChildProcess.run(Checks.class, bits, "-D" + Lanes.PROPERTY + "=" + bits);
        assertEquals("checked\n", output);
    }

    @Test
    void anotherWidthIsRefused() throws IOException, InterruptedException {
        String output = ChildProcess.run(Checks.class, "100", "-D" + Lanes.PROPERTY + "=100");
        assertTrue(output.contains("espalier.laneBits must be 128, 256 or 512, got 100"), output);
    }
}
