package espalier.engine.weights;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.function.LongConsumer;

/// Looks for NaN and infinity, eight bytes at a time: a value is neither exactly if its exponent bits are all ones.
///
/// Adding one at the exponent's lowest bit carries into the sign bit of the same lane then and only then. Reads are
/// scalar on purpose: a fault in them is an exception, see [SafetensorsFile].
final class NonFiniteScan {
    private static final long CHUNK_BYTES = 1 << 24;

    private final StoredTensor tensor;
    private final int laneBytes;
    private final long exponent;
    private final long one;
    private final long sign;

    private NonFiniteScan(StoredTensor tensor, long exponent, int laneBytes) {
        this.tensor = tensor;
        this.laneBytes = laneBytes;
        this.exponent = exponent;
        long lowest = exponent & -exponent;
        for (int shift = 8 * laneBytes; shift < 64; shift *= 2) {
            lowest |= lowest << shift;
        }
        this.one = lowest;
        this.sign = exponent + lowest;
    }

    /// @param progress told the bytes scanned since it was told last
    /// @throws CheckpointException naming the first value that is not finite, or a type that has no rule here
    static void check(StoredTensor tensor, LongConsumer progress) {
        switch (tensor.type()) {
            case F16 -> new NonFiniteScan(tensor, 0x7C00_7C00_7C00_7C00L, 2).run(progress);
            case BF16 -> new NonFiniteScan(tensor, 0x7F80_7F80_7F80_7F80L, 2).run(progress);
            case F32, C64 -> new NonFiniteScan(tensor, 0x7F80_0000_7F80_0000L, 4).run(progress);
            case F64 -> new NonFiniteScan(tensor, 0x7FF0_0000_0000_0000L, 8).run(progress);
            case F8_E5M2 -> new NonFiniteScan(tensor, 0x7C7C_7C7C_7C7C_7C7CL, 1).run(progress);
            case F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ -> throw CheckpointException.in(
                    tensor.file(),
                    "tensor " + tensor.name() + " has type " + tensor.type() + ", which is not checked for NaN");
            // Every bit pattern of these is a finite number.
            case BOOL, F4, F6_E2M3, F6_E3M2, U8, I8, I16, U16, I32, U32, I64, U64 ->
                    progress.accept(tensor.data().byteSize());
        }
    }

    private void run(LongConsumer progress) {
        MemorySegment data = tensor.data();
        for (long at = 0; at < data.byteSize(); at += CHUNK_BYTES) {
            MemorySegment chunk = data.asSlice(at, Math.min(CHUNK_BYTES, data.byteSize() - at));
            long begin = at;
            SafetensorsFile.guarded(tensor.file(), () -> {
                if (!isFinite(chunk)) {
                    throw describe(begin, chunk);
                }
                return chunk;
            });
            progress.accept(chunk.byteSize());
        }
    }

    private boolean isFinite(MemorySegment chunk) {
        long words = chunk.byteSize() & -8;
        long carries = 0;
        for (long at = 0; at < words; at += 8) {
            carries |= (chunk.get(FloatBits.LE_LONG, at) & exponent) + one;
        }
        return ((carries | carryOf(chunk, words)) & sign) == 0;
    }

    /// The carries of up to eight bytes from `at`, the missing ones zero.
    private long carryOf(MemorySegment chunk, long at) {
        long word = 0;
        for (long i = at; i < Math.min(at + 8, chunk.byteSize()); i++) {
            word |= (chunk.get(ValueLayout.JAVA_BYTE, i) & 0xFFL) << 8 * (i - at);
        }
        return (word & exponent) + one;
    }

    private CheckpointException describe(long begin, MemorySegment chunk) {
        long at = 0;
        while ((carryOf(chunk, at) & sign) == 0) {
            at += 8;
        }
        long lane = Long.numberOfTrailingZeros(carryOf(chunk, at) & sign) / (8L * laneBytes);
        long index = (begin + at) / laneBytes + lane;
        String value = tensor.type().isWeightFloat() ? Float.toString(tensor.get(index)) : "a value that is not finite";
        return CheckpointException.in(
                tensor.file(),
                "tensor " + tensor.name() + " " + Arrays.toString(tensor.shape()) + " has " + value + " at flat index "
                        + index + ", expected finite weights");
    }
}
