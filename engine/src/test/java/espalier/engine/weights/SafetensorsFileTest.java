package espalier.engine.weights;

import static espalier.engine.weights.SafetensorsBytes.assertRefused;
import static espalier.engine.weights.SafetensorsBytes.entry;
import static espalier.engine.weights.SafetensorsBytes.write;
import static espalier.engine.weights.SafetensorsBytes.writeDeclaring;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// One test for each rule of the format; names follow the reference implementation's errors.
class SafetensorsFileTest {
    private static final String F32X2 = entry("a", "F32", "[2]", "[0,8]");

    @TempDir
    Path folder;

    private Path file;

    @BeforeEach
    void nameFile() {
        file = folder.resolve("m.safetensors");
    }

    @Test
    void headerTooSmall() throws IOException {
        Files.write(file, new byte[7]);
        assertRefused(file, ": has 7 bytes, expected at least 8: the header's length");
        Files.write(file, new byte[0]);
        assertRefused(file, ": has 0 bytes, expected at least 8: the header's length");
    }

    @ParameterizedTest
    @CsvSource({"100000001, 100000001", "-1, 18446744073709551615", "-9223372036854775808, 9223372036854775808"})
    void headerTooLarge(long declared, String shown) throws IOException {
        writeDeclaring(file, declared, new byte[8], 0);
        assertRefused(file, ": declares a header of " + shown
                + " bytes, expected at most 100000000; is it a safetensors file?");
    }

    @Test
    void invalidHeaderLength() throws IOException {
        writeDeclaring(file, 100_000_000, "{}".getBytes(StandardCharsets.UTF_8), 0);
        assertRefused(file, ": declares a header of 100000000 bytes, but only 2 bytes follow; the file is cut short");
        writeDeclaring(file, 3, "{}".getBytes(StandardCharsets.UTF_8), 0);
        assertRefused(file, ": declares a header of 3 bytes, but only 2 bytes follow; the file is cut short");
    }

    @Test
    void invalidHeaderBytesThatAreNotUtf8() throws IOException {
        write(file, new byte[] {'{', '"', (byte) 0xFF, '"', '}'}, 0);
        assertRefused(file, ": header is not UTF-8 at byte 2");
        // A surrogate in UTF-8, an overlong slash, a character that is cut off.
        write(file, new byte[] {'{', '"', (byte) 0xED, (byte) 0xA0, (byte) 0x80, '"', '}'}, 0);
        assertRefused(file, ": header is not UTF-8 at byte 2");
        write(file, new byte[] {'{', '"', (byte) 0xC0, (byte) 0xAF, '"', '}'}, 0);
        assertRefused(file, ": header is not UTF-8 at byte 2");
        write(file, new byte[] {'{', '}', (byte) 0xE2, (byte) 0x82}, 0);
        assertRefused(file, ": header is not UTF-8 at byte 2");
    }

    @Test
    void byteOrderMarkAndOtherEncodings() throws IOException {
        write(file, "\uFEFF{}".getBytes(StandardCharsets.UTF_8), 0);
        assertRefused(file, ": header starts with a byte order mark, expected plain UTF-8");
        write(file, "{}".getBytes(StandardCharsets.UTF_16), 0);
        assertRefused(file, ": header is not UTF-8 at byte 0");
        write(file, "{}".getBytes(StandardCharsets.UTF_16LE), 0);
        assertMessageStarts(": header: Illegal character ((CTRL-CHAR, code 0))");
        write(file, "{}".getBytes(StandardCharsets.UTF_32BE), 0);
        assertMessageStarts(": header: Illegal character ((CTRL-CHAR, code 0))");
    }

    @ParameterizedTest
    @ValueSource(strings = {"[]", "1", "null", "\"a\"", " "})
    void notAnObject(String header) throws IOException {
        write(file, header, 0);
        assertRefused(file, ": header is not a JSON object");
    }

    @Test
    void brokenJson() throws IOException {
        write(file, "{\"a\":", 0);
        assertMessageStarts(": header: Unexpected end-of-input");
        write(file, "{'a':1}", 0);
        assertMessageStarts(": header: Unexpected character (''' (code 39))");
        write(file, "{} // comment", 0);
        assertMessageStarts(": header: Unexpected character ('/' (code 47))");
        write(file, "{" + entry("a", "U8", "[01]", "[0,1]") + "}", 1);
        assertMessageStarts(": header: Invalid numeric value: Leading zeroes not allowed");
    }

