package espalier.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Small tokenizers with every flag set somewhere; golden ids and texts are Hugging Face tokenizers 0.22.2's, made by
/// make_goldens.py beside them.
class SmallGoldenTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    static Path folder(String name) {
        try {
            return Path.of(SmallGoldenTest.class.getResource(name + "/tokenizer.json").toURI()).getParent();
        } catch (URISyntaxException e) {
            throw new AssertionError(e);
        }
    }

    private static int[] ids(JsonNode array) {
        int[] ids = new int[array.size()];
        Arrays.setAll(ids, i -> array.get(i).intValue());
        return ids;
    }

    @ParameterizedTest
    @ValueSource(strings = {"fallback", "phrase", "bytes"})
    void idsAndTextsAreThoseOfTheReference(String name) throws IOException {
        Tokenizer tokenizer = Tokenizer.load(folder(name));
        int encoded = 0;
        int decoded = 0;
        for (String line : Files.readString(folder(name).resolve("golden.jsonl")).split("\n")) {
            JsonNode golden = JSON.readTree(line);
            int[] ids = ids(golden.get("ids"));
            if (golden.has("text")) {
                encoded++;
                assertEquals(Arrays.toString(ids), Arrays.toString(tokenizer.encode(golden.get("text").textValue(),
                        new EncodeOptions(golden.get("add").booleanValue(), golden.get("recognise").booleanValue()))),
                        line);
            } else {
                decoded++;
                assertEquals(golden.get("decoded").textValue(), tokenizer.decode(ids, false), line);
                assertEquals(golden.get("without").textValue(), tokenizer.decode(ids, true), line);
                assertEquals(golden.get("decoded").textValue(), streamed(tokenizer, ids, false), line);
                assertEquals(golden.get("without").textValue(), streamed(tokenizer, ids, true), line);
            }
        }
        assertEquals(200, encoded);
        assertEquals(200, decoded);
    }

    private static String streamed(Tokenizer tokenizer, int[] ids, boolean skipSpecials) {
        StreamDecoder stream = tokenizer.streamDecoder(skipSpecials);
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(stream.accept(id));
        }
        return text.append(stream.finish()).toString();
    }

    @Test
    void beginAndEndTokensComeFromTheTemplate() throws IOException {
        Tokenizer fallback = Tokenizer.load(folder("fallback"));
        assertTrue(fallback.addsBeginToken());
        assertEquals("<s>", fallback.tokenText(fallback.bosId().orElseThrow()).orElseThrow());
        assertEquals("</s>", fallback.tokenText(fallback.eosId().orElseThrow()).orElseThrow());
        assertEquals(fallback.eosId(), fallback.tokenId("</s>"));
        Tokenizer phrase = Tokenizer.load(folder("phrase"));
        assertFalse(phrase.addsBeginToken());
        assertTrue(phrase.bosId().isEmpty() && phrase.eosId().isEmpty());
    }

    @Test
    void kinds() throws IOException {
        assertEquals("BPE with byte fallback, 288 pieces", Tokenizer.load(folder("fallback")).kind());
        assertEquals("BPE, 32 pieces", Tokenizer.load(folder("phrase")).kind());
        assertEquals("byte-level BPE, 273 pieces", Tokenizer.load(folder("bytes")).kind());
    }

    @Test
    void specialTokens() throws IOException {
        Tokenizer tokenizer = Tokenizer.load(folder("fallback"));
        assertTrue(tokenizer.isSpecial(tokenizer.tokenId("<mask>").orElseThrow()));
        assertFalse(tokenizer.isSpecial(tokenizer.tokenId("word").orElseThrow()));
        assertFalse(tokenizer.isSpecial(-1));
        assertFalse(tokenizer.isSpecial(tokenizer.vocabSize()));
        assertTrue(tokenizer.tokenText(-1).isEmpty());
        assertTrue(tokenizer.tokenText(tokenizer.vocabSize()).isEmpty());
        assertTrue(tokenizer.tokenId("no such token").isEmpty());
    }
}
