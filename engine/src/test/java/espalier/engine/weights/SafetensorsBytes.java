package espalier.engine.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/// Safetensors files built by hand, valid or not.
final class SafetensorsBytes {
    private SafetensorsBytes() {}

    /// A file with this header and zeros for data.
    static Path write(Path file, String header, int dataBytes) throws IOException {
        return write(file, header.getBytes(StandardCharsets.UTF_8), dataBytes);
    }

    static Path write(Path file, byte[] header, int dataBytes) throws IOException {
        return writeDeclaring(file, header.length, header, dataBytes);
    }

    static Path writeDeclaring(Path file, long declared, byte[] header, int dataBytes) throws IOException {
        byte[] bytes = new byte[8 + header.length + dataBytes];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(declared).put(header);
        return Files.write(file, bytes);
    }

    static String entry(String name, String type, String shape, String offsets) {
        return "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":%s}".formatted(name, type, shape, offsets);
    }

    /// Checks that opening fails with exactly this message after the file's name.
    static void assertRefused(Path file, String message) {
        CheckpointException e = assertThrows(CheckpointException.class, () -> SafetensorsFile.open(file).close());
        assertEquals(file + message, e.getMessage());
    }
}
