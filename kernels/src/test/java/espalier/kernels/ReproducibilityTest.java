package espalier.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Bits depend on the shapes and the lane width and nothing else.
class ReproducibilityTest {
    /// Large enough that threads share the work.
    private static final int[][] SIZES = {{35, 1024}, {210, 300}, {3, 207}};

    static List<OpCases.OpCase> cases() {
        return OpCases.all();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void threadsDoNotChangeBits(OpCases.OpCase test) {
        try (Ops one = Backends.open(Backends.Choice.VECTOR, 1); Ops two = Backends.open(Backends.Choice.VECTOR, 2);
                Ops five = Backends.open(Backends.Choice.VECTOR, 5)) {
            for (int[] size : SIZES) {
                List<Long> expected = Contract.bits(test, size[0], size[1], one);
                assertEquals(expected, Contract.bits(test, size[0], size[1], two));
                assertEquals(expected, Contract.bits(test, size[0], size[1], five));
            }
        }
    }

    /// One process interprets, the other compiles early and goes on until everything is compiled.
    @Test
    void compilationDoesNotChangeBits() throws Exception {
        List<String> cold = ChildJvm.run(List.of("-Xint"), List.of("bits", "1"));
        List<String> hot = ChildJvm.run(
                List.of("-Xbatch", "-XX:CompileThresholdScaling=0.02"), List.of("bits", "60"));
        assertEquals(OpCases.all().size(), cold.size());
        assertEquals(cold, hot);
    }
}