    @Test
    void trailingBytes() throws IOException {
        write(file, "{}\0", 0);
        assertMessageStarts(": header: Illegal character ((CTRL-CHAR, code 0))");
        write(file, "{} {}", 0);
        assertRefused(file, ": header has START_OBJECT after its end");
        write(file, "{}1", 0);
        assertRefused(file, ": header has VALUE_NUMBER_INT after its end");
    }

    @Test
    void unknownDtype() throws IOException {
        write(file, "{" + entry("a", "F33", "[2]", "[0,8]") + "}", 8);
        assertRefused(file, ": tensor a has dtype \"F33\", expected one of " + Arrays.toString(StoredType.values()));
        write(file, "{" + entry("a", "f32", "[2]", "[0,8]") + "}", 8);
        assertRefused(file, ": tensor a has dtype \"f32\", expected one of " + Arrays.toString(StoredType.values()));
        write(file, "{\"a\":{\"dtype\":3,\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
        assertRefused(file, ": tensor a: dtype is VALUE_NUMBER_INT, expected a string");
    }

    @Test
    void missingField() throws IOException {
        write(file, "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
        assertRefused(file, ": tensor a has no dtype");
        write(file, "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8);
        assertRefused(file, ": tensor a has no shape");
        write(file, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8);
        assertRefused(file, ": tensor a has no data_offsets");
        write(file, "{\"a\":3}", 8);
        assertRefused(file, ": tensor a is VALUE_NUMBER_INT in the header, expected an object");
    }

    @ParameterizedTest
    @ValueSource(strings = {"-1", "-0", "1.0", "1e1", "\"2\"", "null", "true"})
    void numberThatIsNoCount(String number) throws IOException {
        String shown = number.replace("\"", "");
        write(file, "{" + entry("a", "F32", "[" + number + "]", "[0,8]") + "}", 8);
        assertRefused(file, ": tensor a: shape holds " + shown + ", expected integers from 0");
        write(file, "{" + entry("a", "F32", "[2]", "[0," + number + "]") + "}", 8);
        assertRefused(file, ": tensor a: data_offsets holds " + shown + ", expected integers from 0");
    }

    @Test
    void numberBeyondLong() throws IOException {
        write(file, "{" + entry("a", "F32", "[2]", "[0,18446744073709551615]") + "}", 8);
        assertRefused(file, ": tensor a: data_offsets holds 18446744073709551615, larger than 2^63 - 1");
        write(file, "{" + entry("a", "F32", "[9223372036854775808]", "[0,8]") + "}", 8);
        assertRefused(file, ": tensor a: shape holds 9223372036854775808, larger than 2^63 - 1");
    }

    @Test
    void shapeThatIsNoArray() throws IOException {
        write(file, "{" + entry("a", "F32", "2", "[0,8]") + "}", 8);
        assertRefused(file, ": tensor a: shape is VALUE_NUMBER_INT, expected an array of integers");
        write(file, "{" + entry("a", "F32", "[[2]]", "[0,8]") + "}", 8);
        assertRefused(file, ": tensor a: shape holds START_ARRAY, expected integers");
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {"[]; 0", "[0]; 1", "[0,8,8]; 3"})
    void dataOffsetsNotTwo(String offsets, int count) throws IOException {
        write(file, "{" + entry("a", "F32", "[2]", offsets) + "}", 8);
        assertRefused(file, ": tensor a has " + count + " data_offsets, expected 2");
    }

    @Test
    void metadataThatIsNoString() throws IOException {
        write(file, "{\"__metadata__\":{\"k\":1}}", 0);
        assertRefused(file, ": header: __metadata__ entry k is VALUE_NUMBER_INT, expected a string");
        write(file, "{\"__metadata__\":{\"k\":null}}", 0);
        assertRefused(file, ": header: __metadata__ entry k is VALUE_NULL, expected a string");
        write(file, "{\"__metadata__\":[]}", 0);
        assertRefused(file, ": header: __metadata__ is START_ARRAY, expected an object of strings");
    }

    @Test
    void nesting() throws IOException {
        String tensor = "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":%s%s}";
        write(file, "{" + tensor.formatted("[".repeat(126), "]".repeat(126)) + "}", 0);
        SafetensorsFile.open(file).close();
        write(file, "{" + tensor.formatted("[".repeat(127), "]".repeat(127)) + "}", 0);
        assertMessageStarts(": header: Document nesting depth (129) exceeds the maximum allowed (128");
    }

    @Test
    void tooManyEntries() throws IOException {
        write(file, "{\"a\":[" + "1,".repeat(2_000_001) + "1]}", 0);
        assertRefused(file, ": header has 2000001 commas, expected at most 2000000");
    }

    @Test
    void invalidOffset() throws IOException {
        write(file, "{" + entry("a", "F32", "[2]", "[8,16]") + "}", 16);
        assertRefused(file, ": tensor a begins at offset 8, expected 0 where the data before it ends");
        write(file, "{" + F32X2 + "," + entry("b", "F32", "[2]", "[12,20]") + "}", 20);
        assertRefused(file, ": tensor b begins at offset 12, expected 8 where the data before it ends");
        write(file, "{" + F32X2 + "," + entry("b", "F32", "[2]", "[4,12]") + "}", 12);
        assertRefused(file, ": tensor b begins at offset 4, expected 8 where the data before it ends");
        write(file, "{" + F32X2 + "," + entry("b", "F32", "[2]", "[0,8]") + "}", 8);
        assertMessageStarts(": tensor ");
        write(file, "{" + F32X2 + "," + entry("b", "F32", "[0]", "[8,4]") + "}", 8);
        assertRefused(file, ": tensor b ends at offset 4 before it begins at 8");
    }

    @Test
    void validationOverflow() throws IOException {
        write(file, "{" + entry("a", "F32", "[4294967296,4294967296]", "[0,8]") + "}", 8);
        assertRefused(file, ": tensor a: the size of shape [4294967296, 4294967296] of F32 overflows 64 bits");
        // The product of the shape fits, times 32 bits it does not.
        write(file, "{" + entry("a", "F32", "[576460752303423488]", "[0,8]") + "}", 8);
        assertRefused(file, ": tensor a: the size of shape [576460752303423488] of F32 overflows 64 bits");
        // 2^62 + 1 elements times 4 bytes would wrap to 4.
        write(file, "{" + entry("a", "F32", "[4611686018427387905]", "[0,4]") + "}", 4);
        assertRefused(file, ": tensor a: the size of shape [4611686018427387905] of F32 overflows 64 bits");
    }

    @Test
    void misalignedSlice() throws IOException {
        write(file, "{" + entry("a", "F4", "[3]", "[0,2]") + "}", 2);
        assertRefused(file, ": tensor a: shape [3] of F4 takes 12 bits, expected whole bytes");
        write(file, "{" + entry("a", "F6_E2M3", "[2]", "[0,2]") + "}", 2);
        assertRefused(file, ": tensor a: shape [2] of F6_E2M3 takes 12 bits, expected whole bytes");
    }

    @Test
    void tensorInvalidInfo() throws IOException {
        write(file, "{" + entry("a", "F32", "[3]", "[0,8]") + "}", 8);
        assertRefused(file, ": tensor a has 8 bytes, expected 12 for F32 [3]");
        write(file, "{" + entry("a", "F32", "[]", "[0,8]") + "}", 8);
        assertRefused(file, ": tensor a has 8 bytes, expected 4 for F32 []");
    }

    @Test
    void metadataIncompleteBuffer() throws IOException {
        write(file, "{" + F32X2 + "}", 7);
        assertRefused(
                file, ": has 7 bytes after the header, expected 8 as its tensors end there; the file is cut short");
        write(file, "{" + F32X2 + "}", 9);
        assertRefused(file, ": has 9 bytes after the header, expected 8 as its tensors end there");
        write(file, "{}", 1);
        assertRefused(file, ": has 1 bytes after the header, expected 0 as its tensors end there");
    }

    @Test
    void duplicateKeys() throws IOException {
        write(file, "{" + F32X2 + "," + F32X2 + "}", 8);
        assertMessageStarts(": header: Duplicate field 'a'");
        write(file, "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0);
        assertMessageStarts(": header: Duplicate field 'k'");
        write(file, "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
        assertMessageStarts(": header: Duplicate field 'dtype'");
        // The same name, once with an escape.
        write(file, "{" + F32X2 + "," + entry("\\u0061", "F32", "[2]", "[8,16]") + "}", 16);
        assertMessageStarts(": header: Duplicate field 'a'");
    }

    @Test
    void loneSurrogateEscapes() throws IOException {
        write(file, "{" + entry("\\ud83d", "F32", "[2]", "[0,8]") + "}", 8);
        assertRefused(file, ": header has half a surrogate pair in the text \"\\ud83d\"");
        write(file, "{\"__metadata__\":{\"k\":\"\\ude00\\ud83d\"}}", 0);
        assertRefused(file, ": header has half a surrogate pair in the text \"\\ude00\\ud83d\"");
        write(file, "{" + entry("\\ud83d\\ude00", "F32", "[2]", "[0,8]") + "}", 8);
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            assertTrue(open.find("😀").isPresent());
        }
    }

    @Test
    void messagesDoNotDriveATerminal() throws IOException {
        write(file, "{\"\\u001b[31m\\u202e\\n\":3}", 0);
        assertRefused(
                file, ": tensor \\u001b[31m\\u202e\\u000a is VALUE_NUMBER_INT in the header, expected an object");
        write(file, "{\"" + "n".repeat(100_000) + "\":3}", 0);
        var e = assertThrows(CheckpointException.class, () -> SafetensorsFile.open(file).close());
        assertEquals(4001, e.getMessage().length());
        assertTrue(e.getMessage().endsWith("nnn…"));
    }

    @Test
    void gitLfsPointer() throws IOException {
        Files.writeString(file, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n");
        assertRefused(file, ": is a Git LFS pointer, not the file itself; fetch it with \"git lfs pull\"");
    }

    @Test
    void filesThatAreNone() {
        assertRefused(folder, ": is not a regular file");
        assertThrows(NoSuchFileException.class, () -> SafetensorsFile.open(file));
    }

    @Test
    void acceptsEmptySet() throws IOException {
        write(file, "{}      ", 0);
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            assertTrue(open.tensors().isEmpty());
            assertEquals(Map.of(), open.metadata());
        }
    }

    @Test
    void acceptsScalarsAndEmptyTensors() throws IOException {
        write(file, "{" + entry("s", "F32", "[]", "[0,4]") + "," + entry("z", "F32", "[3,0,2]", "[4,4]") + ","
                + entry("y", "F32", "[0]", "[0,0]") + "," + entry("big", "U8", "[0,9223372036854775807]", "[4,4]")
                + "}", 4);
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            assertEquals(1, open.tensor("s").elements());
            assertEquals(0, open.tensor("z").elements());
            assertArrayEquals(new long[] {3, 0, 2}, open.tensor("z").shape());
            assertEquals(0, open.tensor("y").data().byteSize());
            assertEquals(0, open.tensor("big").elements());
        }
    }

    @Test
    void acceptsWhitespaceAnyOrderExtraFieldsAndNull() throws IOException {
        write(file, " \t\r\n{" + entry("b", "F32", "[2]", "[8,16]") + ", \"a\":{\"x\":{\"y\":[1,{}]},"
                + "\"data_offsets\":[0,8],\"shape\":[2],\"dtype\":\"F32\"},\"__metadata__\":null} \n\t\r", 16);
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            assertEquals(List.of("a", "b"), open.tensors().stream().map(TensorInfo::name).toList());
        }
    }

    @Test
    void acceptsUnalignedDataAndNaN() throws IOException {
        byte[] header = ("{" + entry("a", "U8", "[1]", "[0,1]") + "," + entry("b", "F32", "[1]", "[1,5]") + "} ")
                .getBytes(StandardCharsets.UTF_8);
        write(file, header, 5);
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length - 1] = 0x7F;
        bytes[bytes.length - 2] = (byte) 0xC0;
        Files.write(file, bytes);
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            assertTrue(Float.isNaN(open.tensor("b").get(0)));
        }
    }

    @ParameterizedTest
    @EnumSource(StoredType.class)
    void acceptsEveryType(StoredType type) throws IOException {
        write(file, "{" + entry("a", type.name(), "[4]", "[0," + type.bits() / 2 + "]") + "}", type.bits() / 2);
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            TensorInfo info = open.find("a").orElseThrow();
            assertEquals(type, info.type());
            assertEquals(type.bits() / 2, info.bytes());
        }
    }

    @Test
    void givesReadOnlyDataUntilClosed() throws IOException {
        write(file, "{\"__metadata__\":{\"format\":\"pt\"}," + F32X2 + "}", 8);
        SafetensorsFile open = SafetensorsFile.open(file);
        assertEquals(Map.of("format", "pt"), open.metadata());
        assertEquals(file, open.path());
        MemorySegment data = open.tensor("a").data();
        assertTrue(data.isReadOnly() && data.isNative());
        open.close();
        open.close();
        assertFalse(data.scope().isAlive());
        assertThrows(IllegalStateException.class, () -> data.get(ValueLayout.JAVA_BYTE, 0));
    }

    @Test
    void namesTheFileWhoseTensorIsMissing() throws IOException {
        write(file, "{" + F32X2 + "}", 8);
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            var e = assertThrows(CheckpointException.class, () -> open.tensor("b"));
            assertEquals(file + ": has no tensor b among its 1", e.getMessage());
        }
    }

    private void assertMessageStarts(String start) {
        var e = assertThrows(CheckpointException.class, () -> SafetensorsFile.open(file).close());
        assertTrue(e.getMessage().startsWith(file + start), e.getMessage());
    }
}
