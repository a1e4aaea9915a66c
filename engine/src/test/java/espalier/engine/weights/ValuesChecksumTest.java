package espalier.engine.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Files have these checksums, so they stay as they are.
class ValuesChecksumTest {
    private static void putText(ByteBuffer bytes, String text) {
        byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
        bytes.order(ByteOrder.BIG_ENDIAN).putInt(encoded.length).put(encoded);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 65_536, 140_001})
    void isOfLengthsTextsAndLittleEndianBits(int count) {
        Random random = new Random(5);
        float[] values = new float[count];
        ByteBuffer bytes = ByteBuffer.allocate(100 + 4 * count);
        putText(bytes, "é");
        putText(bytes, "w " + count + " 1");
        bytes.order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < count; i++) {
            int bits = i == 0 ? 0x7f80_0001 : random.nextInt();
            values[i] = Float.intBitsToFloat(bits);
            bytes.putInt(bits);
        }
        CRC32C crc = new CRC32C();
        crc.update(bytes.flip());
        ValuesChecksum checksum = new ValuesChecksum();
        checksum.add("é");
        checksum.add("w", new long[] {count, 1}, values);
        assertEquals("%08x".formatted(crc.getValue()), checksum.text());
    }

    @Test
    void isEightDigits() {
        assertEquals("00000000", new ValuesChecksum().text());
    }
}
