package espalier.eval.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.Progress;
import espalier.engine.train.Example;
import espalier.eval.TextFormatException;
import espalier.testing.SharedData;
import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TrainingFileTest {
    private static final String HELLO = "{\"instruction\":\"Say hello.\",\"input\":\"\",\"output\":\"Hello there\"}";
    private static final int BEGIN = 1;
    private static final int END = 2;

    @TempDir
    private Path folder;

    private Tokenizer tokenizer;

    @BeforeEach
    void load() throws IOException {
        tokenizer = Tokenizer.load(SharedData.models().resolve("stories260k"));
        assertTrue(tokenizer.addsBeginToken());
        assertEquals(OptionalInt.of(BEGIN), tokenizer.bosId());
        assertEquals(OptionalInt.of(END), tokenizer.eosId());
    }

    private Path file(String name, String content) throws IOException {
        return Files.writeString(folder.resolve(name), content);
    }

    private static TrainingFile.Options options(int maxLength) {
        return TrainingFile.Options.of(maxLength, OptionalInt.of(BEGIN), OptionalInt.of(END));
    }

    private TrainingData read(String name, String content, TrainingFile.Options options) throws IOException {
        return TrainingFile.read(file(name, content), tokenizer, options, Progress.NONE);
    }

    private int[] encode(String text) {
        return tokenizer.encode(text, EncodeOptions.WITH_SPECIALS);
    }

    /// All documents one after the other, each between begin and end token.
    private int[] joined(String... documents) {
        List<Integer> ids = new ArrayList<>();
        for (String document : documents) {
            Arrays.stream(encode(document)).forEach(ids::add);
            ids.add(END);
        }
        return ids.stream().mapToInt(Integer::intValue).toArray();
    }

    private static int[] ids(TrainingData data) {
        return data.examples().list().stream().flatMapToInt(example -> Arrays.stream(example.ids())).toArray();
    }

    @Test
    void theAnswerAndTheEndTokenAreLearnt() throws IOException {
        TrainingData data = read("a.jsonl", HELLO, options(400));
        String prompt = PromptStyle.ALPACA.prompt("Say hello.", "");
        Example example = data.examples().get(0);
        assertArrayEquals(joined(prompt + "Hello there"), example.ids());
        assertEquals(encode(prompt).length, example.firstLabel());
        assertEquals(example.ids().length - example.firstLabel(), data.labels());
        assertEquals(1, data.instructionRows());
        assertTrue(data.endTokens());
        Example all = read("a.jsonl", HELLO, options(400).withTrainOnInputs(true)).examples().get(0);
        assertArrayEquals(example.ids(), all.ids());
        assertEquals(0, all.firstLabel());
    }

    /// compresso.md, check 4.
    @ParameterizedTest
    @ValueSource(strings = {"llama2-spm", "llama3", "gpt2", "smollm2", "qwen3"})
    void behindTheCollaborativePromptTheAnswerIsLearntFromItsFirstTokenToTheEndToken(String name) throws IOException {
        Tokenizer other = Tokenizer.load(SharedData.tokenizers().resolve(name));
        int end = 7;
        TrainingFile.Options options = TrainingFile.Options.of(1000, OptionalInt.empty(), OptionalInt.of(end))
                .withPrompt(PromptStyle.COLLABORATIVE);
        String rows = HELLO + "\n" + HELLO.replace("\"input\":\"\"", "\"input\":\"a b\"") + "\n";
        TrainingData data = TrainingFile.read(file("a.jsonl", rows), other, options, Progress.NONE);
        assertEquals(2, data.examples().size());
        for (Example example : data.examples().list()) {
            String input = example == data.examples().get(0) ? "" : "a b";
            String prompt = PromptStyle.COLLABORATIVE.prompt("Say hello.", input);
            int[] source = other.encode(prompt, EncodeOptions.WITH_SPECIALS);
            assertTrue(source.length > 200 && source.length < 300, "tokens of the prompt: " + source.length);
            int[] ids = example.ids();
            assertEquals(source.length, example.firstLabel());
            assertArrayEquals(source, Arrays.copyOf(ids, source.length), "no token of the prompt is learnt");
            assertEquals(end, ids[ids.length - 1]);
            assertEquals(ids.length - source.length, example.labels());
            int[] learnt = Arrays.copyOfRange(ids, source.length, ids.length - 1);
            assertEquals("Hello there", other.decode(learnt, false));
            assertTrue(other.decode(Arrays.copyOf(ids, ids.length - 1), true).endsWith("### Response:Hello there"));
        }
    }

    @Test
    void rowsWhoseAnswerTheCollaborativePromptLeavesNoRoomForAreSkipped() throws IOException {
        int prompt = encode(PromptStyle.COLLABORATIVE.prompt("Say hello.", "")).length;
        String rows = HELLO + "\n" + HELLO.replace("Say hello.", "Say hello to all the other people.") + "\n";
        TrainingData data = read("a.jsonl", rows, options(prompt + 1).withPrompt(PromptStyle.COLLABORATIVE));
        assertEquals(1, data.truncatedRows());
        assertEquals(1, data.labels());
    }

    @Test
    void textsStandBehindTheCarriedPrefixWhichIsNotLearnt() throws IOException {
        int[] prefix = encode(PromptStyle.COLLABORATIVE.carried().orElseThrow().prefix());
        assertEquals(BEGIN, prefix[0]);
        String text = "Once upon a time there was a cat.";
        int[] all = joined(text);
        int room = all.length - 4;
        TrainingData data = read(
                "a.txt", text, options(prefix.length + room).withPrompt(PromptStyle.COLLABORATIVE));
        assertEquals(2, data.examples().size());
        // The begin token gives way to the prefix, which has one.
        assertBehind(prefix, Arrays.copyOfRange(all, 1, room), prefix.length, data.examples().get(0));
        assertBehind(prefix, Arrays.copyOfRange(all, room, all.length), prefix.length + 1, data.examples().get(1));
        assertEquals(read("a.txt", text, options(room)).labels(), data.labels(), "as many labels as without it");
        String message = "max length is %d tokens, expected at least %d: the prompt before a text has %d"
                .formatted(prefix.length + 1, prefix.length + 2, prefix.length);
        var e = assertThrows(
                IllegalArgumentException.class,
                () -> read("a.txt", text, options(prefix.length + 1).withPrompt(PromptStyle.COLLABORATIVE)));
        assertEquals(message, e.getMessage());
    }

    private static void assertBehind(int[] prefix, int[] text, int firstLabel, Example example) {
        assertArrayEquals(prefix, Arrays.copyOf(example.ids(), prefix.length));
        assertArrayEquals(text, Arrays.copyOfRange(example.ids(), prefix.length, example.ids().length));
        assertEquals(firstLabel, example.firstLabel());
    }

    @Test
    void theEndTokenComesOnlyWhereThereIsRoomAndOnlyOnce() throws IOException {
        String prompt = PromptStyle.ALPACA.prompt("Say hello.", "");
        int[] text = encode(prompt + "Hello there");
        assertArrayEquals(text, ids(read("a.jsonl", HELLO, options(text.length))));
        assertArrayEquals(joined(prompt + "Hello there"), ids(read("a.jsonl", HELLO, options(text.length + 1))));
        int[] cut = ids(read("a.jsonl", HELLO, options(text.length - 1)));
        assertArrayEquals(Arrays.copyOf(text, text.length - 1), cut);
        String ended = HELLO.replace("there", "there</s>");
        assertArrayEquals(joined(prompt + "Hello there"), ids(read("a.jsonl", ended, options(400))));
    }

    @Test
    void oneTokenThatBeginsAndEndsStandsOnceBetweenTexts() throws IOException {
        TrainingFile.Options both = TrainingFile.Options.of(400, OptionalInt.of(END), OptionalInt.of(END));
        int[] between = ids(read("a.txt", "One\n<|endoftext|>\nTwo\n", options(400)));
        int[] once = ids(read("b.txt", "One\n<|endoftext|>\nTwo\n", both));
        assertArrayEquals(Arrays.stream(between).filter(id -> id != BEGIN).toArray(), once);
    }

    /// Some tokenizers put begin and end token around each text; here a prompt must not end, and a text only once.
    @Test
    void theEndTokenOfATemplateIsNotAddedTwice() throws IOException {
        ObjectMapper json = new ObjectMapper();
        Path source = SharedData.models().resolve("stories260k");
        ObjectNode root = (ObjectNode) json.readTree(source.resolve("tokenizer.json").toFile());
        root.set("post_processor", json.readTree("""
                {"type": "TemplateProcessing",
                 "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                            {"SpecialToken": {"id": "</s>", "type_id": 0}}],
                 "pair": [],
                 "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]},
                                    "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}}"""));
        json.writeValue(folder.resolve("tokenizer.json").toFile(), root);
        Tokenizer ending = Tokenizer.load(folder);
        assertArrayEquals(joined("Tom ran."), ending.encode("Tom ran.", EncodeOptions.WITH_SPECIALS));
        String rows = HELLO + "\n{\"text\":\"Tom ran.\"}\n";
        for (int maxLength : new int[] {100, 400}) {
            TrainingData data = TrainingFile.read(file("a.jsonl", rows), ending, options(maxLength), Progress.NONE);
            assertEquals(read("a.jsonl", rows, options(maxLength)).fingerprint(), data.fingerprint());
        }
        TrainingFile.Options behind = options(1000).withPrompt(PromptStyle.COLLABORATIVE);
        assertEquals(
                read("a.jsonl", rows, behind).fingerprint(),
                TrainingFile.read(file("a.jsonl", rows), ending, behind, Progress.NONE).fingerprint());
    }

    @Test
    void rowsWithoutALabelAreSkippedAndCounted() throws IOException {
        int prompt = encode(PromptStyle.ALPACA.prompt("Say hello.", "")).length;
        String rows = HELLO + "\n" + HELLO.replace("Say hello.", "Say hello to all the other people.") + "\n";
        TrainingData data = read("a.jsonl", rows, options(prompt + 1));
        assertEquals(2, data.rows());
        assertEquals(1, data.skippedRows());
        assertEquals(1, data.truncatedRows());
        assertEquals(1, data.examples().size());
        assertEquals(1, data.labels());
        String message = ": none of its 1 rows has anything to learn within " + prompt + " tokens";
        assertMessage(message, HELLO, options(prompt));
    }

    @Test
    void withoutAnEndTokenNothingIsAppendedAndTheResultSaysSo() throws IOException {
        var options = TrainingFile.Options.of(400, OptionalInt.empty(), OptionalInt.empty());
        String empty = "{\"instruction\":\"Say nothing.\",\"response\":\"\"}";
        TrainingData data = read("a.jsonl", HELLO + "\n" + empty, options);
        String prompt = PromptStyle.ALPACA.prompt("Say hello.", "");
        assertArrayEquals(encode(prompt + "Hello there"), ids(data));
        assertFalse(data.endTokens());
        assertEquals(1, data.truncatedRows(), "an empty answer has an end token to learn or nothing");
        assertEquals(1, read("a.jsonl", empty, options(400)).labels());
        int[] text = tokenizer.encode("Hello there", EncodeOptions.WITHOUT_TEMPLATE);
        assertArrayEquals(text, ids(read("a.txt", "Hello there", options)));
    }

    @Test
    void plainTextIsCutIntoBlocksOfWhichTheLastIsShorter() throws IOException {
        String text = "Once upon a time there was a cat.\n\nIt was big.\n";
        int[] all = joined(text);
        for (int maxLength : new int[] {2, 5, all.length - 2, all.length - 1, all.length, all.length + 1}) {
            TrainingData data = read("a.txt", text, options(maxLength));
            int rest = all.length % maxLength;
            int[] kept = Arrays.copyOf(all, all.length - (rest == 1 ? 1 : 0));
            assertArrayEquals(kept, ids(data), "blocks of " + maxLength);
            assertEquals(TrainingFormat.TEXT, data.format());
            assertEquals(1, data.rows());
            for (int i = 0; i < data.examples().size() - 1; i++) {
                assertEquals(maxLength, data.examples().get(i).ids().length);
            }
            assertEquals(data.examples().tokens() - data.examples().size(), data.labels());
        }
    }

    @Test
    void aLineEndoftextDividesPlainText() throws IOException {
        String text = "One day.\nTom ran.\n<|endoftext|>\n\nTwo<|endoftext|> days.\r\n<|endoftext|>\r\n"
                + " \n<|endoftext|>\nEnd";
        TrainingData data = read("a.txt", text, options(1000));
        assertArrayEquals(joined("One day.\nTom ran.", "\nTwo<|endoftext|> days.\r", "End"), ids(data));
        assertEquals(3, data.textRows());
        assertEquals(0, data.skippedRows());
    }

    @Test
    void rowsOfBothKindsMixInTheOrderInWhichTheyAreComplete() throws IOException {
        String rows = "{\"text\":\"Tom ran.\"}\n\n" + HELLO + "\n"
                + "{\"text\":\" \",\"id\":7}\n{\"text\":\"Lily sat down.\"}\r\n"
                + "{\"instruction\":\"Add.\",\"input\":\"a b\",\"response\":\"ab\",\"text\":\"rendered\"}\n";
        TrainingData data = read("a.jsonl", rows, options(300));
        assertEquals(3, data.textRows());
        assertEquals(2, data.instructionRows());
        assertEquals(1, data.blankRows());
        assertEquals(3, data.examples().size());
        String hello = PromptStyle.ALPACA.prompt("Say hello.", "") + "Hello there";
        String add = PromptStyle.ALPACA.prompt("Add.", "a b") + "ab";
        assertArrayEquals(joined(hello, add, "Tom ran.", "Lily sat down."), ids(data));
        int early = joined("Tom ran.").length;
        assertArrayEquals(joined("Tom ran."), read("a.jsonl", rows, options(early)).examples().get(0).ids());
    }

    @Test
    void aMissingOrNullInputIsNone() throws IOException {
        String expected = read("a.jsonl", HELLO, options(400)).fingerprint();
        for (String input : new String[] {"", "\"input\":null,"}) {
            String row = HELLO.replace("\"input\":\"\",", input);
            assertEquals(expected, read("a.jsonl", row, options(400)).fingerprint());
        }
        assertNotEquals(expected, read("a.jsonl", HELLO.replace("\"\"", "\" \""), options(400)).fingerprint());
    }

    @Test
    void theFormatIsToldByTheContentAndByNamesThatPromiseJson() throws IOException {
        String array = "\n[" + HELLO + ",\n {\"text\": \"Tom ran.\"}]\n";
        String lines = HELLO + "\n{\"text\": \"Tom ran.\"}\n";
        String expected = read("a.jsonl", lines, options(400)).fingerprint();
        for (String name : new String[] {"a.json", "a", "a.txt"}) {
            TrainingData data = read(name, array, options(400));
            assertEquals(TrainingFormat.JSON_ARRAY, data.format());
            assertEquals(expected, data.fingerprint());
            assertEquals(2, data.rows());
            assertEquals(TrainingFormat.JSON_LINES, read(name, lines, options(400)).format());
            assertEquals(expected, read(name, "\ufeff" + lines, options(400)).fingerprint());
        }
        assertEquals(TrainingFormat.TEXT, read("a.raw", "[1] {a}", options(400)).format());
        assertEquals(TrainingFormat.TEXT, read("a", "{curly}", options(400)).format());
        TrainingData forced = read("a.jsonl", lines, options(1000).withFormat(TrainingFormat.TEXT));
        assertEquals(TrainingFormat.TEXT, forced.format());
        assertArrayEquals(joined(lines), ids(forced));
    }

    @Test
    void compressedFilesAreTheSameDataAndReportTheirProgress() throws IOException {
        String rows = (HELLO + "\n").repeat(1000);
        Path compressed = folder.resolve("a.jsonl.gz");
        try (GZIPOutputStream out = new GZIPOutputStream(Files.newOutputStream(compressed))) {
            out.write(rows.getBytes(StandardCharsets.UTF_8));
        }
        List<Long> done = new ArrayList<>();
        TrainingData data = TrainingFile.read(compressed, tokenizer, options(400), (at, total) -> {
            assertEquals(compressed.toFile().length(), total);
            done.add(at);
        });
        TrainingData plain = read("a.jsonl", rows, options(400));
        assertEquals(plain.fingerprint(), data.fingerprint());
        assertEquals(plain.sha256(), data.sha256());
        assertEquals(4, done.size());
        assertEquals(done.stream().sorted().toList(), done);
        assertEquals(Files.size(compressed), done.getLast());
    }

    @Test
    void specialTokensInTheDataAreReadAsTransformersDoesUnlessToldOtherwise() throws IOException {
        int[] special = ids(read("a.txt", "a</s>b", options(400)));
        int[] plain = ids(read("a.txt", "a</s>b", options(400).withRecogniseSpecials(false)));
        assertEquals(2, Arrays.stream(special).filter(id -> id == END).count());
        assertEquals(1, Arrays.stream(plain).filter(id -> id == END).count());
        assertTrue(plain.length > special.length);
    }

    private void assertMessage(String message, String rows, TrainingFile.Options options) throws IOException {
        assertMessage("rows.jsonl", message, rows, options);
    }

    private void assertMessage(String name, String message, String rows, TrainingFile.Options options)
            throws IOException {
        Path file = file(name, rows);
        assertEquals(
                file + message,
                assertThrows(
                                TextFormatException.class,
                                () -> TrainingFile.read(file, tokenizer, options, Progress.NONE))
                        .getMessage());
    }

    @Test
    void badRowsAreNamedWithTheirLine() throws IOException {
        assertLine("NUMBER, expected an object", "5");
        assertLine("ARRAY, expected an object", "[" + HELLO + "]");
        assertLine("field text is NUMBER, expected a string", "{\"text\":5}");
        assertLine("field output is missing, expected a string", "{\"instruction\":\"a\",\"text\":\"b\"}");
        assertLine("field instruction is missing, expected a string", "{\"output\":\"a\"}");
        assertLine("field instruction is NULL, expected a string", "{\"instruction\":null,\"output\":\"a\"}");
        assertLine("field input is ARRAY, expected a string", "{\"instruction\":\"a\",\"input\":[],\"output\":\"a\"}");
        assertLine("field response is OBJECT, expected a string", "{\"instruction\":\"a\",\"response\":{}}");
        assertLine("has both fields output and response, expected one",
                "{\"instruction\":\"a\",\"output\":\"b\",\"response\":\"c\"}");
        assertLine("has the fields prompt, completion, expected the field text, or instruction and output"
                + " (or response)",
                "{\"prompt\":\"a\",\"completion\":\"b\"}");
        assertLine("has no fields, expected the field text, or instruction and output (or response)", "{}");
        assertLine("has the fields a, b, c, d, e, f, g, h, …, expected the field text, or instruction and output"
                + " (or response)",
                "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1}");
        assertLine("not JSON: Duplicate field 'text'", "{\"text\":\"a\",\"text\":\"b\"}");
        assertLine("not JSON: Unexpected end-of-input: expected close marker for Object", "{\"text\":\"a\"");
        assertLine("not JSON: Unrecognized token 'Tom': was expecting"
                + " (JSON String, Number, Array, Object or token 'null', 'true' or 'false')", "Tom ran.");
    }

    private void assertLine(String message, String row) throws IOException {
        assertMessage(": line 3: " + message, HELLO + "\n\n" + row + "\n" + HELLO + "\n", options(400));
    }

    @Test
    void badElementsAreNamedWithTheirNumber() throws IOException {
        var options = options(400);
        assertMessage("a.json", ": element 2: STRING, expected an object", "[" + HELLO + ",\n\"a\"]", options);
        assertMessage("a.json", ": element 2: not JSON: Duplicate field 'text'",
                "[" + HELLO + ",{\"text\":\"a\",\"text\":\"b\"}]", options);
        assertMessage("a.json", " has START_ARRAY after the array, expected its end", "[" + HELLO + "] []", options);
        assertMessage("a.json", " begins with START_OBJECT, expected an array", HELLO,
                options.withFormat(TrainingFormat.JSON_ARRAY));
        assertMessage("a.json", ": element 3: not JSON: Unexpected end-of-input: expected close marker for Array",
                "[" + HELLO + "," + HELLO, options);
    }

    @Test
    void filesWithoutTextAndBytesThatAreNotUtf8AreNamed() throws IOException {
        for (String name : new String[] {"a.txt", "a.jsonl"}) {
            assertMessage(name, " holds no text", "", options(400));
            assertMessage(name, " holds no text", "\n \n", options(400));
        }
        assertMessage("a.json", " holds no text", "[]", options(400));
        assertMessage(": none of its 1 rows has anything to learn within 400 tokens", "{\"text\":\"\"}", options(400));
        for (String name : new String[] {"a.txt", "a.jsonl", "a.json"}) {
            String first = name.equals("a.json") ? "[" + HELLO + "," : HELLO;
            byte[] bytes = (first + "\n{\"text\":\"?").getBytes(StandardCharsets.UTF_8);
            bytes[bytes.length - 1] = (byte) 0xe9;
            Path file = Files.write(folder.resolve(name), bytes);
            assertEquals(
                    file + ": line 2: byte 0xe9 at offset " + (bytes.length - 1) + " is not UTF-8",
                    assertThrows(
                                    TextFormatException.class,
                                    () -> TrainingFile.read(file, tokenizer, options(400), Progress.NONE))
                            .getMessage());
        }
        assertEquals(
                "max length must be at least 2 tokens, got 1",
                assertThrows(IllegalArgumentException.class, () -> options(1)).getMessage());
    }
}
