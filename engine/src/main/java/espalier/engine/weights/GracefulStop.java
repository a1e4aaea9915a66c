package espalier.engine.weights;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/// Lets a loop finish what it is at when a signal ends the process.
///
/// ```java
/// try (GracefulStop stop = GracefulStop.register(Duration.ofSeconds(30))) {
///     while (more()) {
///         step();
///         if (stop.requested()) {
///             save();
///             break;
///         }
///     }
/// }
/// ```
///
/// After Ctrl-C or SIGTERM the process ends as soon as this is closed, or the limit is over, with the exit code of the
/// signal (130, 143). What is being written when it ends is deleted.
public final class GracefulStop implements AutoCloseable {
    private final Duration limit;
    private final CountDownLatch closed = new CountDownLatch(1);
    private volatile boolean requested;

    private GracefulStop(Duration limit) {
        this.limit = limit;
    }

    /// Registers work that wants to finish.
    ///
    /// @param limit how long the end of the process waits, counted from the signal
    /// @return to be asked after each step, and closed after the last
    public static GracefulStop register(Duration limit) {
        GracefulStop stop = new GracefulStop(limit);
        Shutdown.add(stop);
        return stop;
    }

    /// @return whether the process is about to end
    public boolean requested() {
        return requested;
    }

    /// Says that the process may end.
    @Override
    public void close() {
        Shutdown.remove(this);
        closed.countDown();
    }

    Duration limit() {
        return limit;
    }

    void request() {
        requested = true;
    }

    /// @param start of the waiting, as of [System#nanoTime]
    /// @return whether this was closed in time
    boolean awaitClosed(long start) {
        try {
            return closed.await(limit.toNanos() - (System.nanoTime() - start), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
