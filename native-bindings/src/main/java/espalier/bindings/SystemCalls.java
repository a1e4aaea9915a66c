package espalier.bindings;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/// Looks functions of the C library up and reads `errno` after a call.
final class SystemCalls {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout CAPTURED = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO =
            CAPTURED.varHandle(MemoryLayout.PathElement.groupElement("errno"));
    private static final MethodHandle STRERROR =
            handle("strerror", FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.JAVA_INT));

    private SystemCalls() {}

    /// A handle whose first argument is the segment that receives `errno`, see [#errnoSegment].
    @SuppressWarnings("restricted")
    static MethodHandle capturing(String function, FunctionDescriptor descriptor) {
        return LINKER.downcallHandle(address(function), descriptor, Linker.Option.captureCallState("errno"));
    }

    @SuppressWarnings("restricted")
    private static MethodHandle handle(String function, FunctionDescriptor descriptor) {
        return LINKER.downcallHandle(address(function), descriptor);
    }

    private static MemorySegment address(String function) {
        return LINKER.defaultLookup()
                .find(function)
                .orElseThrow(() -> new UnsatisfiedLinkError("the C library has no function " + function));
    }

    static MemorySegment errnoSegment(Arena arena) {
        return arena.allocate(CAPTURED);
    }

    /// @param captured the segment that a capturing call filled
    /// @return the system's message for its `errno`, with the number
    @SuppressWarnings("restricted")
    static String message(MemorySegment captured) {
        int errno = (int) ERRNO.get(captured, 0L);
        try {
            MemorySegment text = (MemorySegment) STRERROR.invokeExact(errno);
            return text.reinterpret(Long.MAX_VALUE).getString(0) + " (errno " + errno + ")";
        } catch (Throwable e) {
            throw rethrow(e);
        }
    }

    /// Downcall handles declare Throwable; a downcall itself throws nothing that is checked.
    static RuntimeException rethrow(Throwable e) {
        if (e instanceof RuntimeException runtime) {
            return runtime;
        }
        if (e instanceof Error error) {
            throw error;
        }
        return new IllegalStateException(e);
    }
}
