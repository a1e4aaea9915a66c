package espalier.engine.weights;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.Collectors;
import java.util.zip.CRC32C;

/// A checksum of texts and float arrays in order, CRC-32C: two that differ in any single bit have different ones.
public final class ValuesChecksum {
    private static final int FLOATS_PER_PIECE = 1 << 16;

    private final CRC32C crc = new CRC32C();
    private final ByteBuffer piece =
            ByteBuffer.allocate(FLOATS_PER_PIECE * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);

    /// Of nothing.
    public ValuesChecksum() {}

    /// @param text any
    public void add(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        crc.update(ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).flip());
        crc.update(bytes);
    }

    /// @param name of the tensor
    /// @param shape its dimensions
    /// @param values their product of values, taken as bits
    public void add(String name, long[] shape, float[] values) {
        add(name + Arrays.stream(shape).mapToObj(size -> " " + size).collect(Collectors.joining()));
        for (int at = 0; at < values.length; at += FLOATS_PER_PIECE) {
            int count = Math.min(FLOATS_PER_PIECE, values.length - at);
            piece.clear().asFloatBuffer().put(values, at, count);
            crc.update(piece.limit(count * Float.BYTES));
        }
    }

    /// @return of all so far, eight hexadecimal digits
    public String text() {
        return "%08x".formatted(crc.getValue());
    }
}
