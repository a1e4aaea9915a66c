package espalier.engine.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.weights.StoredTensor.Range;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StoredTensorTest {
    private static final Path FILE = Path.of("m.safetensors");

    @Test
    void halfTypesConvertExactlyBothWays() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            float bf16 = FloatBits.fromBf16((short) bits);
            float f16 = Float.float16ToFloat((short) bits);
            MemorySegment two = Arena.ofAuto().allocate(2);
            FloatBits.set(two, StoredType.BF16, 0, bf16);
            assertEquals(bf16, (float) FloatBits.get(two, StoredType.BF16, 0));
            FloatBits.set(two, StoredType.F16, 0, f16);
            assertEquals(f16, (float) FloatBits.get(two, StoredType.F16, 0));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "3F800000, 3F80", // 1
        "3F808000, 3F80", // halfway, even below
        "3F818000, 3F82", // halfway, even above
        "3F808001, 3F81", // just above halfway
        "3F80FFFF, 3F81",
        "BF808001, BF81",
        "7F7FFFFF, 7F80", // the largest float32 is beyond the largest bfloat16
        "7F7F7FFF, 7F7F",
        "00000001, 0000", // subnormal
        "00008001, 0001",
        "80000000, 8000",
        "FF800000, FF80",
        "7F800001, 7FC0", // a NaN whose payload is in the lost half
        "FFFFFFFF, FFFF",
    })
    void roundsToBf16(String float32, String bf16) {
        float value = Float.intBitsToFloat(Integer.parseUnsignedInt(float32, 16));
        assertEquals((short) Integer.parseInt(bf16, 16), FloatBits.toBf16(value));
    }

    @Test
    void readsEachFloatType() {
        for (StoredType type : new StoredType[] {StoredType.F64, StoredType.F32, StoredType.BF16, StoredType.F16}) {
            StoredTensor tensor = floats(type, new long[] {2, 2}, 0, -1.5f, 0.25f, 8);
            assertArrayEquals(new float[] {0, -1.5f, 0.25f, 8}, tensor.toFloats());
            assertArrayEquals(new double[] {0, -1.5, 0.25, 8}, tensor.toDoubles());
            assertEquals(-1.5f, tensor.get(1));
            assertEquals(2, tensor.rows());
            assertEquals(2, tensor.cols());
        }
    }

    @Test
    void readsIntegers() {
        MemorySegment data = MemorySegment.ofArray(new byte[16]);
        data.set(FloatBits.LE_LONG, 8, -5);
        StoredTensor ids = new StoredTensor("ids", FILE, StoredType.I64, new long[] {2}, data);
        assertArrayEquals(new long[] {0, -5}, ids.toLongs());
        StoredTensor narrow = new StoredTensor("ids", FILE, StoredType.I32, new long[] {4}, data);
        assertArrayEquals(new long[] {0, 0, -5, -1}, narrow.toLongs());
        assertEquals(
                "type I64 does not convert to float, expected F64, F32, BF16 or F16",
                assertThrows(IllegalArgumentException.class, ids::toFloats).getMessage());
        StoredTensor floats = floats(StoredType.F32, new long[] {1}, 1);
        assertEquals(
                "tensor t has type F32, expected I64 or I32",
                assertThrows(IllegalArgumentException.class, floats::toLongs).getMessage());
    }

    @Test
    void refusesDataOfAnotherSizeAndNonMatrices() {
        var size = assertThrows(
                IllegalArgumentException.class,
                () -> new StoredTensor("t", FILE, StoredType.F32, new long[] {3}, MemorySegment.ofArray(new byte[8])));
        assertEquals("tensor t has 8 bytes, expected 12 for F32 [3]", size.getMessage());
        StoredTensor vector = floats(StoredType.F32, new long[] {2}, 1, 2);
        var shape = assertThrows(CheckpointException.class, vector::rows);
        assertEquals("m.safetensors: tensor t has shape [2], expected a matrix", shape.getMessage());
    }

    @Test
    void slicesMatchIndexing() {
        int[] dims = {3, 4, 5};
        float[] values = new float[60];
        IntStream.range(0, 60).forEach(i -> values[i] = i);
        StoredTensor tensor = floats(StoredType.BF16, new long[] {3, 4, 5}, values);
        StoredTensor part = tensor.slice(Arena.ofAuto(), new Range(1, 3), new Range(0, 2), new Range(2, 5));
        assertArrayEquals(new long[] {2, 2, 3}, part.shape());
        int at = 0;
        for (int i = 1; i < 3; i++) {
            for (int j = 0; j < 2; j++) {
                for (int k = 2; k < 5; k++) {
                    assertEquals((i * dims[1] + j) * dims[2] + k, part.get(at++));
                }
            }
        }
        assertArrayEquals(new float[] {20, 21, 22, 23, 24}, floatsOf(tensor, new Range(1, 2), new Range(0, 1)));
        assertArrayEquals(values, floatsOf(tensor));
        assertEquals(0, floatsOf(tensor, new Range(1, 1)).length);
    }

    @Test
    void refusesSlicesOutsideTheTensor() {
        StoredTensor tensor = floats(StoredType.F32, new long[] {2, 2}, 1, 2, 3, 4);
        assertSliceRefused(tensor, "has shape [2, 2], but the slice [Range[start=0, stop=1], Range[start=0, stop=1], "
                + "Range[start=0, stop=1]] names 3 dimensions", new Range(0, 1), new Range(0, 1), new Range(0, 1));
        assertSliceRefused(tensor, "has shape [2, 2], but the slice [Range[start=2, stop=2]] asks for 2 to 2 of "
                + "dimension 0 of size 2", new Range(2, 2));
        assertSliceRefused(tensor, "has shape [2, 2], but the slice [Range[start=0, stop=1], Range[start=1, stop=3]] "
                + "asks for 1 to 3 of dimension 1 of size 2", new Range(0, 1), new Range(1, 3));
        assertSliceRefused(tensor, "has shape [2, 2], but the slice [Range[start=-1, stop=1]] asks for -1 to 1 of "
                + "dimension 0 of size 2", new Range(-1, 1));
        assertSliceRefused(tensor, "has shape [2, 2], but the slice [Range[start=1, stop=0]] asks for 1 to 0 of "
                + "dimension 0 of size 2", new Range(1, 0));
    }

    @Test
    void refusesSlicesThroughAByte() {
        byte[] packed = {0x21, 0x43, 0x65, (byte) 0x87};
        StoredTensor nibbles =
                new StoredTensor("t", FILE, StoredType.F4, new long[] {2, 4}, MemorySegment.ofArray(packed));
        StoredTensor part = nibbles.slice(Arena.ofAuto(), new Range(0, 2), new Range(2, 4));
        assertEquals(0x43, part.data().get(ValueLayout.JAVA_BYTE, 0));
        assertEquals((byte) 0x87, part.data().get(ValueLayout.JAVA_BYTE, 1));
        String message = "of type F4 cannot be sliced as [Range[start=0, stop=2], Range[start=%d, stop=%d]]: the slice "
                + "cuts through a byte";
        assertSliceRefused(nibbles, message.formatted(1, 3), new Range(0, 2), new Range(1, 3));
        assertSliceRefused(nibbles, message.formatted(0, 3), new Range(0, 2), new Range(0, 3));
    }

    private static void assertSliceRefused(StoredTensor tensor, String message, Range... ranges) {
        var e = assertThrows(CheckpointException.class, () -> tensor.slice(Arena.ofAuto(), ranges));
        assertEquals("m.safetensors: tensor t " + message, e.getMessage());
    }

    private static float[] floatsOf(StoredTensor tensor, Range... ranges) {
        return tensor.slice(Arena.ofAuto(), ranges).toFloats();
    }

    private static StoredTensor floats(StoredType type, long[] shape, float... values) {
        MemorySegment data = MemorySegment.ofArray(new byte[values.length * type.bits() / 8]);
        for (int i = 0; i < values.length; i++) {
            FloatBits.set(data, type, i, values[i]);
        }
        assertTrue(data.byteSize() == type.bytes(shape));
        return new StoredTensor("t", FILE, type, shape, data);
    }
}
