package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenizerTrainCommandTest {
    @TempDir
    private Path folder;

    private Path stories;
    private Path rows;

    @BeforeEach
    void writeData() throws IOException {
        stories = Files.writeString(folder.resolve("a.txt"),
                "The cat sat on the mat. The cat ran.\n<|endoftext|>\nThe dog sat on the cat, in 1984.\n");
        rows = Files.writeString(folder.resolve("b.jsonl"), "{\"text\":\"The dog ran to the caf\u00e9.\"}\n");
    }

    private Cli train(Object... more) {
        Stream<Object> fixed = Stream.of("tokenizer", "train", "--data", stories, rows, "--out", folder.resolve("t"));
        return Cli.run(Stream.concat(fixed, Stream.of(more)).toArray());
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void whatIsWrittenIsRead() throws IOException {
        JsonNode json = train("--vocab-size", 270, "--special", "<pad>", "<unk>", "--json").json();
        assertEquals(270, json.get("vocab_size").intValue());
        assertEquals(270 - 256 - 3, json.get("merges").intValue());
        assertEquals(3, json.get("texts").intValue());
        String all = "The cat sat on the mat. The cat ran." + "The dog sat on the cat, in 1984.\n"
                + "The dog ran to the caf\u00e9.";
        assertEquals(all.length(), json.get("characters").intValue());
        assertEquals(all.length() + 1, json.get("bytes").intValue());
        double tokens = json.get("tokens").doubleValue();
        assertEquals(tokens / (all.length() + 1), json.get("tokens_per_byte").doubleValue());
        assertEquals(all.length() / tokens, json.get("characters_per_token").doubleValue());
        Tokenizer tokenizer = Tokenizer.load(folder.resolve("t"));
        assertEquals(270, tokenizer.vocabSize());
        assertEquals(OptionalInt.of(0), tokenizer.bosId());
        assertEquals(OptionalInt.of(0), tokenizer.eosId());
        assertArrayEquals(new int[] {1, 0, 2},
                tokenizer.encode("<pad><|endoftext|><unk>", EncodeOptions.WITH_SPECIALS));
        int[] ids = tokenizer.encode("The caf\u00e9", EncodeOptions.PLAIN_TEXT);
        assertEquals("The caf\u00e9", tokenizer.decode(ids, true));
        assertEquals(List.of("a.txt", "b.jsonl", "t"), names());
    }

    @Test
    void optionsDecideWhatIsLearnt() throws IOException {
        assertEquals(0, train("--vocab-size", 265, "--bos", "<s>", "--eos", "</s>", "--add-bos", "--digits", "runs",
                "--min-frequency", 1).exit());
        Tokenizer tokenizer = Tokenizer.load(folder.resolve("t"));
        assertEquals(OptionalInt.of(0), tokenizer.tokenId("<s>"));
        assertEquals(OptionalInt.of(0), tokenizer.bosId());
        assertEquals(OptionalInt.of(1), tokenizer.eosId());
        assertTrue(tokenizer.addsBeginToken());
    }

    @Test
    void onlyATokenizerIsReplacedAndOnlyOnDemand() throws IOException {
        Path out = folder.resolve("t");
        assertEquals(0, train("--vocab-size", 260).exit());
        String first = Files.readString(out.resolve("tokenizer.json"));
        train("--vocab-size", 261).refused(out + ": --out exists already; --overwrite replaces it");
        assertEquals(first, Files.readString(out.resolve("tokenizer.json")));
        assertEquals(0, train("--vocab-size", 261, "--overwrite").exit());
        assertEquals(261, Tokenizer.load(out).vocabSize());
        Files.writeString(out.resolve("config.json"), "{}");
        train("--vocab-size", 262, "--overwrite").refused(
                out + ": is not a tokenizer folder, so it is not replaced");
        assertEquals(261, Tokenizer.load(out).vocabSize());
        Cli.run("tokenizer", "train", "--data", stories, "--vocab-size", 260, "--out", folder, "--overwrite").refused(
                "--out %s holds --data %s, which would be lost".formatted(folder, stories));
    }

    @Test
    void badInputLeavesNothingBehind() throws IOException {
        train("--vocab-size", 100).refused("vocab size must be from 257 (256 bytes and 1 special) to 1048576, got 100");
        train("--vocab-size", 4096).refused("vocab size 4096 was asked for, but 3 texts with 94 bytes yield only 274"
                + " entries from pairs that occur 2 times or more: give more text or ask for fewer");
        train("--vocab-size", 260, "--special", "<|endoftext|>").refused(
                "special token \"<|endoftext|>\" is listed twice");
        train("--vocab-size", 260, "--min-frequency", 0).refused("min frequency must be positive, got 0");
        train("--vocab-size", 260, "--digits", "triples").refused("Invalid value for option '--digits': 'triples' is"
                + " not a way to cut; there are individual and runs (see espalier tokenizer train --help)");
        Path none = folder.resolve("none.txt");
        Cli.run("tokenizer", "train", "--data", none, "--vocab-size", 260, "--out", folder.resolve("t")).refused(
                none + ": no such file or folder");
        Path empty = Files.writeString(folder.resolve("c.txt"), " \n");
        Cli.run("tokenizer", "train", "--data", empty, "--vocab-size", 260, "--out", folder.resolve("t")).refused(
                empty + " holds no text");
        Path specials = Files.writeString(folder.resolve("d.txt"), "x<pad>x");
        Cli.run("tokenizer", "train", "--data", specials, "--vocab-size", 259, "--special", "<pad>", "x<pad>x", "--out",
                folder.resolve("t")).refused("the data hold nothing but special tokens");
        Cli.run("tokenizer").refused("a command is missing: train (see espalier tokenizer --help)");
        assertEquals(List.of("a.txt", "b.jsonl", "c.txt", "d.txt"), names());
    }
}
