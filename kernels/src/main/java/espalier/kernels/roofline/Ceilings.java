package espalier.kernels.roofline;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;

/// Measures the two ceilings, with loops whose results are checked.
///
/// Work is cut into small units that the threads claim one after the other, as kernels do with theirs: a thread that
/// the system does not schedule then costs its share and no more.
final class Ceilings {
    private static final int ROUNDS = 5;
    /// Until then the loops may not be compiled.
    private static final double FIRST_WARM_UP_SECONDS = 0.5;
    private static final int CHAIN_STEPS = 1 << 15;
    private static final long LARGEST_PIECE = 1 << 21;
    private static final int LEAST_PIECES = 16;

    private final long address;
    private final long pieceBytes;
    /// What each piece of the memory adds up to.
    private final int[] folds;
    private final double roundSeconds;
    /// Thread counts that were measured before: another one can make the compiler start again.
    private final Set<Integer> warm = new HashSet<>();

    /// @param memory streamed from; larger than the caches
    /// @param roundSeconds how long a round takes, at least
    Ceilings(MemorySegment memory, double roundSeconds) {
        this.roundSeconds = roundSeconds;
        address = memory.address();
        pieceBytes = Math.min(LARGEST_PIECE, memory.byteSize() / LEAST_PIECES / StreamLoop.STEP * StreamLoop.STEP);
        folds = new int[Math.toIntExact(memory.byteSize() / pieceBytes)];
        for (int piece = 0; piece < folds.length; piece++) {
            folds[piece] = plainFold(memory.asSlice(piece * pieceBytes, pieceBytes));
        }
    }

    private static int plainFold(MemorySegment memory) {
        int fold = 0;
        for (long at = 0; at < memory.byteSize(); at += Integer.BYTES) {
            fold ^= memory.get(ValueLayout.JAVA_INT_UNALIGNED, at);
        }
        return fold;
    }

    /// @param threads at least 1
    /// @return the best of several rounds
    Roof measure(int threads) {
        try (Team team = new Team(threads)) {
            double warmUp = warm.contains(threads) ? 0 : FIRST_WARM_UP_SECONDS;
            double chains = best(team, warmUp, _ -> FmaLoop.check(FmaLoop.run(CHAIN_STEPS)));
            double pieces = best(team, warmUp, this::read);
            warm.add(threads);
            return new Roof(
                    threads, 1e-9 * chains * CHAIN_STEPS * FmaLoop.FLOPS_PER_STEP, 1e-9 * pieces * pieceBytes);
        }
    }

    private void read(long unit) {
        int piece = (int) (unit % folds.length);
        long from = address + piece * pieceBytes;
        int fold = StreamLoop.run(from, from + pieceBytes);
        if (fold != folds[piece]) {
            throw new ArithmeticException("memory was read as %08x, expected %08x".formatted(fold, folds[piece]));
        }
    }

    /// Work that any thread can do.
    private interface Unit {
        void run(long number);
    }

    /// Rounds that are too short are made longer; the beginning of a round takes microseconds, or more where the system
    /// wakes a thread late.
    ///
    /// @return units a second
    private double best(Team team, double warmUp, Unit unit) {
        double fastest = 0;
        double total = 0;
        long units = 1;
        for (int rounds = 0; rounds < ROUNDS || total < warmUp; ) {
            double seconds = seconds(team, unit, units);
            total += seconds;
            if (seconds < roundSeconds) {
                units *= 2;
            } else {
                fastest = Math.max(fastest, units / seconds);
                rounds++;
            }
        }
        return fastest;
    }

    private static double seconds(Team team, Unit unit, long units) {
        AtomicLong next = new AtomicLong();
        return team.seconds(_ -> {
            long number = next.getAndIncrement();
            boolean any = number < units;
            for (; number < units; number = next.getAndIncrement()) {
                unit.run(number);
            }
            return any;
        });
    }
}
