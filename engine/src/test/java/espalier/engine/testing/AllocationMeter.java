package espalier.engine.testing;

import com.sun.management.ThreadMXBean;
import espalier.engine.train.TrainingWatch;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;

/// Bytes that all threads allocate in a training step, dead ones included, and those that workspaces hold, window after
/// window: the JIT compiler ends somewhere among the first, so the smallest counts.
public final class AllocationMeter implements TrainingWatch {
    /// Steps of a window.
    private static final int WINDOW = 20;
    /// Steps of a run that is measured; half will do where a step is long.
    public static final long STEPS = WINDOW * 40L;

    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private final List<Long> windows = new ArrayList<>();
    private final List<Long> held = new ArrayList<>();
    private final LongSupplier heldBytes;
    private long before;

    /// @param heldBytes of workspaces
    public AllocationMeter(LongSupplier heldBytes) {
        this.heldBytes = heldBytes;
    }

    @Override
    public void step(Step step) {
        if (step.step() % WINDOW == 0) {
            long now = threads.getTotalThreadAllocatedBytes();
            windows.add((now - before) / WINDOW);
            held.add(heldBytes.getAsLong());
            before = threads.getTotalThreadAllocatedBytes();
        }
    }

    /// Prints what is wrong.
    ///
    /// @param most bytes of a warm step
    public void printExcess(long most) {
        long steady = windows.stream().mapToLong(Long::longValue).min().orElseThrow();
        if (steady > most) {
            System.out.printf("a step allocates %,d bytes, at most %,d expected%n", steady, most);
        }
        if (!held.getFirst().equals(held.getLast())) {
            System.out.printf("native memory grows from %,d to %,d bytes%n", held.getFirst(), held.getLast());
        }
    }
}
