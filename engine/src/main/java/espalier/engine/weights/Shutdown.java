package espalier.engine.weights;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/// What happens in order when a signal ends the process: work that asked for it finishes, each within its limit, then
/// what is still being written is deleted. The virtual machine runs its hooks at once, so there is only this one.
final class Shutdown {
    private static final Logger LOG = System.getLogger(Shutdown.class.getName());
    private static final Set<GracefulStop> STOPS = new LinkedHashSet<>();
    private static boolean begun;

    static {
        try {
            Runtime.getRuntime().addShutdownHook(new Thread(Shutdown::run, "espalier-shutdown"));
        } catch (IllegalStateException e) {
            // The process is ending already: nothing that begins now is waited for.
            begun = true;
        }
    }

    private Shutdown() {}

    /// Makes sure that the hook is there.
    static synchronized void install() {
        // Loading this class is what it takes.
    }

    static synchronized void add(GracefulStop stop) {
        STOPS.add(stop);
        if (begun) {
            stop.request();
        }
    }

    static synchronized void remove(GracefulStop stop) {
        STOPS.remove(stop);
    }

    private static synchronized List<GracefulStop> begin() {
        begun = true;
        return List.copyOf(STOPS);
    }

    private static void run() {
        List<GracefulStop> stops = begin();
        stops.forEach(GracefulStop::request);
        long start = System.nanoTime();
        for (GracefulStop stop : stops) {
            if (!stop.awaitClosed(start)) {
                LOG.log(Level.WARNING, "work did not stop within {0} s and is cut off", stop.limit().toSeconds());
            }
        }
        Unfinished.OF_PROCESS.deleteAll();
    }
}
