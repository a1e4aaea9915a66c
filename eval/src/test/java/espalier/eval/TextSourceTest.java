package espalier.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextSourceTest {
    @TempDir
    private Path folder;

    private Path file(String name, byte[] content) throws IOException {
        return Files.write(folder.resolve(name), content);
    }

    private Path file(String name, String content) throws IOException {
        return file(name, content.getBytes(StandardCharsets.UTF_8));
    }

    private static byte[] gzip(String content) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(content.getBytes(StandardCharsets.UTF_8));
        }
        return out.toByteArray();
    }

    private static void assertMessage(String message, Path file) {
        assertEquals(message, assertThrows(TextFormatException.class, () -> TextSource.read(file)).getMessage());
    }

    @Test
    void joinsDifferOnTheSameLines() throws IOException {
        TextSource source = TextSource.read(file("a.txt", " one \n\n \t\ntwo\u00a0\nthree"));
        assertEquals(" one \n\n\n\n\n\n\n" + "two\u00a0\n\n\nthree", source.join(Join.WIKITEXT).text());
        assertEquals("one\n\n\n\n\n\ntwo\n\nthree", source.join(Join.PTB).text());
        assertEquals("one   two three", source.join(Join.LINES).text());
        assertEquals(" one \n\n \t\ntwo\u00a0\nthree", source.join(Join.WHOLE).text());
    }

    @Test
    void theUsualJoinGoesByTheName() throws IOException {
        assertEquals(Join.WIKITEXT, TextSource.read(file("wiki.valid.raw", "x")).usualJoin());
        assertEquals(Join.PTB, TextSource.read(file("ptb.valid.txt.gz", gzip("x"))).usualJoin());
        assertEquals(Join.WHOLE, TextSource.read(file("books.txt", "x")).usualJoin());
        assertEquals(Join.DOCUMENTS, TextSource.read(file("wiki.jsonl", "{\"text\":\"x\"}")).usualJoin());
    }

    @Test
    void paragraphsAreTrimmedAndNeverEmpty() throws IOException {
        TextSource source = TextSource.read(file("a.txt", "\n\n  one\n line \n \n\n\ttwo\r\n\r\n"));
        assertEquals(List.of("one\n line", "two"), source.paragraphs());
    }

    @Test
    void documentsStandBetweenTheLinesThatEndThem() throws IOException {
        String end = "<|endoftext|>";
        TextSource source = TextSource.read(
                file("a.txt", "one\n\n" + end + " inside\n" + end + "\r\n \n" + end + "\ntwo\n" + end + "\n"));
        assertEquals(Optional.of(List.of("one\n\n" + end + " inside", "two")), source.documents());
        assertEquals(Optional.empty(), TextSource.read(file("b.txt", "one " + end + "\n\ntwo")).documents());
        assertEquals(
                Optional.of(List.of("a", "")),
                TextSource.read(file("c.jsonl", "{\"text\":\"a\"}\n{\"text\":\"\"}")).documents());
    }

    @Test
    void jsonLinesGiveTheirTexts() throws IOException {
        String lines = "{\"idx\":0,\"text\":\"a\\n\\nb\\u00e9\"}\n\n{\"text\":\"\"}\n";
        TextSource source = TextSource.read(file("a.jsonl.gz", gzip(lines)));
        assertEquals(List.of("a\n\nbé", ""), source.rows());
        assertEquals("a\n\nbé\n\n", source.join(source.usualJoin()).text());
        assertEquals(List.of("a", "bé"), source.paragraphs());
    }

    @Test
    void badFilesAreNamedWithTheirLine() throws IOException {
        Path missing = folder.resolve("none.txt");
        assertThrows(NoSuchFileException.class, () -> TextSource.read(missing));
        assertMessage(folder + " is a folder, expected a text file", folder);
        assertMessage("/ is a folder, expected a text file", Path.of("/"));
        Path empty = file("empty.txt", " \n\t\n");
        assertMessage(empty + " holds no text", empty);
        Path latin = file("latin.txt", "one\ntwo \u00e9\n".getBytes(StandardCharsets.ISO_8859_1));
        assertMessage(latin + ": line 2: byte 0xe9 at offset 8 is not UTF-8", latin);
        Path cutCharacter = file("cut.txt", new byte[] {'a', (byte) 0xC3});
        assertMessage(cutCharacter + ": line 1: byte 0xc3 at offset 1 is not UTF-8", cutCharacter);
        byte[] whole = gzip("some text that is long enough to be cut");
        Path cut = file("cut.txt.gz", Arrays.copyOf(whole, whole.length - 12));
        assertMessage(cut + " is not a complete gzip file: Unexpected end of ZLIB input stream", cut);
        Path notGzip = file("plain.txt.gz", "text");
        assertMessage(notGzip + " is not a complete gzip file: Not in GZIP format", notGzip);
    }

    @Test
    void badJsonLinesAreNamedWithTheirLine() throws IOException {
        assertRowMessage("line 2: field text is missing, expected a string", "{\"text\":\"a\"}\n{\"txt\":\"b\"}");
        assertRowMessage("line 1: field text is NUMBER, expected a string", "{\"text\":5}");
        assertRowMessage("line 1: field text is missing, expected a string", "[1]");
        String message = assertThrows(
                        TextFormatException.class,
                        () -> TextSource.read(file("broken.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\"")).rows())
                .getMessage();
        assertTrue(message.startsWith(folder.resolve("broken.jsonl") + ": line 2: not JSON: Unexpected"), message);
    }

    private void assertRowMessage(String message, String lines) throws IOException {
        TextSource source = TextSource.read(file("rows.jsonl", lines));
        assertEquals(
                source.file() + ": " + message,
                assertThrows(TextFormatException.class, source::rows).getMessage());
    }

    @Test
    void aJoinForTheOtherKindOfFileIsRefused() throws IOException {
        TextSource source = TextSource.read(file("a.jsonl", "{\"text\":\"x\"}"));
        assertEquals(
                "join ptb does not fit " + source.file() + ": JSON Lines have join documents, plain text any other",
                assertThrows(IllegalArgumentException.class, () -> source.join(Join.PTB)).getMessage());
    }
}
