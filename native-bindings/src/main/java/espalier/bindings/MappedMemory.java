package espalier.bindings;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/// Advice to the system about mapped files (`madvise`).
public final class MappedMemory {
    private static final MethodHandle MADVISE = SystemCalls.capturing(
            "madvise",
            FunctionDescriptor.of(
                    ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));

    /// What is about to happen to a range of pages; the numbers are those of Linux.
    public enum Advice {
        /// The pages will be read soon: read them ahead.
        WILL_NEED(3),
        /// The pages will not be read again soon: they may leave memory. For pages of a read-only file mapping this
        /// loses nothing, they are read from the file again when touched.
        DONT_NEED(4);

        private final int code;

        Advice(int code) {
            this.code = code;
        }
    }

    private MappedMemory() {}

    /// Gives advice about the pages that a segment of a read-only file mapping touches.
    ///
    /// @param segment a native segment inside a mapping; its start is rounded down to a page
    /// @param advice what will happen to it
    /// @throws IllegalArgumentException if the segment is not native
    /// @throws IllegalStateException if the system refuses, with its reason
    public static void advise(MemorySegment segment, Advice advice) {
        if (!segment.isNative()) {
            throw new IllegalArgumentException("only native memory can be advised about, got " + segment);
        }
        if (segment.byteSize() == 0) {
            return;
        }
        long pageSize = 4096;
        long start = segment.address() & -pageSize;
        long length = segment.address() + segment.byteSize() - start;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment errno = SystemCalls.errnoSegment(arena);
            int status = (int) MADVISE.invokeExact(errno, MemorySegment.ofAddress(start), length, advice.code);
            if (status != 0) {
                throw new IllegalStateException("madvise " + advice + " of " + length + " bytes returned " + status
                        + ": " + SystemCalls.message(errno));
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw SystemCalls.rethrow(e);
        }
    }
}
