package espalier.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The parts of the pipeline against slow twins.
class PartsTest {
    private static final String[] FRAGMENTS = {"'s", "'S", "'\u017F", "'ll", "'lL", "'Ve", "'re", "'", "'x", "a", "Z",
        "\u00e9", "\u4e2d", "\uD835\uDC00", "\u0301", "0", "12", "34567", "\u00bd", "\u2167", "\u0663", " ", "  ", "\t",
        "\n", "\r", "\r\n", "\u000b", "\u0085", "\u00a0", "\u1680", "\u2028", "\u3000", "\u200b", "\u180e", "\u001c",
        "_", "-", ".", "!?", "\uD83D\uDE00", "\uFEFF"};

    private static String randomText(Random random) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(12); i >= 0; i--) {
            text.append(FRAGMENTS[random.nextInt(FRAGMENTS.length)]);
        }
        return text.toString();
    }

    /// The hand-written matchers against the JDK's engine on the same expressions, whose classes are made Unicode's.
    @ParameterizedTest
    @EnumSource(SplitPattern.class)
    void splittersMatchTheirRegularExpressions(SplitPattern splitter) {
        Pattern regex = Pattern.compile(regex(splitter), Pattern.UNICODE_CHARACTER_CLASS | Pattern.UNICODE_CASE);
        Random random = new Random(11);
        for (int n = 0; n < 20_000; n++) {
            String text = randomText(random);
            List<String> expected = new ArrayList<>();
            for (Matcher matcher = regex.matcher(text); matcher.find();) {
                expected.add(matcher.group());
            }
            List<String> words = new ArrayList<>();
            new PreTokenizer(List.of(new PreTokenizer.Isolate(splitter)), false)
                    .split(text, (t, from, to) -> words.add(t.substring(from, to)));
            assertEquals(expected, words, text);
        }
    }

    private static String regex(SplitPattern splitter) {
        String lines = "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
        return switch (splitter) {
            case GPT2 -> "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
            case LLAMA3 -> "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
                    + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" + lines;
            case QWEN2 -> "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
                    + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" + lines;
        };
    }

    @Test
    void blanksAreTrimmedAndCollapsedAsTheirRegularExpressionsDo() {
        Random random = new Random(12);
        for (int n = 0; n < 5000; n++) {
            String text = randomText(random).replace('a', ' ').replace('Z', ' ');
            assertEquals(text.replaceAll("\\A +| +\\z", ""), new Normalizer.TrimBlanks().apply(text));
            assertEquals(text.replaceAll(" {2,}", " "), new Normalizer.CollapseBlanks().apply(text));
        }
    }

    /// Merges over a three-letter alphabet, so that most of them compete.
    @Test
    void mergesAreThoseOfTheDefinition() {
        Random random = new Random(13);
        for (int round = 0; round < 50; round++) {
            List<String> pieces = new ArrayList<>(List.of("a", "b", "c"));
            Map<String, Integer> ids = new HashMap<>(Map.of("a", 0, "b", 1, "c", 2));
            List<int[]> merges = new ArrayList<>();
            while (merges.size() < 30) {
                int left = random.nextInt(pieces.size());
                int right = random.nextInt(pieces.size());
                String merged = pieces.get(left) + pieces.get(right);
                if (merges.stream().noneMatch(m -> m[0] == left && m[1] == right)) {
                    if (ids.putIfAbsent(merged, pieces.size()) == null) {
                        pieces.add(merged);
                    }
                    merges.add(new int[] {left, right, ids.get(merged)});
                }
            }
            Bpe bpe = new Bpe(ids, new Bpe.Merges(column(merges, 0), column(merges, 1), column(merges, 2)),
                    new Bpe.Settings(-1, false, new int[0], false));
            for (int n = 0; n < 200; n++) {
                StringBuilder text = new StringBuilder();
                for (int i = random.nextInt(40); i > 0; i--) {
                    text.append((char) ('a' + random.nextInt(3)));
                }
                IdList out = new IdList();
                bpe.encode(text.toString(), out);
                assertArrayEquals(naive(text, merges), out.toArray(), text.toString());
            }
        }
    }

    private static int[] column(List<int[]> rows, int column) {
        return rows.stream().mapToInt(row -> row[column]).toArray();
    }

    private static int[] naive(CharSequence text, List<int[]> merges) {
        List<Integer> symbols = new ArrayList<>(text.chars().map(c -> c - 'a').boxed().toList());
        while (true) {
            int bestRank = merges.size();
            int bestPlace = -1;
            for (int i = 0; i + 1 < symbols.size(); i++) {
                for (int rank = 0; rank < bestRank; rank++) {
                    if (merges.get(rank)[0] == symbols.get(i) && merges.get(rank)[1] == symbols.get(i + 1)) {
                        bestRank = rank;
                        bestPlace = i;
                    }
                }
            }
            if (bestPlace < 0) {
                return symbols.stream().mapToInt(Integer::intValue).toArray();
            }
            symbols.set(bestPlace, merges.get(bestRank)[2]);
            symbols.remove(bestPlace + 1);
        }
    }

    @Test
    void byteAlphabetIsOneToOne() {
        StringBuilder all = new StringBuilder();
        for (int codePoint = 0; codePoint < 0x800; codePoint++) {
            all.appendCodePoint(codePoint);
        }
        String text = all + "\u4e2d\uD83D\uDE00";
        String spelt = ByteAlphabet.spell(text);
        assertEquals("\u0120\u010a!\u00c3\u00a9", ByteAlphabet.spell(" \n!\u00e9"));
        assertArrayEquals(text.getBytes(StandardCharsets.UTF_8), ByteAlphabet.bytes(spelt));
        assertArrayEquals("\u4e2d".getBytes(StandardCharsets.UTF_8), ByteAlphabet.bytes("\u4e2d"));
    }

    /// Expected are Rust's from_utf8_lossy: one U+FFFD for each maximal part of a sequence.
    @ParameterizedTest
    @CsvSource({
        "41 C3 A9 E4 B8 AD F0 9F 98 80, A\u00e9\u4e2d\uD83D\uDE00",
        "C3, \uFFFD", "C3 41, \uFFFDA", "80, \uFFFD", "C0 80, \uFFFD\uFFFD", "E0 80 80, \uFFFD\uFFFD\uFFFD",
        "E4 B8 41, \uFFFDA", "ED A0 80, \uFFFD\uFFFD\uFFFD", "F0 9F 98, \uFFFD",
        "F0 8F BF BF, \uFFFD\uFFFD\uFFFD\uFFFD",
        "F4 90 80 80, \uFFFD\uFFFD\uFFFD\uFFFD", "FF FE, \uFFFD\uFFFD", "F0 9F C3 A9, \uFFFD\u00e9"})
    void malformedUtf8(String hex, String expected) {
        Utf8Stream stream = new Utf8Stream();
        StringBuilder out = new StringBuilder();
        for (String b : hex.split(" ")) {
            stream.accept((byte) Integer.parseInt(b, 16), out);
        }
        stream.finish(out);
        assertEquals(expected, out.toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"fallback", "phrase", "bytes"})
    void loneSurrogatesCountAsReplacementCharacters(String name) throws IOException {
        Tokenizer tokenizer = Tokenizer.load(SmallGoldenTest.folder(name));
        assertArrayEquals(tokenizer.encode("a\uFFFDb\uD83D\uDE00\uFFFD\uFFFD", EncodeOptions.PLAIN_TEXT),
                tokenizer.encode("a\uD800b\uD83D\uDE00\uDC00\uD83D", EncodeOptions.PLAIN_TEXT));
    }

    @Test
    void bytePiecesAreSpeltExactlySo() {
        assertEquals(0x0A, Vocabulary.byteOf("<0x0A>"));
        assertEquals(0xFF, Vocabulary.byteOf("<0xfF>"));
        for (String other : List.of("<0x+A>", "<0xA>", "<0x0G>", "<0X0A>", " <0x0A>", "<0x0A> ", "<0x0A", "<0x0A\n",
                "<0x\u0660\u0660>",
                "<0x\uFF10\uFF10>")) {
            assertEquals(-1, Vocabulary.byteOf(other), other);
        }
    }

    /// One word of a million letters, and as many of them as make every merge possible.
    @ParameterizedTest
    @ValueSource(strings = {"fallback", "phrase", "bytes"})
    void oneLongWordTakesSeconds(String name) throws IOException {
        Tokenizer tokenizer = Tokenizer.load(SmallGoldenTest.folder(name));
        String text = "the".repeat(700_000);
        int[] ids = assertTimeoutPreemptively(Duration.ofSeconds(30),
                () -> tokenizer.encode(text, EncodeOptions.PLAIN_TEXT));
        assertTrue(ids.length >= 700_000, () -> "tokens: " + ids.length);
        String decoded = tokenizer.decode(ids, false);
        assertEquals(text, name.equals("bytes") ? decoded.substring(1) : decoded);
    }

    @Test
    void manyThreadsGetTheSameIds() throws IOException {
        Tokenizer tokenizer = Tokenizer.load(SmallGoldenTest.folder("bytes"));
        Random random = new Random(14);
        List<String> texts = new ArrayList<>();
        for (int n = 0; n < 2000; n++) {
            texts.add(randomText(random));
        }
        List<String> parallel = texts.parallelStream().map(text -> ids(tokenizer, text)).toList();
        Tokenizer alone = Tokenizer.load(SmallGoldenTest.folder("bytes"));
        assertEquals(texts.stream().map(text -> ids(alone, text)).toList(), parallel);
    }

    private static String ids(Tokenizer tokenizer, String text) {
        return Arrays.toString(tokenizer.encode(text, EncodeOptions.WITH_SPECIALS));
    }
}
