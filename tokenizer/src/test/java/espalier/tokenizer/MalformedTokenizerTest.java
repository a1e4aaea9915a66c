package espalier.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Every rule about untrusted tokenizer files, with its message: the file, the field, what is wrong.
class MalformedTokenizerTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path folder;

    private static ObjectNode base(String name) throws IOException {
        return (ObjectNode) JSON.readTree(SmallGoldenTest.folder(name).resolve("tokenizer.json").toFile());
    }

    private String refusal(String file) {
        String message = assertThrows(TokenizerFormatException.class, () -> Tokenizer.load(folder)).getMessage();
        String prefix = folder.resolve(file) + ": ";
        assertTrue(message.startsWith(prefix), message);
        return message.substring(prefix.length());
    }

    private String refusal(byte[] json) throws IOException {
        Files.write(folder.resolve("tokenizer.json"), json);
        return refusal("tokenizer.json");
    }

    private String refusal(String json, String file) throws IOException {
        Files.writeString(folder.resolve("tokenizer.json"), json);
        return refusal(file);
    }

    /// Sets one value, given as a JSON pointer and JSON text (`-` removes it), in the fixture `fallback`.
    static Stream<Arguments> changes() {
        return Stream.of(
                change("/version", "\"2.0\"", "version: version \"2.0\" is not supported"),
                change("/model", "-", "model: expected an object, is missing"),
                change("/model/type", "\"Unigram\"", "model.type: model \"Unigram\" is not supported"),
                change("/model/type", "\"WordPiece\"", "model.type: model \"WordPiece\" is not supported"),
                change("/model/type", "7", "model.type: expected a string, is 7"),
                change("/model/dropout", "0.1", "model.dropout: random merges are not supported"),
                change("/model/continuing_subword_prefix", "\"##\"",
                        "model.continuing_subword_prefix: affix \"##\" is not supported"),
                change("/model/end_of_word_suffix", "\"</w>\"",
                        "model.end_of_word_suffix: affix \"</w>\" is not supported"),
                change("/model/unk_token", "\"<none>\"", "model.unk_token: \"<none>\" is not in model.vocab"),
                change("/model/fuse_unk", "1", "model.fuse_unk: expected true or false, is 1"),
                change("/model/vocab", "[]", "model.vocab: expected an object, is an array"),
                change("/model/vocab/a", "-1", "model.vocab[\"a\"]: expected an integer from 0 to 67108864, is -1"),
                change("/model/vocab/a", "1.5", "model.vocab[\"a\"]: expected an integer from 0 to 67108864, is 1.5"),
                change("/model/vocab/a", "99999999999",
                        "model.vocab[\"a\"]: expected an integer from 0 to 67108864, is 99999999999"),
                change("/model/vocab/a", "\"3\"",
                        "model.vocab[\"a\"]: expected an integer from 0 to 67108864, is \"3\""),
                change("/model/vocab/a", "5000",
                        "model.vocab: \"a\" has id 5000, but ids must be dense and there are 288 tokens"),
                change("/model/vocab/a", "0", "model.vocab: id 0 is given to \"<unk>\" and to \"a\""),
                change("/model/vocab/<0x0A>", "-", "model.vocab: \"ab\" has id 287, but ids must be dense"
                        + " and there are 287 tokens", "/model/vocab/ab", "287"),
                change("/model/merges", "-", "model.merges: expected an array, is missing"),
                change("/model/merges/2", "[\"a\",\"z\"]", "model.merges[2]: \"z\" is not in model.vocab"),
                change("/model/merges/2", "[\"z\",\"a\"]", "model.merges[2]: \"z\" is not in model.vocab"),
                change("/model/merges/2", "[\"a\",\"a\"]", "model.merges[2]: \"aa\" is not in model.vocab"),
                change("/model/merges/2", "\"a b c\"", "model.merges[2]: expected two pieces, found 3"),
                change("/model/merges/2", "\"ab\"", "model.merges[2]: expected two pieces, found 1"),
                change("/model/merges/2", "[\"a\"]", "model.merges[2]: expected two pieces, found 1"),
                change("/model/merges/2", "[\"a\",1]", "model.merges[2][1]: expected a string, is 1"),
                change("/model/merges/2", "null", "model.merges[2]: expected a string, is null"),
                change("/added_tokens", "{}", "added_tokens: expected an array, is an object"),
                change("/added_tokens/1/id", "2", "added_tokens: \"<s>\" has id 2, but id 1 in model.vocab"),
                change("/added_tokens/3/id", "288",
                        "added_tokens: \"<mask>\" has id 288, but ids must be dense and there are 288 tokens"),
                change("/added_tokens/3/id", "5", "added_tokens: id 5 is given to \"<0x02>\" and to \"<mask>\""),
                change("/added_tokens/3/id", "-",
                        "added_tokens[3].id: expected an integer from 0 to 67108864, is missing"),
                change("/added_tokens/3/content", "\"\"", "added_tokens[3].content: is empty"),
                change("/added_tokens/3/content", "\"<s>\"", "added_tokens[3].content: \"<s>\" is listed twice"),
                change("/added_tokens/3/lstrip", "-", "added_tokens[3].lstrip: expected true or false, is missing"),
                change("/added_tokens/3", "\"<mask>\"", "added_tokens[3]: expected an object, is \"<mask>\""),
                change("/normalizer/normalizers/0/type", "\"Lowercase\"",
                        "normalizer.normalizers[0].type: normalizer \"Lowercase\" is not supported"),
                change("/normalizer/normalizers/0/prepend", "\"\"", "normalizer.normalizers[0].prepend: is empty"),
                change("/normalizer/normalizers/1/pattern", "{\"Regex\":\"(a+)+$\"}",
                        "normalizer.normalizers[1].pattern.Regex: the regular expression \"(a+)+$\" is not one of"
                                + " those known, and those of a file are never run"),
                change("/normalizer/normalizers/1/pattern", "{\"Regex\":\" {2,}\"}", // known, but not with this content
                        "normalizer.normalizers[1].pattern.Regex: the regular expression \" {2,}\" is not one of"
                                + " those known, and those of a file are never run"),
                change("/normalizer/normalizers/1/pattern", "{\"String\":\"\"}",
                        "normalizer.normalizers[1].pattern.String: is empty"),
                change("/normalizer/normalizers/1/content", "\"12345\"",
                        "normalizer.normalizers[1].content: \"12345\" is longer than the pattern \" \", which is not"
                                + " supported"),
                change("/decoder/decoders/0/content", "\"12345\"",
                        "decoder.decoders[0].content: \"12345\" is longer than the pattern \"\u2581\", which is not"
                                + " supported"),
                change("/added_tokens/3/content", "\"" + "a".repeat(257) + "\"",
                        "added_tokens[3].content: has 257 characters, more than 256"),
                change("/normalizer", "{\"type\":\"Sequence\",\"normalizers\":["
                        + "{\"type\":\"NFC\"},".repeat(32) + "{\"type\":\"NFC\"}]}",
                        "normalizer: has more than 32 steps"),
                change("/pre_tokenizer", "{\"type\":\"Sequence\",\"pretokenizers\":["
                        + "{\"type\":\"Digits\",\"individual_digits\":true},".repeat(32)
                        + "{\"type\":\"Digits\",\"individual_digits\":true}]}",
                        "pre_tokenizer: has more than 32 steps"),
                change("/normalizer", "{\"type\":\"Replace\",\"pattern\":{\"String\":\"[N]\"},\"content\":\"\"}",
                        "added_tokens: \"[N]\" is empty after normalisation"),
                change("/pre_tokenizer", "{\"type\":\"Metaspace\"}",
                        "pre_tokenizer.type: pre-tokenizer \"Metaspace\" is not supported"),
                change("/pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\w+\\n\"},"
                        + "\"behavior\":\"Isolated\",\"invert\":false}",
                        "pre_tokenizer.pattern.Regex: the regular expression \"\\w+\\u000a\" is not one of those"
                                + " known, and those of a file are never run"),
                change("/pre_tokenizer", "{\"type\":\"Split\",\"behavior\":\"Removed\"}",
                        "pre_tokenizer.behavior: behavior \"Removed\" is not supported"),
                change("/pre_tokenizer", "{\"type\":\"Split\",\"behavior\":\"Isolated\",\"invert\":true}",
                        "pre_tokenizer.invert: an inverted pattern is not supported"),
                change("/pre_tokenizer", "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\","
                        + "\"add_prefix_space\":false},{\"type\":\"Digits\",\"individual_digits\":true}]}",
                        "pre_tokenizer.pretokenizers[1]: a step after ByteLevel is not supported"),
                change("/decoder", "null", "decoder: is missing, so it is not known how tokens join to a text"),
                change("/decoder", "{\"type\":\"WordPiece\"}", "decoder.type: decoder \"WordPiece\" is not supported"),
                change("/decoder/decoders/0", "{\"type\":\"Fuse\"}",
                        "decoder.decoders[1]: ByteFallback after Fuse is not supported"),
                change("/decoder/decoders/2", "{\"type\":\"ByteFallback\"}",
                        "decoder.decoders[3]: Strip is supported only once, right after Fuse"),
                change("/decoder/decoders/0/pattern", "{\"Regex\":\"x\"}",
                        "decoder.decoders[0].pattern.Regex: the regular expression \"x\" is not one of those known,"
                                + " and those of a file are never run"),
                change("/decoder/decoders/3/stop", "1",
                        "decoder.decoders[3].stop: stripping the end of a text is not supported"),
                change("/decoder/decoders/3/start", "-1",
                        "decoder.decoders[3].start: expected an integer from 0 to 2147483647, is -1"),
                change("/decoder/decoders/3/content", "\"ab\"",
                        "decoder.decoders[3].content: expected one character, is \"ab\""),
                change("/post_processor/type", "\"BertProcessing\"",
                        "post_processor.type: post-processor \"BertProcessing\" is not supported"),
                change("/post_processor/special_tokens/<s>/ids/0", "288",
                        "post_processor.special_tokens.<s>.ids[0]: expected an integer from 0 to 287, is 288"),
                change("/post_processor/special_tokens/<s>/ids/0", "2", "post_processor.special_tokens.<s>.tokens[0]:"
                        + " \"<s>\" is not the text of id 2, which is \"</s>\""),
                change("/post_processor/special_tokens/<s>/ids", "[]",
                        "post_processor.special_tokens.<s>: has 0 ids and 1 tokens"),
                change("/post_processor/special_tokens/<s>", "-",
                        "post_processor.single[0].SpecialToken.id: \"<s>\" is not in special_tokens"),
                change("/post_processor/single/0", "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}",
                        "post_processor.single: has the text 2 times, expected once"),
                change("/post_processor/single/1/Sequence/id", "\"B\"",
                        "post_processor.single[1].Sequence.id: sequence \"B\" is not supported"));
    }

    private static Arguments change(String pointer, String json, String expected, String... more) {
        String[] changes = new String[2 + more.length];
        changes[0] = pointer;
        changes[1] = json;
        System.arraycopy(more, 0, changes, 2, more.length);
        return arguments(changes, expected);
    }

    @ParameterizedTest
    @MethodSource("changes")
    void fieldsThatAreWrong(String[] changes, String expected) throws IOException {
        ObjectNode root = base("fallback");
        for (int i = 0; i < changes.length; i += 2) {
            set(root, changes[i], changes[i + 1]);
        }
        assertEquals(expected, refusal(root.toString(), "tokenizer.json"));
    }

    private static void set(ObjectNode root, String pointer, String json) throws IOException {
        int slash = pointer.lastIndexOf('/');
        String name = pointer.substring(slash + 1);
        JsonNode parent = root.at(pointer.substring(0, slash));
        if (parent instanceof ArrayNode array) {
            array.set(Integer.parseInt(name), JSON.readTree(json));
        } else if (json.equals("-")) {
            assertTrue(((ObjectNode) parent).remove(name) != null, pointer);
        } else {
            ((ObjectNode) parent).set(name, JSON.readTree(json));
        }
    }

    /// A byte piece that is spelt otherwise is an ordinary piece, and then one of the 256 is missing.
    @ParameterizedTest
    @CsvSource({"<0x0A >", "<0x+A>", "<0x0>", "0x0A", "<0X0A>"})
    void bytePiecesMustBeAllThere(String piece) throws IOException {
        String json = base("fallback").toString().replace("\"<0x0A>\":", "\"" + piece + "\":");
        assertEquals("model.byte_fallback: is set, but model.vocab has only 255 of 256 byte pieces",
                refusal(json, "tokenizer.json"));
    }

    @Test
    void bytePiecesMustBeUnique() throws IOException {
        String json = base("fallback").toString().replace("\"<0x0B>\":", "\"<0x0a>\":");
        assertEquals("model.vocab: byte 10 has two pieces, ids 13 and 14", refusal(json, "tokenizer.json"));
    }

    @Test
    void duplicateNames() throws IOException {
        String json = base("fallback").toString();
        assertEquals("not valid JSON: Duplicate field 'a' (line 1, column 1)",
                withoutPlace(refusal(json.replace("\"b\":", "\"a\":"), "tokenizer.json")));
        assertEquals("not valid JSON: Duplicate field 'model' (line 1, column 1)",
                withoutPlace(refusal(json.replaceFirst("\\{", "{\"model\":{},"), "tokenizer.json")));
        Files.writeString(folder.resolve("tokenizer.json"), json);
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"bos_token\":\"a\",\"bos_token\":\"b\"}");
        assertEquals("not valid JSON: Duplicate field 'bos_token' (line 1, column 1)",
                withoutPlace(refusal("tokenizer_config.json")));
    }

    private static String withoutPlace(String message) {
        return message.replaceFirst("column \\d+\\)$", "column 1)");
    }

    @Test
    void textThatIsNotStrictUtf8() throws IOException {
        byte[] json = base("fallback").toString().getBytes(StandardCharsets.UTF_8);
        json[100] = (byte) 0xFF;
        assertEquals("not valid UTF-8 at byte 100", refusal(json));
        assertEquals("not valid UTF-8 at byte 1",
                refusal(new byte[] {'"', (byte) 0xED, (byte) 0xA0, (byte) 0x80, '"'}));
        assertEquals("not valid UTF-8 at byte 1", refusal(new byte[] {'"', (byte) 0xC0, (byte) 0x80, '"'}));
        assertEquals("not valid UTF-8 at byte 2", refusal(new byte[] {'{', '"', (byte) 0xE4, (byte) 0xB8}));
        assertEquals("not valid UTF-8 at byte 0", refusal("{}".getBytes(StandardCharsets.UTF_16)));
        assertEquals("begins with a byte order mark, which JSON does not allow",
                refusal("\uFEFF{}", "tokenizer.json"));
    }

    @Test
    void loneSurrogates() throws IOException {
        String json = base("fallback").toString();
        assertEquals("model.vocab: has a string with a lone surrogate: \"\uFFFDx\"",
                refusal(json.replace("\"b\":", "\"\\ud800x\":"), "tokenizer.json"));
        assertEquals("added_tokens[3].content: has a string with a lone surrogate: \"\uFFFD\"",
                refusal(json.replace("\"<mask>\"", "\"\\udc00\""), "tokenizer.json"));
    }

    @Test
    void textThatIsNotJson() throws IOException {
        assertEquals("not a JSON object", refusal("", "tokenizer.json"));
        assertEquals("not a JSON object", refusal("[]", "tokenizer.json"));
        assertTrue(refusal("{", "tokenizer.json").startsWith("not valid JSON: Unexpected end-of-input"));
        assertTrue(refusal("{} {}", "tokenizer.json").startsWith("not valid JSON: Trailing token"));
        assertTrue(refusal("{'a':1}", "tokenizer.json").startsWith("not valid JSON: Unexpected character (''' "));
        assertTrue(refusal("{\"a\":NaN}", "tokenizer.json").startsWith("not valid JSON: "));
        assertEquals("a Git LFS pointer, not the file itself: fetch it first",
                refusal("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "tokenizer.json"));
    }

    @Test
    void deepNesting() throws IOException {
        String deep = "[".repeat(1_000_000);
        assertTrue(refusal("{\"normalizer\":" + deep, "tokenizer.json")
                .startsWith("not valid JSON: Document nesting depth (65) exceeds the maximum allowed (64"));
        String nested = "{\"type\":\"Sequence\",\"normalizers\":[".repeat(40);
        assertTrue(refusal("{\"normalizer\":" + nested, "tokenizer.json")
                .startsWith("not valid JSON: Document nesting depth (65) exceeds the maximum allowed (64"));
    }

    @Test
    void sizes() throws IOException {
        assertTrue(refusal("{\"a\":\"" + "x".repeat((1 << 20) + 1) + "\"}", "tokenizer.json")
                .startsWith("not valid JSON: String value length (1048577) exceeds the maximum allowed (1048576"));
        assertTrue(refusal("{\"a\":" + "1".repeat(65) + "}", "tokenizer.json")
                .startsWith("not valid JSON: Number value length (65) exceeds the maximum allowed (64"));
        try (RandomAccessFile sparse = new RandomAccessFile(folder.resolve("tokenizer.json").toFile(), "rw")) {
            sparse.setLength((64L << 20) + 1);
        }
        assertEquals("larger than the limit of 67108864 bytes", refusal("tokenizer.json"));
    }

    static Stream<Arguments> configs() {
        return Stream.of(
                arguments("{\"bos_token\":\"<none>\"}",
                        "bos_token: \"<none>\" is not a token of tokenizer.json"),
                arguments("{\"eos_token\":{\"content\":\"<none>\"}}",
                        "eos_token.content: \"<none>\" is not a token of tokenizer.json"),
                arguments("{\"eos_token\":2}",
                        "eos_token: expected a string, is 2"),
                arguments("{\"add_bos_token\":true}",
                        "add_bos_token: is true, but there is no bos_token"),
                arguments("{\"add_eos_token\":\"yes\",\"eos_token\":\"</s>\"}",
                        "add_eos_token: expected true or false, is \"yes\""),
                arguments("{\"added_tokens_decoder\":{\"7\":{\"content\":\"<s>\"}}}",
                        "added_tokens_decoder[\"7\"].content: \"<s>\" has id 1 in tokenizer.json"),
                arguments("{\"added_tokens_decoder\":{\"999\":{\"content\":\"<new>\"}}}",
                        "added_tokens_decoder[\"999\"].content: \"<new>\" is not a token of tokenizer.json"),
                arguments("[]",
                        "not a JSON object"));
    }

    @ParameterizedTest
    @MethodSource("configs")
    void configThatContradicts(String config, String expected) throws IOException {
        Files.writeString(folder.resolve("tokenizer.json"), base("fallback").toString());
        Files.writeString(folder.resolve("tokenizer_config.json"), config);
        assertEquals(expected, refusal("tokenizer_config.json"));
    }

    @Test
    void configGivesBeginAndEndTokensWithoutATemplate() throws IOException {
        ObjectNode root = base("phrase");
        Files.writeString(folder.resolve("tokenizer.json"), root.toString());
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"add_bos_token\":true,\"add_eos_token\":true,"
                + "\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"</s>\"},"
                + "\"model_max_length\":1" + "0".repeat(30) + "}");
        Tokenizer tokenizer = Tokenizer.load(folder);
        assertTrue(tokenizer.addsBeginToken());
        int[] ids = tokenizer.encode("a", EncodeOptions.WITH_SPECIALS);
        assertEquals(tokenizer.bosId().orElseThrow(), ids[0]);
        assertEquals(tokenizer.eosId().orElseThrow(), ids[ids.length - 1]);
        assertEquals("<s>a</s>", tokenizer.decode(ids, false).replace(" ", ""));
    }

    @Test
    void formatsOfLaterAreRefusedByName() throws IOException {
        assertEquals(folder.resolve("tokenizer.json").toString(),
                assertThrows(NoSuchFileException.class, () -> Tokenizer.load(folder)).getMessage());
        for (String other : new String[] {"vocab.gguf", "tokenizer.model"}) {
            Files.createFile(folder.resolve(other));
            assertEquals("this vocabulary format is not supported, and there is no tokenizer.json beside it",
                    refusal(other));
        }
    }

    /// Files damaged at random load or are refused; no other exception escapes.
    @Test
    void damagedFilesGiveOneKindOfError() throws IOException {
        Random random = new Random(15);
        String[] pieces =
                {"{", "}", "[", "]", "\"", ",", ":", "null", "true", "-1", "0", "1e9", "\"a\"", "\\", "\\u0000", ""};
        int refused = 0;
        for (int n = 0; n < 1500; n++) {
            StringBuilder json = new StringBuilder(base(n % 2 == 0 ? "phrase" : "fallback").toString());
            for (int i = random.nextInt(3); i >= 0; i--) {
                int at = random.nextInt(json.length());
                int to = Math.min(json.length(), at + random.nextInt(8));
                json.replace(at, to, pieces[random.nextInt(pieces.length)]);
            }
            Files.writeString(folder.resolve("tokenizer.json"), json);
            try {
                Tokenizer tokenizer = Tokenizer.load(folder);
                tokenizer.decode(tokenizer.encode("the \u00e9 abcd word", EncodeOptions.WITH_SPECIALS), false);
            } catch (TokenizerFormatException e) {
                refused++;
            }
        }
        assertTrue(refused > 1000, "refused: " + refused);
    }
}
