package espalier.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import espalier.engine.weights.StoredTensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class Utf8ReaderTest {
    private static final int BUFFER = 65536;

    @TempDir
    private Path folder;

    private Path file(String name, byte[] content) throws IOException {
        return Files.write(folder.resolve(name), content);
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] gzip(byte[] content) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(content);
        }
        return out.toByteArray();
    }

    private static List<String> lines(Utf8Reader in) throws IOException {
        List<String> lines = new ArrayList<>();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            lines.add(line);
        }
        return lines;
    }

    /// A character of four bytes at each place around the end of the buffer, then lines longer than it.
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7})
    void linesAndCharactersGoOnBehindTheBuffer(int before) throws IOException {
        String start = "x".repeat(BUFFER - 5 + before) + "😀é\n";
        List<String> expected = List.of(start, "\n", "y".repeat(3 * BUFFER) + "é\r\n", "end");
        byte[] content = utf8(String.join("", expected));
        String hash = HexFormat.of().formatHex(StoredTensor.newSha256().digest(content));
        for (Path file : List.of(file("a.txt", content), file("a.txt.gz", gzip(content)))) {
            try (Utf8Reader in = Utf8Reader.open(file)) {
                assertEquals(Files.size(file), in.fileBytes());
                assertEquals(expected, lines(in));
                assertEquals(hash, in.sha256());
                assertEquals(in.fileBytes(), in.fileBytesRead());
            }
            try (Utf8Reader in = Utf8Reader.open(file)) {
                assertEquals(String.join("", expected), in.readAll());
            }
        }
    }

    @Test
    void aLookReadsNothing() throws IOException {
        try (Utf8Reader in = Utf8Reader.open(file("a.txt", utf8("\ufeffone\ntwo\n")))) {
            assertEquals("\ufeffone\ntwo\n", in.peek());
            in.skipByteOrderMark();
            in.skipByteOrderMark();
            assertEquals("one\ntwo\n", in.peek());
            assertEquals(
                    in.file() + " was not read to its end",
                    assertThrows(IllegalStateException.class, in::sha256).getMessage());
            assertEquals(List.of("one\n", "two\n"), lines(in));
            assertEquals("", in.peek());
            assertNull(in.readLine());
        }
    }

    @Test
    void whatIsNotUtf8IsNamedBehindTheFirstBufferToo() throws IOException {
        byte[] content = utf8(("y".repeat(99) + "\n").repeat(2000) + "ab?\n");
        content[content.length - 2] = (byte) 0xff;
        Path file = file("late.txt", content);
        try (Utf8Reader in = Utf8Reader.open(file)) {
            assertEquals(
                    file + ": line 2001: byte 0xff at offset 200002 is not UTF-8",
                    assertThrows(TextFormatException.class, () -> lines(in)).getMessage());
        }
    }

    @Test
    void filesThatAreNoGzipAreNamed() throws IOException {
        Path header = file("header.gz", Arrays.copyOf(gzip(utf8("text")), 4));
        assertEquals(
                header + " is not a complete gzip file: its header is cut off",
                assertThrows(TextFormatException.class, () -> Utf8Reader.open(header)).getMessage());
        Path damaged = file("damaged.gz", gzip(utf8("text ".repeat(1000))));
        byte[] bytes = Files.readAllBytes(damaged);
        bytes[bytes.length - 8] ^= 1;
        Files.write(damaged, bytes);
        try (Utf8Reader in = Utf8Reader.open(damaged)) {
            assertEquals(
                    damaged + " is not a complete gzip file: Corrupt GZIP trailer",
                    assertThrows(TextFormatException.class, () -> lines(in)).getMessage());
        }
    }
}
