package espalier.kernels.cpu;

import espalier.bindings.NativeMemory;
import espalier.kernels.DType;
import espalier.kernels.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Element access to tensors of the CPU backends: for scalar code, transfers and what fills no register, not for
/// kernels' inner loops.
public final class HostMemory {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

    private HostMemory() {}

    /// @param tensor any
    /// @return its memory
    public static MemorySegment segment(Tensor tensor) {
        return NativeMemory.ALL.asSlice(tensor.address(), tensor.bytes());
    }

    /// @param tensor any
    /// @param row in range
    /// @param col in range
    /// @return the element
    public static float get(Tensor tensor, int row, int col) {
        return NativeMemory.ALL.get(FLOAT, tensor.address() + ((long) row * tensor.cols() + col) * Float.BYTES);
    }

    /// @param tensor any
    /// @param row in range
    /// @param col in range
    /// @param value the element, =
    public static void set(Tensor tensor, int row, int col, float value) {
        NativeMemory.ALL.set(FLOAT, tensor.address() + ((long) row * tensor.cols() + col) * Float.BYTES, value);
    }

    /// @param weight any
    /// @param row in range
    /// @param col in range
    /// @return the element as F32, exactly
    public static float get(CpuWeight weight, int row, int col) {
        return get(weight.type(), weight.address(row, col));
    }

    /// @param type element type
    /// @param address of one element
    /// @return the element as F32, exactly
    public static float get(DType type, long address) {
        return switch (type) {
            case F32 -> NativeMemory.ALL.get(FLOAT, address);
            case BF16 -> Float.intBitsToFloat(NativeMemory.ALL.get(SHORT, address) << 16);
            case F16 -> Float.float16ToFloat(NativeMemory.ALL.get(SHORT, address));
        };
    }
}
