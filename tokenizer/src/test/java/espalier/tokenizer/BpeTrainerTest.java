package espalier.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class BpeTrainerTest {
    /// `<|endoftext|>` and the bytes.
    private static final int LEAST = 257;

    @TempDir
    private Path folder;

    private static TrainedBpe train(BpeSettings settings, String... texts) {
        BpeTrainer trainer = new BpeTrainer(settings);
        for (String text : texts) {
            trainer.add(text);
        }
        return trainer.train(BpeTrainer.Listener.NONE);
    }

    private static BpeSettings merges(int merges) {
        return BpeSettings.of(LEAST + merges);
    }

    private static List<String> learnt(TrainedBpe trained) {
        return trained.merges().stream()
                .map(merge -> trained.entries().get(merge.left()) + " " + trained.entries().get(merge.right()))
                .toList();
    }

    private Tokenizer load(TrainedBpe trained) throws IOException {
        for (Map.Entry<String, String> file : trained.files().entrySet()) {
            Files.writeString(folder.resolve(file.getKey()), file.getValue());
        }
        return Tokenizer.load(folder);
    }

    private static String proseOf(int words, long seed) {
        String[] parts = {"th", "e", "in", "g", "er", "sh", "o", "ut", "a", "nd", "ly", "\u00e9", "\u4e2d"};
        Random random = new Random(seed);
        StringBuilder text = new StringBuilder();
        for (int n = 0; n < words; n++) {
            text.append(n == 0 ? "" : random.nextInt(12) == 0 ? ".\n" : " ");
            for (int i = random.nextInt(4); i >= 0; i--) {
                int rare = Math.min(random.nextInt(parts.length), random.nextInt(parts.length));
                text.append(parts[rare]);
            }
            text.append(random.nextInt(9) == 0 ? Integer.toString(random.nextInt(3000)) : "");
        }
        return text.toString();
    }

    /// Sennrich et al. 2016 with the words low 5 times, lower 2, newest 6, widest 3; each here on a line of its own.
    /// By hand: `e s` 9 and `s t` 9 are most frequent, and e comes before s; then `es t` 9; `l o` 7; `lo w` 7;
    /// then of `n e`, `e w` and `w est` with 6 each e has the lowest id.
    @Test
    void mergesOfASmallTextAreThoseComputedByHand() {
        String text = "low\n".repeat(5) + "lower\n".repeat(2) + "newest\n".repeat(6) + "widest\n".repeat(3);
        TrainedBpe trained = train(merges(7), text);
        assertEquals(List.of("e s", "es t", "l o", "lo w", "e w", "n ew", "new est"), learnt(trained));
        assertEquals(List.of("es", "est", "lo", "low", "ew", "new", "newest"),
                trained.entries().subList(LEAST, LEAST + 7));
        // low 1 token, lower 3, newest 1, widest 4, and 16 line feeds
        assertEquals(new TrainedBpe.Counts(1, 95, 95, 5 + 6 + 6 + 12 + 16), trained.counts());
    }

    @Test
    void ofEquallyFrequentPairsTheLowerIdsWin() {
        assertEquals(List.of("a d", "b c", "c a"), learnt(train(merges(3), "ca\nca\nbc\nbc\nad\nad\n")));
        assertEquals(List.of("a b", "a c"), learnt(train(merges(2), "ac\nac\nab\nab\n")));
        // a merge comes after all bytes, those of Latin-1 and of control characters too
        assertEquals(List.of("a b", "\u00c3 \u00a9", "ab c"),
                learnt(train(merges(3), "abc\nabc\nab\n\u00e9\n\u00e9\n")));
    }

    @Test
    void overlappingPairsAreMergedFromTheLeft() throws IOException {
        TrainedBpe trained = train(merges(2), "aaa\naaa\naaaaa\naaaaa\n");
        assertEquals(List.of("a a", "aa a"), learnt(trained));
        assertArrayEquals(new int[] {LEAST, LEAST + 1}, load(trained).encode("aaaaa", EncodeOptions.PLAIN_TEXT));
    }

    /// The definition, counted anew for every merge.
    @ParameterizedTest
    @EnumSource(BpeSettings.Numbers.class)
    void mergesAreThoseOfTheDefinition(BpeSettings.Numbers numbers) {
        for (int seed = 0; seed < 5; seed++) {
            String text = proseOf(400, seed);
            TrainedBpe trained = train(merges(80).withNumbers(numbers), text);
            assertEquals(naive(text, numbers, 80), trained.merges());
        }
    }

    private static List<TrainedBpe.Merge> naive(String text, BpeSettings.Numbers numbers, int merges) {
        List<String> entries = train(merges(0)).entries();
        List<String> spelt = new ArrayList<>(entries);
        List<List<Integer>> words = new ArrayList<>();
        List<PreTokenizer.Step> steps = new ArrayList<>(List.of(new PreTokenizer.Isolate(SplitPattern.GPT2)));
        if (numbers == BpeSettings.Numbers.INDIVIDUAL) {
            steps.addFirst(new PreTokenizer.Digits(true));
        }
        new PreTokenizer(steps, true).split(text, (t, from, to) -> words.add(new ArrayList<>(
                ByteAlphabet.spell(t.substring(from, to)).chars()
                        .mapToObj(c -> entries.indexOf(String.valueOf((char) c)))
                        .toList())));
        List<TrainedBpe.Merge> found = new ArrayList<>();
        while (found.size() < merges) {
            Map<Long, Integer> counts = new TreeMap<>();
            for (List<Integer> word : words) {
                for (int i = 0; i + 1 < word.size(); i++) {
                    counts.merge(LongIntMap.pair(word.get(i), word.get(i + 1)), 1, Integer::sum);
                }
            }
            int most = Collections.max(counts.values());
            long best = counts.keySet().stream().filter(pair -> counts.get(pair) == most).findFirst().orElseThrow();
            TrainedBpe.Merge merge = new TrainedBpe.Merge((int) (best >>> 32), (int) best);
            for (List<Integer> word : words) {
                for (int i = 0; i + 1 < word.size(); i++) {
                    if (word.get(i) == merge.left() && word.get(i + 1) == merge.right()) {
                        word.set(i, spelt.size());
                        word.remove(i + 1);
                    }
                }
            }
            spelt.add(spelt.get(merge.left()) + spelt.get(merge.right()));
            found.add(merge);
        }
        return found;
    }

    /// Runs of one letter overlap with themselves in many ways.
    @Test
    void noTwoEntriesAreSpeltTheSame() {
        for (int seed = 0; seed < 10; seed++) {
            Random random = new Random(seed);
            StringBuilder text = new StringBuilder();
            for (int n = 0; n < 100; n++) {
                text.append("a".repeat(1 + random.nextInt(20))).append(" ");
            }
            TrainedBpe trained = train(merges(14), text.toString());
            assertEquals(naive(text.toString(), BpeSettings.Numbers.RUNS, 14), trained.merges());
            assertEquals(LEAST + 14, trained.entries().stream().distinct().count());
        }
    }

    @Test
    void theOrderOfTextsDoesNotMatter() {
        List<String> texts = new ArrayList<>();
        for (int n = 0; n < 60; n++) {
            texts.add(proseOf(40, n));
        }
        TrainedBpe first = train(merges(200), texts.toArray(String[]::new));
        for (int n = 0; n < 5; n++) {
            Collections.shuffle(texts, new Random(n));
            TrainedBpe again = train(merges(200), texts.toArray(String[]::new));
            assertEquals(first, again);
            assertEquals(first.files(), again.files());
        }
    }

    @Test
    void textsAreEncodedAsTheyWereCutInLearning() throws IOException {
        String text = proseOf(3000, 5);
        TrainedBpe trained = train(merges(300), text);
        assertEquals(trained.counts().tokens(), load(trained).encode(text, EncodeOptions.WITH_SPECIALS).length);
    }

    @ParameterizedTest
    @EnumSource(BpeSettings.Numbers.class)
    void everyTextComesBack(BpeSettings.Numbers numbers) throws IOException {
        Tokenizer tokenizer = load(train(merges(300).withNumbers(numbers), proseOf(3000, 6)));
        StringBuilder all = new StringBuilder();
        for (int codePoint = 0; codePoint < 0x3000; codePoint++) {
            all.appendCodePoint(codePoint);
        }
        for (int codePoint = 0x10000; codePoint < 0x110000; codePoint += 0x1001) {
            all.appendCodePoint(codePoint);
        }
        for (String text : List.of(all.toString(), "", " ",
                "e\u0301\u200d\ufeff\u2028 \ud83d\udc69\u200d\ud83d\udc67\r\n\t", "\u0000\u007f\u0080",
                "don't 12,345.67 \u00bd\u2167  x", "<|endoftext|>", "\u0120the \u0100")) {
            assertEquals(text, tokenizer.decode(tokenizer.encode(text, EncodeOptions.WITH_SPECIALS), false));
            assertEquals(text, tokenizer.decode(tokenizer.encode(text, EncodeOptions.PLAIN_TEXT), false));
        }
        for (int value = 0; value < 256; value++) {
            assertTrue(tokenizer.tokenId(ByteAlphabet.spell((byte) value)).isPresent(), "byte " + value);
        }
    }

    @ParameterizedTest
    @CsvSource({"INDIVIDUAL, 6", "RUNS, 1"})
    void numbersAreCutAsAsked(BpeSettings.Numbers numbers, int tokens) throws IOException {
        Tokenizer tokenizer = load(
                train(merges(6).withNumbers(numbers), " 12345 12345 12345 12345 abcdefghij abcdefghij"));
        assertEquals(tokens, tokenizer.encode(" 12345", EncodeOptions.PLAIN_TEXT).length);
    }

    @Test
    void specialTokensComeFirstAndAreNeverMerged() throws IOException {
        SpecialTokens specials = new SpecialTokens("<s>", "</s>", List.of("<pad>", "\u0120the"));
        String text = "<s>the<pad>the the the</s>".repeat(20) + "x the ab ab";
        // Blank and the are the next most frequent pair, but spell the fourth special token.
        TrainedBpe trained = train(BpeSettings.of(4 + 256 + 4).withSpecials(specials), text);
        assertEquals(List.of("<s>", "</s>", "<pad>", "\u0120the"), trained.entries().subList(0, 4));
        assertEquals(List.of("h e", "t he", "a b", "\u0120 ab"), learnt(trained));
        Tokenizer tokenizer = load(trained);
        assertEquals(OptionalInt.of(0), tokenizer.bosId());
        assertEquals(OptionalInt.of(1), tokenizer.eosId());
        for (int id = 0; id < trained.entries().size(); id++) {
            assertEquals(id < 4, tokenizer.isSpecial(id));
        }
        int the = tokenizer.tokenId("the").orElseThrow();
        int blank = tokenizer.tokenId("\u0120").orElseThrow();
        assertArrayEquals(new int[] {0, the, 2, blank, the, 3, 1},
                tokenizer.encode("<s>the<pad> the\u0120the</s>", EncodeOptions.WITH_SPECIALS));
    }

    @Test
    void theBeginTokenIsAddedWhereItIsAskedFor() throws IOException {
        String text = proseOf(100, 7);
        assertFalse(load(train(merges(9), text)).addsBeginToken());
        Tokenizer tokenizer = load(train(
                merges(9).withSpecials(new SpecialTokens("<s>", "</s>", List.of())).withAddBos(true), text));
        assertTrue(tokenizer.addsBeginToken());
        assertEquals(0, tokenizer.encode("a", EncodeOptions.WITH_SPECIALS)[0]);
    }

    @Test
    void theSizeIsReachedOrTheTextIsTooSmall() {
        // ab and abc 3 times; the line feed is a word of its own
        String text = "abc\nabc\nabc\nxy\n";
        assertEquals(LEAST + 2, train(merges(2), text).entries().size());
        assertEquals("vocab size 260 was asked for, but 1 texts with 15 bytes yield only 259 entries from pairs that"
                        + " occur 2 times or more: give more text or ask for fewer",
                assertThrows(IllegalArgumentException.class, () -> train(merges(3), text)).getMessage());
        assertEquals(LEAST + 3, train(merges(3).withMinFrequency(1), text).entries().size());
        assertEquals(LEAST, train(merges(0)).entries().size());
    }

    @Test
    void entriesAreNotLongerThanTheLimit() {
        TrainedBpe trained = train(merges(10), ("-".repeat(3000) + "\n").repeat(2));
        assertEquals(MergeLearner.LONGEST_ENTRY,
                trained.entries().stream().mapToInt(String::length).max().orElseThrow());
    }

    @Test
    void learningTellsHowFarItIs() {
        BpeTrainer trainer = new BpeTrainer(merges(20));
        trainer.add(proseOf(200, 8));
        List<Integer> seen = new ArrayList<>();
        trainer.train((done, total) -> {
            assertEquals(20, total);
            seen.add(done);
        });
        assertEquals(20, seen.size());
        assertEquals(20, seen.getLast());
    }

    @Test
    void badSettingsAreRefused() {
        assertEquals("vocab size must be from 257 (256 bytes and 1 special) to 1048576, got 256",
                refusal(() -> BpeSettings.of(256)));
        assertEquals("vocab size must be from 257 (256 bytes and 1 special) to 1048576, got 1048577",
                refusal(() -> BpeSettings.of(1048577)));
        assertEquals("min frequency must be positive, got 0", refusal(() -> merges(1).withMinFrequency(0)));
        Map<String, String> bad = new HashMap<>(Map.of(
                " ", "special token \" \" is blank",
                "", "special token \"\" is blank",
                "\u0120", "special token \"\u0120\" is the spelling of a byte",
                "\ud800x", "special token \"\ufffdx\" has a lone surrogate",
                SpecialTokens.END_OF_TEXT, "special token \"<|endoftext|>\" is listed twice"));
        bad.put("x".repeat(257),
                "special token \"" + "x".repeat(80) + "\u2026\" has 257 characters, expected at most 256");
        bad.forEach((token, message) -> assertEquals(message, refusal(() -> new SpecialTokens(
                SpecialTokens.END_OF_TEXT, SpecialTokens.END_OF_TEXT, List.of(token)))));
    }

    private static String refusal(Runnable made) {
        return assertThrows(IllegalArgumentException.class, made::run).getMessage();
    }
}
