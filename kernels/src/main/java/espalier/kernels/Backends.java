package espalier.kernels;

import espalier.kernels.scalar.ScalarOps;
import espalier.kernels.vector.VectorOps;

/// Opens a backend. It is picked once; a choice that cannot be had fails instead of falling back.
public final class Backends {
    /// The backends there are.
    public enum Choice {
        /// Plain loops, one thread: the reference that the others are tested against.
        SCALAR,
        /// The JDK Vector API on all threads; needs the module `jdk.incubator.vector`.
        VECTOR
    }

    private Backends() {}

    /// @param choice which one
    /// @param threads threads of an operation, at least 1; the scalar backend uses one
    /// @return the backend, to be closed
    /// @throws IllegalStateException if it cannot be had, saying why and how to get it
    public static Ops open(Choice choice, int threads) {
        Check.positive("threads", threads);
        return switch (choice) {
            case SCALAR -> new ScalarOps();
            case VECTOR -> {
                requireVectorModule();
                yield new VectorOps(threads);
            }
        };
    }

    /// A module loaded after the start is not listed in the boot layer, so the class is asked for.
    private static void requireVectorModule() {
        try {
            Class.forName("jdk.incubator.vector.FloatVector", false, null);
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException(
                    "the vector kernels need the module jdk.incubator.vector;"
                            + " start Java with --add-modules jdk.incubator.vector",
                    e);
        }
    }
}
