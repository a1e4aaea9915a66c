package espalier.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.eval.CalibrationSampler.Choice;
import espalier.eval.CalibrationSampler.Options;
import espalier.testing.SharedData;
import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CalibrationSamplerTest {
    @TempDir
    private Path folder;

    private Tokenizer tokenizer;

    @BeforeEach
    void load() throws IOException {
        tokenizer = Tokenizer.load(SharedData.models().resolve("stories260k"));
        assertTrue(tokenizer.addsBeginToken());
    }

    /// Document i has i + 1 words, each its own, so that documents can be told by their tokens.
    private TextSource documents(int count) throws IOException {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < count; i++) {
            String text = String.join(" ", Collections.nCopies(i + 1, "word" + (char) ('a' + i)));
            lines.append("{\"text\":\"").append(text).append("\"}\n");
        }
        return TextSource.read(Files.writeString(folder.resolve("documents.jsonl"), lines));
    }

    private int[] encode(String text) {
        return tokenizer.encode(text, EncodeOptions.WITH_SPECIALS);
    }

    @Test
    void firstTakesTheFirstThatAreLongEnoughFromTheirFirstToken() throws IOException {
        TextSource source = documents(12);
        int[][] samples = new CalibrationSampler(source, tokenizer, new Options(3, 9, Choice.FIRST, 0)).draw(0);
        List<int[]> expected = source.rows().stream()
                .map(this::encode)
                .filter(ids -> ids.length >= 9)
                .limit(3)
                .map(ids -> Arrays.copyOf(ids, 9))
                .toList();
        assertArrayEquals(expected.toArray(int[][]::new), samples);
        assertEquals(tokenizer.bosId().orElseThrow(), samples[0][0], "the begin token counts");
    }

    @Test
    void randomUsesEachDocumentOnceAndCropsAnywhere() throws IOException {
        TextSource source = documents(12);
        Options options = new Options(6, 9, Choice.RANDOM, 42);
        CalibrationSampler sampler = new CalibrationSampler(source, tokenizer, options);
        List<int[]> all = source.rows().stream().map(this::encode).toList();
        boolean cropped = false;
        Set<String> drawn = new HashSet<>();
        for (int draw = 0; draw < 20; draw++) {
            int[][] samples = sampler.draw(draw);
            Set<Integer> used = new HashSet<>();
            for (int[] sample : samples) {
                assertEquals(9, sample.length);
                int from = indexOfDocumentWith(all, sample);
                assertTrue(used.add(from), "document " + from + " was used twice");
                cropped |= sample[0] != tokenizer.bosId().orElseThrow();
            }
            drawn.add(Arrays.deepToString(samples));
        }
        assertTrue(cropped);
        assertEquals(20, drawn.size(), "each draw is another one");
    }

    private static int indexOfDocumentWith(List<int[]> documents, int[] sample) {
        for (int d = 0; d < documents.size(); d++) {
            int[] ids = documents.get(d);
            for (int from = 0; from + sample.length <= ids.length; from++) {
                if (Arrays.equals(ids, from, from + sample.length, sample, 0, sample.length)) {
                    return d;
                }
            }
        }
        throw new AssertionError("no document holds " + Arrays.toString(sample));
    }

    @Test
    void randomDrawsAreAFunctionOfTheSeed() throws IOException {
        TextSource source = documents(12);
        int[][] a = new CalibrationSampler(source, tokenizer, new Options(4, 9, Choice.RANDOM, 1)).draw(0);
        int[][] b = new CalibrationSampler(source, tokenizer, new Options(4, 9, Choice.RANDOM, 1)).draw(0);
        int[][] c = new CalibrationSampler(source, tokenizer, new Options(4, 9, Choice.RANDOM, 2)).draw(0);
        assertArrayEquals(a, b);
        assertNotEquals(Arrays.deepToString(a), Arrays.deepToString(c));
    }

    @Test
    void paragraphsOfPlainTextAreJoinedUntilLongEnough() throws IOException {
        Path file = folder.resolve("book.txt");
        Files.writeString(file, "One day\n\nTom\n\n saw a bird. \n\n\nIt was big\n\nand red.\n");
        int tokens = encode("One day\n\nTom").length + 1;
        CalibrationSampler sampler =
                new CalibrationSampler(TextSource.read(file), tokenizer, new Options(2, tokens, Choice.FIRST, 0));
        int[] first = encode("One day\n\nTom\n\nsaw a bird.");
        int[] second = encode("It was big\n\nand red.");
        assertFalse(encode("It was big").length >= tokens);
        assertArrayEquals(
                Stream.of(first, second).map(ids -> Arrays.copyOf(ids, tokens)).toArray(int[][]::new),
                sampler.draw(0));
    }

    @Test
    void documentsOfPlainTextStayApart() throws IOException {
        Path file = folder.resolve("stories.txt");
        Files.writeString(file, "Tom saw a big\n\nred bird.\n<|endoftext|>\nNo.\n<|endoftext|>\nOne day it was big.");
        CalibrationSampler sampler =
                new CalibrationSampler(TextSource.read(file), tokenizer, new Options(2, 6, Choice.FIRST, 0));
        assertTrue(encode("No.").length < 6);
        assertArrayEquals(
                Stream.of("Tom saw a big\n\nred bird.", "One day it was big.")
                        .map(text -> Arrays.copyOf(encode(text), 6))
                        .toArray(int[][]::new),
                sampler.draw(0));
    }

    @Test
    void tooFewLongDocumentsAreAnErrorWithCounts() throws IOException {
        TextSource source = documents(5);
        int longest = encode(source.rows().getLast()).length;
        for (Choice choice : Choice.values()) {
            var sampler = new CalibrationSampler(source, tokenizer, new Options(2, longest, choice, 0));
            assertEquals(
                    source.file() + ": 1 of 5 documents have " + longest
                            + " tokens or more, expected at least 2; the longest has " + longest,
                    assertThrows(IllegalArgumentException.class, () -> sampler.draw(0)).getMessage());
        }
    }

    @Test
    void optionsOutOfRangeAreRefused() {
        assertEquals(
                "samples must be positive, got 0",
                assertThrows(IllegalArgumentException.class, () -> new Options(0, 64, Choice.FIRST, 0)).getMessage());
        assertEquals(
                "tokens of a sample must be at least 2, got 1",
                assertThrows(IllegalArgumentException.class, () -> new Options(1, 1, Choice.FIRST, 0)).getMessage());
    }
}
