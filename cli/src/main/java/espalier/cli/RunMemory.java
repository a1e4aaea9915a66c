package espalier.cli;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/// What plans of memory are held against.
final class RunMemory {
    private RunMemory() {}

    /// @return bytes that the machine, or the container, has
    static long available() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getTotalMemorySize();
    }
}
