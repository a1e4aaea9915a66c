package espalier.kernels.roofline;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CyclicBarrier;

/// Threads that begin a piece of work at the same time. The caller is one of them.
///
/// Plain threads and a barrier, for pieces of milliseconds and more: what is measured with them must not depend on how
/// well the kernels' own workers do.
final class Team implements AutoCloseable {
    /// What one member does.
    interface Part {
        /// @param member its number, from 0
        /// @return whether there was anything to do
        boolean run(int member);
    }

    private final CyclicBarrier barrier;
    private final List<Thread> others = new ArrayList<>();
    private final long[] begin;
    private final long[] end;
    private final boolean[] hasWorked;
    private final Throwable[] failures;
    private volatile Part part;
    private volatile boolean closed;

    Team(int members) {
        barrier = new CyclicBarrier(members);
        begin = new long[members];
        end = new long[members];
        hasWorked = new boolean[members];
        failures = new Throwable[members];
        for (int member = 1; member < members; member++) {
            int number = member;
            others.add(Thread.ofPlatform().daemon().name("espalier-ceiling-" + member).start(() -> serve(number)));
        }
    }

    private void serve(int member) {
        while (true) {
            await();
            if (closed) {
                return;
            }
            work(member);
            await();
        }
    }

    private void work(int member) {
        begin[member] = System.nanoTime();
        try {
            hasWorked[member] = part.run(member);
        } catch (RuntimeException | Error e) {
            failures[member] = e;
        }
        end[member] = System.nanoTime();
    }

    private void await() {
        try {
            barrier.await();
        } catch (InterruptedException | BrokenBarrierException e) {
            throw new IllegalStateException("the measurement was interrupted", e);
        }
    }

    /// A member that comes so late that nothing is left does not count.
    ///
    /// @param work done by every member
    /// @return seconds from the first beginning to the last end
    double seconds(Part work) {
        part = work;
        await();
        work(0);
        await();
        long first = Long.MAX_VALUE;
        long last = Long.MIN_VALUE;
        for (int member = 0; member < begin.length; member++) {
            if (failures[member] != null) {
                throw new IllegalStateException(failures[member].getMessage(), failures[member]);
            }
            if (hasWorked[member]) {
                // Differences, since the clock may begin anywhere.
                first = Math.min(first, begin[member] - begin[0]);
                last = Math.max(last, end[member] - begin[0]);
            }
        }
        return Math.max(1, last - first) * 1e-9;
    }

    @Override
    public void close() {
        closed = true;
        if (!barrier.isBroken()) {
            await();
        }
    }
}
