package espalier.kernels.roofline;

import java.util.Arrays;

/// Times a call that is repeated: runs until it gets no faster, then the median of rounds.
final class Stopwatch {
    private static final int LEAST_ROUNDS = 3;
    private static final int MOST_ROUNDS = 1000;
    /// Rounds without progress that end the warm-up.
    private static final int STEADY_ROUNDS = 3;
    private static final double PROGRESS = 0.97;
    /// The longest warm-up, in times of a measurement; the shortest takes half of one.
    private static final double LONGEST_WARM_UP = 5;

    private final double least;

    /// @param least seconds that the rounds of a measurement take together, at least
    Stopwatch(double least) {
        this.least = least;
    }

    /// @param call to measure
    /// @return seconds of a call
    double seconds(Kernel.Call call) {
        Rounds rounds = new Rounds(call);
        long calls = warmUp(rounds);
        double[] times = new double[MOST_ROUNDS];
        int count = 0;
        for (double spent = 0; count < LEAST_ROUNDS || spent < least && count < MOST_ROUNDS; count++) {
            double taken = rounds.seconds(calls);
            spent += taken;
            times[count] = taken / calls;
        }
        Arrays.sort(times, 0, count);
        return count % 2 == 1 ? times[count / 2] : (times[count / 2 - 1] + times[count / 2]) / 2;
    }

    /// Runs a call until it gets no faster.
    void warmUp(Kernel.Call call) {
        warmUp(new Rounds(call));
    }

    /// @return calls of a round
    private long warmUp(Rounds rounds) {
        double wanted = least / 10;
        long calls = 1;
        double best = Double.POSITIVE_INFINITY;
        double total = 0;
        for (int steady = 0; (steady < STEADY_ROUNDS || total < least / 2) && total < LONGEST_WARM_UP * least; ) {
            double taken = rounds.seconds(calls);
            total += taken;
            steady = taken / calls < PROGRESS * best ? 0 : steady + 1;
            best = Math.min(best, taken / calls);
            if (taken < wanted) {
                calls = Math.min(2 * calls, (long) Math.ceil(calls * wanted / taken));
            }
        }
        return calls;
    }

    /// Calls that go round the sets of operands.
    private static final class Rounds {
        private final Kernel.Call call;
        private int next;

        Rounds(Kernel.Call call) {
            this.call = call;
        }

        double seconds(long calls) {
            long start = System.nanoTime();
            for (long i = 0; i < calls; i++) {
                call.run().accept(next);
                next = next + 1 == call.copies() ? 0 : next + 1;
            }
            return Math.max(1, System.nanoTime() - start) * 1e-9;
        }
    }
}
