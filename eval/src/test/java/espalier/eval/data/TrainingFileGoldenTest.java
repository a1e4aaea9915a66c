package espalier.eval.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import espalier.engine.Progress;
import espalier.engine.train.Example;
import espalier.testing.SharedData;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Against transformers, id by id: `alpaca_reference.py` beside `alpaca_reference.json` made the numbers. They are
/// whole numbers and hashes of them, so nothing is tolerated.
class TrainingFileGoldenTest {
    private static JsonNode reference;

    @BeforeAll
    static void load() throws IOException {
        try (InputStream in = TrainingFileGoldenTest.class.getResourceAsStream("alpaca_reference.json")) {
            reference = new ObjectMapper().readTree(in);
        }
    }

    private static TrainingData read(String file, String tokenizer, String begin, String end, PromptStyle style)
            throws IOException {
        Tokenizer loaded = Tokenizer.load(SharedData.tokenizers().resolve(tokenizer));
        var options = TrainingFile.Options.of(
                        reference.get("cutoff").intValue(), loaded.tokenId(begin), loaded.tokenId(end))
                .withPrompt(style);
        return TrainingFile.read(SharedData.data().resolve(file), loaded, options, Progress.NONE);
    }

    private static TrainingData readSmollm2(String file, PromptStyle style) throws IOException {
        return read(file, "smollm2", "<|im_start|>", "<|im_end|>", style);
    }

    private static void assertCounts(String name, TrainingData data) {
        JsonNode expected = reference.get(name);
        assertEquals(expected.get("skipped").longValue(), data.skippedRows());
        assertEquals(expected.get("tokens").longValue(), data.examples().tokens());
        assertEquals(expected.get("labels").longValue(), data.labels());
        assertEquals(expected.get("fingerprint").textValue(), data.fingerprint());
    }

    @Test
    void allOfAlpacaIsTokenisedAsByTransformers() throws IOException {
        TrainingData data = readSmollm2("alpaca/alpaca_52k.jsonl.gz", PromptStyle.ALPACA);
        assertEquals(TrainingFormat.JSON_LINES, data.format());
        assertEquals(52002, data.instructionRows());
        assertEquals(reference.get("smollm2_alpaca_52k").get("rows").longValue(), data.rows());
        assertEquals("1627362a0d190c9dfb54c6027692a321d1a5c50150474368cb4c25e2038673c8", data.sha256());
        assertCounts("smollm2_alpaca_52k", data);
        assertSingleRows(data);
    }

    /// Rows that are skipped move those after them; the rows to compare are looked for by their place among all.
    private static void assertSingleRows(TrainingData data) throws IOException {
        List<JsonNode> expected = new ArrayList<>();
        reference.get("examples").forEach(expected::add);
        assertEquals(12, expected.size());
        for (JsonNode row : expected) {
            int index = row.get("row").intValue();
            Example found = findNear(data, index, ids(row), row.get("first_label").intValue());
            assertArrayEquals(ids(row), found.ids(), "row " + index);
        }
    }

    private static Example findNear(TrainingData data, int row, int[] ids, int firstLabel) {
        for (int skipped = 0; skipped <= data.skippedRows() && skipped <= row; skipped++) {
            Example example = data.examples().get(row - skipped);
            if (example.firstLabel() == firstLabel && example.ids().length == ids.length) {
                return example;
            }
        }
        throw new AssertionError("row " + row + " has no example of " + ids.length + " tokens with its first label at "
                + firstLabel);
    }

    private static int[] ids(JsonNode row) {
        return StreamSupport.stream(row.get("ids").spliterator(), false).mapToInt(JsonNode::intValue).toArray();
    }

    @Test
    void theBeginTokenOfATokenizerThatAddsOneIsPartOfThePrompt() throws IOException {
        String file = "alpaca/alpaca_gpt4_style_1k.jsonl.gz";
        assertCounts("smollm2_small", readSmollm2(file, PromptStyle.ALPACA));
        assertCounts("llama2_small", read(file, "llama2-spm", "<s>", "</s>", PromptStyle.ALPACA));
    }

    @Test
    void promptsWithoutTheTemplateAreThoseOfTheRelease() throws IOException {
        TrainingData data = readSmollm2("alpaca/alpaca_gpt4_style_1k.jsonl.gz", PromptStyle.PLAIN);
        assertCounts("smollm2_small_plain", data);
    }

    @Test
    void textsAreJoinedAndCutIntoBlocks() throws IOException {
        TrainingData data = readSmollm2("text/c4_slice.jsonl.gz", PromptStyle.ALPACA);
        assertEquals(1480, data.textRows());
        assertCounts("smollm2_c4_blocks", data);
    }
}
