package espalier.engine.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsWriterTest {
    @TempDir
    Path folder;

    private Path file;

    @BeforeEach
    void nameFile() {
        file = folder.resolve("m.safetensors");
    }

    @AfterEach
    void leavesNoTemporaryFile() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(List.of(), files.filter(f -> !f.equals(file)).toList());
        }
    }

    @Test
    void writesTheBytesOfTheFormat() throws IOException {
        SafetensorsWriter.write(file, Map.of("format", "pt"), List.of(bytes("a", StoredType.U8, 1, 2)));
        String header = "{\"__metadata__\":{\"format\":\"pt\"},"
                + "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}";
        String padded = header + " ".repeat(-header.length() & 7);
        ByteBuffer written = ByteBuffer.wrap(Files.readAllBytes(file));
        assertEquals(padded.length(), Long.reverseBytes(written.getLong()));
        byte[] json = new byte[padded.length()];
        written.get(json);
        assertEquals(padded, new String(json, StandardCharsets.UTF_8));
        assertEquals(2, written.remaining());
        assertEquals(0x0102, written.getShort());
    }

    @Test
    void writesAnEmptySet() throws IOException {
        SafetensorsWriter.write(file, Map.of(), List.of());
        assertArrayEquals("\10\0\0\0\0\0\0\0{}      ".getBytes(StandardCharsets.UTF_8), Files.readAllBytes(file));
        SafetensorsFile.open(file).close();
    }

    @Test
    void ordersByTypeThenName() throws IOException {
        StoredType[] types = StoredType.values();
        List<TensorToWrite> tensors = Stream.concat(
                        Arrays.stream(types).map(type -> zeros("t", type)),
                        Stream.of("z", "a", "😀", "\uFF5A").map(name -> zeros(name, StoredType.F32)))
                .map(t -> new TensorToWrite(t.name() + "." + t.type(), t.type(), t.shape(), t.source()))
                .collect(Collectors.toList());
        Collections.reverse(tensors);
        Collections.swap(tensors, 2, 9);
        SafetensorsWriter.write(file, Map.of(), tensors);
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            List<String> names = open.tensors().stream().map(TensorInfo::name).toList();
            // U+FF5A comes before U+1F600 by code point, though not by UTF-16 unit.
            assertEquals(
                    List.of(
                            "t.U64", "t.I64", "t.F64", "t.C64", "a.F32", "t.F32", "z.F32", "\uFF5A.F32", "😀.F32",
                            "t.U32", "t.I32", "t.BF16", "t.F16", "t.U16", "t.I16", "t.F8_E5M2FNUZ", "t.F8_E4M3FNUZ",
                            "t.F8_E8M0", "t.F8_E4M3", "t.F8_E5M2", "t.I8", "t.U8", "t.F6_E3M2", "t.F6_E2M3", "t.F4",
                            "t.BOOL"),
                    names);
            long base = open.data(open.tensors().iterator().next()).address();
            assertEquals(0, base % 8);
            for (TensorInfo tensor : open.tensors()) {
                assertEquals(0, tensor.begin() % Math.max(1, tensor.type().bits() / 8), tensor.name());
            }
        }
    }

    @Test
    void convertsFloats() throws IOException {
        float[] values = new float[100_003];
        for (int i = 0; i < values.length; i++) {
            values[i] = i / 7f - 5000;
        }
        long[] shape = {values.length};
        SafetensorsWriter.write(file, Map.of(), List.of(
                TensorToWrite.ofFloats("f32", StoredType.F32, shape, values),
                TensorToWrite.ofFloats("bf16", StoredType.BF16, shape, values),
                TensorToWrite.ofFloats("f64", StoredType.F64, shape, values)));
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            assertArrayEquals(values, open.tensor("f32").toFloats());
            assertArrayEquals(values, open.tensor("f64").toFloats());
            float[] rounded = open.tensor("bf16").toFloats();
            for (int i = 0; i < values.length; i++) {
                assertEquals(FloatBits.fromBf16(FloatBits.toBf16(values[i])), rounded[i]);
            }
        }
        var e = assertThrows(
                IllegalArgumentException.class,
                () -> TensorToWrite.ofFloats("t", StoredType.F32, new long[] {3}, new float[2]));
        assertEquals("tensor t of F32 [3] cannot be written from 2 floats", e.getMessage());
    }

    @Test
    void replacesAMappedFileWithoutTouchingItsReaders() throws IOException {
        SafetensorsWriter.write(file, Map.of(), List.of(bytes("a", StoredType.U8, 1, 2)));
        try (SafetensorsFile old = SafetensorsFile.open(file)) {
            SafetensorsWriter.write(file, Map.of(), List.of(bytes("b", StoredType.U8, 3)));
            old.verifyUnchanged();
            assertEquals(1, old.tensor("a").data().get(ValueLayout.JAVA_BYTE, 0));
        }
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            assertTrue(open.find("b").isPresent() && open.find("a").isEmpty());
        }
    }

    @Test
    void failingSourceLeavesTheTargetAlone() throws IOException {
        SafetensorsWriter.write(file, Map.of(), List.of(bytes("a", StoredType.U8, 1)));
        byte[] before = Files.readAllBytes(file);
        TensorToWrite failing = new TensorToWrite("w", StoredType.U8, new long[] {4_000_000}, out -> {
            out.write(ByteBuffer.allocate(3_000_000));
            throw new IOException("No space left on device");
        });
        var e = assertThrows(IOException.class, () -> SafetensorsWriter.write(file, Map.of(), List.of(failing)));
        assertEquals("cannot write " + file + ": tensor w: No space left on device", e.getMessage());
        assertArrayEquals(before, Files.readAllBytes(file));
        TensorToWrite broken = new TensorToWrite("w", StoredType.U8, new long[] {4}, out -> {
            throw new IllegalStateException("a bug");
        });
        assertThrows(IllegalStateException.class, () -> SafetensorsWriter.write(file, Map.of(), List.of(broken)));
        assertArrayEquals(before, Files.readAllBytes(file));
    }

    @Test
    void interruptedWriteIsAnError() throws IOException {
        TensorToWrite tensor = new TensorToWrite("w", StoredType.U8, new long[] {4_000_000}, out -> {
            out.write(ByteBuffer.allocate(2_000_000));
            Thread.currentThread().interrupt();
            out.write(ByteBuffer.allocate(2_000_000));
        });
        var e = assertThrows(IOException.class, () -> SafetensorsWriter.write(file, Map.of(), List.of(tensor)));
        assertTrue(Thread.interrupted());
        assertEquals("cannot write " + file + ": interrupted", e.getMessage());
        assertInstanceOf(ClosedByInterruptException.class, e.getCause());
        assertTrue(Files.notExists(file));
    }

    @Test
    void sourceOfTheWrongLength() {
        var few = new TensorToWrite("w", StoredType.U8, new long[] {4}, out -> out.write(ByteBuffer.allocate(3)));
        var e = assertThrows(IOException.class, () -> SafetensorsWriter.write(file, Map.of(), List.of(few)));
        assertEquals("cannot write " + file + ": tensor w: its source gave 3 bytes, expected 4", e.getMessage());
        var many = new TensorToWrite("w", StoredType.U8, new long[] {4}, out -> out.write(ByteBuffer.allocate(5)));
        e = assertThrows(IOException.class, () -> SafetensorsWriter.write(file, Map.of(), List.of(many)));
        assertEquals(
                "cannot write " + file + ": tensor w: its source gave at least 1 bytes more than expected",
                e.getMessage());
    }

    @Test
    void missingFolderIsNamed() {
        Path lost = folder.resolve("no/m.safetensors");
        var e = assertThrows(IOException.class, () -> SafetensorsWriter.write(lost, Map.of(), List.of()));
        assertTrue(e.getMessage().startsWith("cannot write " + lost + ": NoSuchFileException "), e.getMessage());
        assertInstanceOf(NoSuchFileException.class, e.getCause());
    }

    @Test
    void refusesInvalidDeclarations() {
        assertRefused("tensor a is given twice", zeros("a", StoredType.U8), zeros("a", StoredType.F32));
        assertRefused("a tensor cannot be named __metadata__", zeros("__metadata__", StoredType.U8));
        assertRefused("a tensor cannot be named \ud83d", zeros("\ud83d", StoredType.U8));
        assertRefused(
                "tensor a: shape [3] of F4 takes 12 bits, expected whole bytes",
                new TensorToWrite("a", StoredType.F4, new long[] {3}, out -> {}));
        assertRefused(
                "tensor a: shape [-1] has a negative dimension",
                new TensorToWrite("a", StoredType.U8, new long[] {-1}, out -> {}));
    }

    private void assertRefused(String message, TensorToWrite... tensors) {
        var e = assertThrows(
                IllegalArgumentException.class, () -> SafetensorsWriter.write(file, Map.of(), List.of(tensors)));
        assertEquals(file + ": " + message, e.getMessage());
    }

    private static TensorToWrite zeros(String name, StoredType type) {
        return new TensorToWrite(
                name, type, new long[] {4}, ByteSource.of(MemorySegment.ofArray(new byte[type.bits() / 2])));
    }

    private static TensorToWrite bytes(String name, StoredType type, int... values) {
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return new TensorToWrite(
                name, type, new long[] {values.length}, ByteSource.of(MemorySegment.ofArray(bytes)));
    }
}
