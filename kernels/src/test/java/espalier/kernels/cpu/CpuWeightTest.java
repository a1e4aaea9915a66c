package espalier.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import espalier.kernels.DType;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.scalar.ScalarOps;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class CpuWeightTest {
    private record Foreign(String name, int rows, int cols) implements Weight {}

    @Test
    void refusesAWeightWhoseMappingIsClosed() {
        try (ScalarOps ops = new ScalarOps(); var workspace = ops.newWorkspace()) {
            Weight weight;
            try (Arena arena = Arena.ofShared()) {
                weight = ops.prepare(new StoredMatrix("lm_head.weight", DType.F32, 2, 3, arena.allocate(24, 4)));
                ops.dequantize(workspace.take(2, 3), weight, 0);
            }
            var error = assertThrows(
                    IllegalStateException.class, () -> ops.dequantize(workspace.take(2, 3), weight, 0));
            assertEquals("lm_head.weight is used after its checkpoint was closed", error.getMessage());
        }
    }

    @Test
    void aWeightThatIsATensorFollowsIt() {
        try (ScalarOps ops = new ScalarOps(); var workspace = ops.newWorkspace()) {
            Tensor matrix = workspace.takeZeros(2, 3);
            Weight weight = ops.weightOf("lm_head.weight", matrix);
            float[] changed = {1, 2, 3, 4, 5, 6};
            ops.fromHost(changed, matrix);
            Tensor read = workspace.take(2, 3);
            ops.dequantize(read, weight, 0);
            float[] values = new float[6];
            ops.toHost(read, values);
            assertArrayEquals(changed, values);
        }
    }

    @Test
    void refusesAnotherBackendsWeight() {
        var error = assertThrows(IllegalArgumentException.class, () -> CpuWeight.from(new Foreign("q_proj", 1, 1)));
        assertEquals("q_proj was prepared by another backend", error.getMessage());
    }

    @Test
    void everyBfloat16AndBinary16IsReadExactly() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment data = arena.allocate(2L << 16, 2);
            for (int bits = 0; bits < 1 << 16; bits++) {
                data.setAtIndex(ValueLayout.JAVA_SHORT, bits, (short) bits);
            }
            CpuWeight bf16 = CpuWeight.of(new StoredMatrix("w", DType.BF16, 256, 256, data));
            CpuWeight f16 = CpuWeight.of(new StoredMatrix("w", DType.F16, 256, 256, data));
            for (int bits = 0; bits < 1 << 16; bits++) {
                assertEquals(
                        bits << 16, Float.floatToRawIntBits(HostMemory.get(bf16, bits / 256, bits % 256)));
                assertEquals(Float.float16ToFloat((short) bits), HostMemory.get(f16, bits / 256, bits % 256));
            }
        }
    }
}
