package espalier.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import espalier.kernels.testing.ChildJvm;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
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

    /// Prints a hash of the bits that each case gives, which must be those of its first run.
    static final class Hashes {
        /// Tails of every lane width; rows for every kernel of few rows, and for panels of several heights. Small
        /// enough for the interpreter.
        private static final int[][] SIZES = {{3, 207}, {29, 75}};

        private Hashes() {}

        /// @param args how often each case is run
        public static void main(String[] args) {
            int runs = Integer.parseInt(args[0]);
            try (Ops vector = Backends.open(Backends.Choice.VECTOR, 2)) {
                for (OpCases.OpCase test : OpCases.all()) {
                    System.out.println(test + " " + hashes(test, runs, vector));
                }
            }
        }

        private static List<Integer> hashes(OpCases.OpCase test, int runs, Ops vector) {
            List<Integer> hashes = new ArrayList<>();
            for (int[] size : SIZES) {
                List<Long> first = Contract.bits(test, size[0], size[1], vector);
                for (int run = 1; run < runs; run++) {
                    if (!Contract.bits(test, size[0], size[1], vector).equals(first)) {
                        throw new AssertionError(test + " gives other bits in run " + run + " than in the first");
                    }
                }
                hashes.add(first.hashCode());
            }
            return hashes;
        }
    }

    /// One process interprets, the other compiles early and goes on until everything is compiled.
    @Test
    void compilationDoesNotChangeBits() throws Exception {
        try (ExecutorService processes = Executors.newVirtualThreadPerTaskExecutor()) {
            List<String> early = List.of("-Xbatch", "-XX:CompileThresholdScaling=0.02");
            Future<String> interpreted = processes.submit(
                    () -> ChildJvm.run(List.of(), List.of("-Xint"), Hashes.class, "1"));
            Future<String> compiled = processes.submit(() -> ChildJvm.run(List.of(), early, Hashes.class, "30"));
            assertEquals(OpCases.all().size(), interpreted.get().lines().count());
            assertEquals(interpreted.get(), compiled.get());
        }
    }
}
