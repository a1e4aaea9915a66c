package espalier.kernels.vector;

import espalier.kernels.Check;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;

/// A fixed set of threads that share the tasks of one region at a time.
///
/// The calling thread takes part and finishes whatever no worker has claimed, so a worker that the system does not
/// schedule cannot hold a region up before it starts a task. Workers spin for a fraction of a millisecond after a
/// region, because the next one is usually near, and then park. A region allocates nothing.
///
/// Which thread runs a task must not change its result: tasks write to disjoint memory.
public final class Parallel implements AutoCloseable {
    /// The body of a region.
    @FunctionalInterface
    public interface Task {
        /// @param task number of the task, `0 .. tasks - 1`
        /// @param worker number of the thread that runs it, `0 .. threads - 1`; 0 is the caller
        void run(int task, int worker);
    }

    private static final int SPINS = 20_000;
    /// Fields that different threads write lie this many longs apart, on cache lines of their own.
    private static final int APART = 16;
    private static final int CLAIMS = APART;
    private static final int FINISHED = 2 * APART;
    private static final long REGION = 1L << 32;
    private static final AtomicInteger POOLS = new AtomicInteger();

    /// `CLAIMS`: number of the region in the upper half, tasks that nobody has claimed in the lower half. A claim is a
    /// compare-and-set of both, so a late worker cannot claim from a region that has begun since it looked.
    /// `FINISHED`: tasks of this region that have ended.
    private final AtomicLongArray state = new AtomicLongArray(3 * APART);
    private final AtomicBoolean busy = new AtomicBoolean();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private final Thread[] workers;
    private final AtomicBoolean[] parked;
    private Task body;
    private int tasks;
    private volatile Thread waitingCaller;
    private volatile boolean closed;

    /// @param threads threads of a region including the caller, at least 1
    public Parallel(int threads) {
        Check.positive("threads", threads);
        workers = new Thread[threads - 1];
        parked = new AtomicBoolean[threads - 1];
        int pool = POOLS.incrementAndGet();
        for (int i = 0; i < workers.length; i++) {
            int worker = i + 1;
            parked[i] = new AtomicBoolean();
            workers[i] = Thread.ofPlatform()
                    .daemon()
                    .name("espalier-kernels-" + pool + "-" + worker)
                    .unstarted(() -> serve(worker));
        }
        for (Thread worker : workers) {
            worker.start();
        }
    }

    /// @return threads of a region including the caller
    public int threads() {
        return workers.length + 1;
    }

    /// Runs all tasks and returns when they have ended. If a task throws, tasks not yet begun are skipped and the first
    /// throwable is thrown here as it is, others suppressed in it.
    ///
    /// @param count number of tasks, 0 allowed
    /// @param task the body
    /// @throws IllegalStateException if a region is running, in this thread or another, or after [#close]
    public void run(int count, Task task) {
        Check.notNegative("tasks", count);
        if (!busy.compareAndSet(false, true)) {
            throw new IllegalStateException(
                    "a parallel region was started while another one runs; regions neither nest nor overlap");
        }
        try {
            if (closed) {
                throw new IllegalStateException("a parallel region was started after close");
            }
            if (workers.length == 0 || count <= 1) {
                for (int i = 0; i < count; i++) {
                    task.run(i, 0);
                }
            } else {
                share(count, task);
            }
        } finally {
            busy.set(false);
        }
    }

    private void share(int count, Task task) {
        body = task;
        tasks = count;
        state.set(FINISHED, 0);
        long region = (state.get(CLAIMS) & -REGION) + REGION;
        state.set(CLAIMS, region + count);
        for (int i = 0; i < Math.min(workers.length, count - 1); i++) {
            if (parked[i].get()) {
                LockSupport.unpark(workers[i]);
            }
        }
        work(region, 0);
        awaitFinish(count);
        body = null;
        Throwable thrown = failure.getAndSet(null);
        switch (thrown) {
            case null -> { }
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> throw new IllegalStateException("a task threw a checked exception", thrown);
        }
    }

    private void awaitFinish(int count) {
        for (int spins = 0; state.get(FINISHED) != count; spins++) {
            if (spins < SPINS) {
                Thread.onSpinWait();
            } else {
                waitingCaller = Thread.currentThread();
                if (state.get(FINISHED) != count) {
                    LockSupport.park(this);
                }
                waitingCaller = null;
            }
        }
    }

    /// Claims and runs tasks of one region until none is left.
    private void work(long region, int worker) {
        while (true) {
            long claims = state.get(CLAIMS);
            int left = (int) claims;
            if ((claims & -REGION) != region || left == 0) {
                return;
            }
            if (state.compareAndSet(CLAIMS, claims, claims - 1)) {
                // The claimed task keeps the region open, so its fields are stable here.
                int count = tasks;
                try {
                    if (failure.get() == null) {
                        body.run(count - left, worker);
                    }
                } catch (Throwable e) {
                    // Rethrown by the caller of the region.
                    Throwable first = failure.compareAndExchange(null, e);
                    if (first != null && first != e) {
                        first.addSuppressed(e);
                    }
                } finally {
                    if (state.incrementAndGet(FINISHED) == count) {
                        LockSupport.unpark(waitingCaller);
                    }
                }
            }
        }
    }

    private void serve(int worker) {
        long seen = 0;
        int spins = 0;
        AtomicBoolean isParked = parked[worker - 1];
        while (!closed) {
            long region = state.get(CLAIMS) & -REGION;
            if (region != seen) {
                seen = region;
                spins = 0;
                work(region, worker);
            } else if (spins < SPINS) {
                spins++;
                Thread.onSpinWait();
            } else {
                isParked.set(true);
                if ((state.get(CLAIMS) & -REGION) == seen && !closed) {
                    LockSupport.park(this);
                }
                isParked.set(false);
                spins = 0;
            }
        }
    }

    /// Ends the workers and waits for them. Does nothing the second time.
    ///
    /// @throws IllegalStateException while a region runs
    @Override
    public void close() {
        if (!busy.compareAndSet(false, true)) {
            throw new IllegalStateException("the threads were closed while a parallel region runs");
        }
        closed = true;
        boolean interrupted = false;
        for (Thread worker : workers) {
            LockSupport.unpark(worker);
            while (worker.isAlive()) {
                try {
                    worker.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        busy.set(false);
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
