package espalier.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class ParallelTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 8})
    void everyTaskRunsOnceInEveryRegion(int threads) {
        try (Parallel parallel = new Parallel(threads)) {
            assertEquals(threads, parallel.threads());
            AtomicIntegerArray runs = new AtomicIntegerArray(64);
            int[] expected = new int[64];
            for (int region = 0; region < 20_000; region++) {
                int tasks = region * 7 % 64;
                parallel.run(tasks, (task, worker) -> {
                    if (worker < 0 || worker >= threads) {
                        throw new AssertionError("worker " + worker);
                    }
                    runs.incrementAndGet(task);
                });
                for (int i = 0; i < tasks; i++) {
                    expected[i]++;
                }
            }
            for (int i = 0; i < 64; i++) {
                assertEquals(expected[i], runs.get(i), "task " + i);
            }
        }
    }

    @Test
    void workersTakePart() {
        try (Parallel parallel = new Parallel(2)) {
            CountDownLatch both = new CountDownLatch(2);
            parallel.run(2, (task, worker) -> {
                both.countDown();
                await(both);
            });
            assertEquals(0, both.getCount());
        }
    }

    /// Returns only when the other task has begun, so both threads must be running.
    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void writesOfTasksAreVisibleToTheCaller() {
        try (Parallel parallel = new Parallel(2)) {
            long[] values = new long[1000];
            for (int region = 1; region <= 2000; region++) {
                int add = region;
                parallel.run(values.length, (task, worker) -> values[task] += add);
            }
            assertTrue(Arrays.stream(values).allMatch(v -> v == 2000L * 2001 / 2));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void theExceptionOfATaskReachesTheCallerAndTheThreadsGoOn(int threads) {
        try (Parallel parallel = new Parallel(threads)) {
            for (int i = 0; i < 1000; i++) {
                IllegalStateException thrown = new IllegalStateException("task 3");
                assertSame(thrown, assertThrows(IllegalStateException.class, () -> parallel.run(50, (task, worker) -> {
                    if (task == 3) {
                        throw thrown;
                    }
                })));
                int[] sum = new int[10];
                parallel.run(10, (task, worker) -> sum[task] = 1);
                assertEquals(10, Arrays.stream(sum).sum());
            }
        }
    }

    @Test
    void regionsDoNotNest() {
        try (Parallel parallel = new Parallel(2)) {
            IllegalStateException e = assertThrows(IllegalStateException.class, () -> parallel.run(
                    4, (task, worker) -> parallel.run(2, (inner, same) -> { })));
            assertEquals("a parallel region was started while another one runs; regions neither nest nor overlap",
                    e.getMessage());
        }
    }

    @Test
    void closedThreadsTakeNoWork() {
        Parallel parallel = new Parallel(3);
        parallel.run(3, (task, worker) -> { });
        parallel.close();
        parallel.close();
        IllegalStateException e =
                assertThrows(IllegalStateException.class, () -> parallel.run(3, (task, worker) -> { }));
        assertEquals("a parallel region was started after close", e.getMessage());
    }

    @Test
    void threadsMustBePositive() {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> new Parallel(0));
        assertEquals("threads must be positive, got 0", e.getMessage());
    }

    @Test
    void idleWorkersUseNoProcessorTime() throws InterruptedException {
        var beans = ManagementFactory.getThreadMXBean();
        try (Parallel parallel = new Parallel(2)) {
            long[] id = new long[1];
            CountDownLatch both = new CountDownLatch(2);
            parallel.run(2, (task, worker) -> {
                both.countDown();
                await(both);
                if (worker == 1) {
                    id[0] = Thread.currentThread().threadId();
                }
            });
            Thread.sleep(200);
            long before = beans.getThreadCpuTime(id[0]);
            Thread.sleep(500);
            long used = beans.getThreadCpuTime(id[0]) - before;
            assertTrue(before >= 0 && used < 25_000_000, () -> "an idle worker used " + used + " ns of 500 ms");
        }
    }
}
