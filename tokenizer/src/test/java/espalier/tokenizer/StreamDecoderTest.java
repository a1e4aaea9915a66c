package espalier.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import org.junit.jupiter.api.Test;

class StreamDecoderTest {
    private static int id(Tokenizer tokenizer, String token) {
        return tokenizer.tokenId(token).orElseThrow();
    }

    @Test
    void byteLevelTextComesAsSoonAsACharacterIsWhole() throws IOException {
        Tokenizer tokenizer = Tokenizer.load(SmallGoldenTest.folder("bytes"));
        StreamDecoder stream = tokenizer.streamDecoder(false);
        assertEquals("a", stream.accept(id(tokenizer, "a")));
        assertEquals("", stream.accept(id(tokenizer, "\u00c3"))); // 0xC3
        assertEquals("\u00e9", stream.accept(id(tokenizer, "\u00a9"))); // 0xA9
        assertEquals("", stream.accept(id(tokenizer, "\u00c3")));
        assertEquals("\uFFFDa", stream.accept(id(tokenizer, "a")));
        assertEquals("", stream.accept(id(tokenizer, "\u00f0")));
        assertEquals("\uFFFD", stream.finish());
    }

    @Test
    void aRunOfBytePiecesIsTextOnlyAsAWhole() throws IOException {
        Tokenizer tokenizer = Tokenizer.load(SmallGoldenTest.folder("fallback"));
        StreamDecoder stream = tokenizer.streamDecoder(false);
        assertEquals("", stream.accept(id(tokenizer, "<0xC3>")));
        assertEquals("", stream.accept(id(tokenizer, "<0xA9>")));
        assertEquals("\u00e9a", stream.accept(id(tokenizer, "a")));
        assertEquals("", stream.accept(id(tokenizer, "<0x0A>")));
        assertEquals("", stream.accept(id(tokenizer, "<0xFF>")));
        assertEquals("\uFFFD\uFFFD", stream.finish());
    }

    @Test
    void onlyTheFirstBlanksAreStripped() throws IOException {
        Tokenizer tokenizer = Tokenizer.load(SmallGoldenTest.folder("fallback"));
        StreamDecoder stream = tokenizer.streamDecoder(true);
        int blank = id(tokenizer, "\u2581");
        assertEquals("", stream.accept(id(tokenizer, "<s>")));
        assertEquals("", stream.accept(blank));
        assertEquals("a", stream.accept(id(tokenizer, "\u2581a")));
        assertEquals(" ", stream.accept(blank));
        assertEquals("", stream.finish());
    }

    @Test
    void aFinishedStreamTakesNothingMore() throws IOException {
        Tokenizer tokenizer = Tokenizer.load(SmallGoldenTest.folder("bytes"));
        StreamDecoder stream = tokenizer.streamDecoder(false);
        stream.finish();
        assertEquals("this stream was finished; take a new one for another text",
                assertThrows(IllegalStateException.class, () -> stream.accept(0)).getMessage());
        assertThrows(IllegalStateException.class, stream::finish);
    }

    @Test
    void idsOutsideTheVocabularyAreRefused() throws IOException {
        Tokenizer tokenizer = Tokenizer.load(SmallGoldenTest.folder("bytes"));
        assertEquals("token id 273 is not in the vocabulary of 273 tokens",
                assertThrows(IllegalArgumentException.class, () -> tokenizer.decode(new int[] {1, 273}, false))
                        .getMessage());
        assertEquals("token id -1 is not in the vocabulary of 273 tokens",
                assertThrows(IllegalArgumentException.class, () -> tokenizer.streamDecoder(true).accept(-1))
                        .getMessage());
    }
}
