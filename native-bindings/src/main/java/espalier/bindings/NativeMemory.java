package espalier.bindings;

import java.lang.foreign.MemorySegment;

/// All native memory as one segment, for kernels that work on absolute addresses.
///
/// Kernels index one constant segment by address instead of taking segments as parameters: a kernel that sees both
/// heap and native segments is compiled for neither and runs several times slower. The price is that nothing checks
/// an address; callers check shapes and bounds once, before the kernel runs.
public final class NativeMemory {
    /// Every address of the process, offset 0 being address 0.
    @SuppressWarnings("restricted")
    public static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

    private NativeMemory() {}
}
