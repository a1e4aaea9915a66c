package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Locale;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// Which kernels run, and on how many threads.
final class ModelOptions {
    private static final int MOST_THREADS = 1024;
    private static final Logger LOG = System.getLogger("espalier.cli");

    @Option(
            names = "--backend",
            paramLabel = "vector|scalar",
            converter = BackendConverter.class,
            defaultValue = "vector",
            description = "Kernels: vector (default), or scalar, the slow reference on one thread.")
    private Backends.Choice backend;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "Threads of an operation (default: all processors; scalar has one).")
    private Integer threads;

    /// Opens the backend and says in one log line what it is.
    Ops open() {
        int count = threads == null ? Runtime.getRuntime().availableProcessors() : threads;
        if (count < 1 || count > MOST_THREADS) {
            throw new IllegalArgumentException("--threads must be 1 to %d, got %d".formatted(MOST_THREADS, count));
        }
        if (backend == Backends.Choice.SCALAR && threads != null && count > 1) {
            throw new IllegalArgumentException("--threads is " + count + ", --backend scalar has one thread");
        }
        Ops ops = Backends.open(backend, count);
        LOG.log(
                Level.INFO,
                "backend %s, %d-bit lanes, %d thread%s"
                        .formatted(ops.name(), ops.laneBits(), ops.threads(), ops.threads() == 1 ? "" : "s"));
        return ops;
    }

    /// Adds which kernels made a result.
    static void describe(ObjectNode json, Ops ops) {
        json.put("backend", ops.name());
        json.put("lane_bits", ops.laneBits());
        json.put("threads", ops.threads());
    }

    static final class BackendConverter implements ITypeConverter<Backends.Choice> {
        @Override
        public Backends.Choice convert(String value) {
            for (Backends.Choice choice : Backends.Choice.values()) {
                if (choice.name().toLowerCase(Locale.ROOT).equals(value)) {
                    return choice;
                }
            }
            throw new TypeConversionException("'" + value + "' is not a backend; there are vector and scalar");
        }
    }
}
