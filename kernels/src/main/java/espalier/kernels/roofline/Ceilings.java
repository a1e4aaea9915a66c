package espalier.kernels.roofline;

import espalier.kernels.Check;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Measures the two ceilings, with loops whose results are checked.
final class Ceilings {
    private static final int WARM_UP_ROUNDS = 4;
    private static final int ROUNDS = 5;
    /// Below this the loops may not be compiled yet.
    private static final double FIRST_WARM_UP_SECONDS = 0.5;
    private static final int CHAIN_STEPS = 1 << 15;

    private final MemorySegment memory;
    private final long[] expected;
    private final double roundSeconds;
    private boolean isWarm;

    /// @param memory streamed from; larger than the caches
    /// @param mostThreads its parts are checked for this many threads and for one
    /// @param roundSeconds about how long a round takes
    Ceilings(MemorySegment memory, int mostThreads, double roundSeconds) {
        this.memory = memory;
        this.roundSeconds = roundSeconds;
        expected = new long[Check.positive("threads", mostThreads)];
        for (int part = 0; part < mostThreads; part++) {
            expected[part] = plainFold(from(part, mostThreads), from(part + 1, mostThreads));
        }
    }

    private long from(int part, int parts) {
        return memory.byteSize() / StreamLoop.STEP * part / parts * StreamLoop.STEP;
    }

    private long plainFold(long from, long to) {
        int fold = 0;
        for (long at = from; at < to; at += Integer.BYTES) {
            fold ^= memory.get(ValueLayout.JAVA_INT_UNALIGNED, at);
        }
        return fold;
    }

    /// @param threads 1, or as many as this was made for
    /// @return the best of several rounds
    Roof measure(int threads) {
        try (Team team = new Team(threads)) {
            double flops = best(team, CHAIN_STEPS * FmaLoop.FLOPS_PER_STEP * threads, calls -> _ -> {
                for (long i = 0; i < calls; i++) {
                    FmaLoop.check(FmaLoop.run(CHAIN_STEPS));
                }
            });
            double bytes = best(team, from(threads, threads), calls -> part -> {
                long start = memory.address() + from(part, threads);
                long end = memory.address() + from(part + 1, threads);
                for (long i = 0; i < calls; i++) {
                    check(part, threads, StreamLoop.run(start, end));
                }
            });
            isWarm = true;
            return new Roof(threads, 1e-9 * flops, 1e-9 * bytes);
        }
    }

    private void check(int part, int parts, int actual) {
        long wanted = parts == expected.length ? expected[part] : whole();
        if (actual != (int) wanted) {
            throw new ArithmeticException("memory was read as %08x, expected %08x".formatted(actual, (int) wanted));
        }
    }

    private long whole() {
        long fold = 0;
        for (long part : expected) {
            fold ^= part;
        }
        return fold;
    }

    /// Work that each member does a number of times.
    private interface Repeated {
        Team.Part times(long calls);
    }

    /// @param work of all members together in one call
    /// @return work per second
    private double best(Team team, double work, Repeated repeated) {
        long calls = 1;
        double seconds = 0;
        double total = 0;
        double warmUp = isWarm ? 0 : FIRST_WARM_UP_SECONDS;
        for (int round = 0; round < WARM_UP_ROUNDS || total < warmUp || seconds < roundSeconds / 2; ) {
            seconds = team.seconds(repeated.times(calls));
            total += seconds;
            if (seconds < roundSeconds / 2) {
                calls *= 2;
            } else {
                round++;
            }
        }
        double least = seconds;
        for (int round = 0; round < ROUNDS; round++) {
            least = Math.min(least, team.seconds(repeated.times(calls)));
        }
        return calls * work / least;
    }
}
