package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.weights.ModelPrompt;
import espalier.eval.WindowPerplexity;
import espalier.eval.data.PromptStyle;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What commands do with a model that carries a prompt.
class PrefixGoldenTest {
    private static final ModelPrompt PROMPT = new ModelPrompt(
            "test",
            "###Be small:\nYou are being pruned.\n\n###Input:\n",
            "###Be small:\nYou were pruned.\n\n###Input:\n");
    private static final ModelPrompt CARRIED = PromptStyle.COLLABORATIVE.carried().orElseThrow();

    @TempDir
    private Path folder;

    private Path carrying(String name, ModelPrompt prompt) throws IOException {
        Path model = PruneRuns.copy(PruneRuns.model(name), folder.resolve(name + "-" + prompt.style()));
        ObjectNode config = PruneRuns.config(model);
        config.putObject("espalier").put("format", 1).putObject("prompt")
                .put("style", prompt.style())
                .put("prefix", prompt.prefix())
                .put("past_prefix", prompt.pastPrefix());
        Files.writeString(model.resolve("config.json"), config.toString());
        return model;
    }

    private static List<Integer> ids(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false).map(JsonNode::intValue).toList();
    }

    private static List<Integer> joined(Path model, String prefix, String prompt) throws IOException {
        Tokenizer tokenizer = Tokenizer.load(model);
        assertTrue(tokenizer.addsBeginToken());
        return IntStream.concat(
                        IntStream.of(tokenizer.encode(prefix, EncodeOptions.WITH_SPECIALS)),
                        IntStream.of(tokenizer.encode(prompt, EncodeOptions.WITH_SPECIALS)).skip(1))
                .boxed()
                .toList();
    }

    private static Cli generate(Path model, Object... more) {
        Stream<Object> fixed = Stream.of(
                "generate", "--model", model, "--prompt", "Once upon a time", "--max-tokens", 8, "--json");
        return Cli.run(Stream.concat(fixed, Stream.of(more)).toArray());
    }

    private static void assertPrefix(String name, int tokens, JsonNode json) {
        assertEquals(name, json.get("prefix").textValue());
        assertEquals(tokens, json.get("prefix_tokens").intValue());
    }

    private static void assertSaid(String line, Cli run) {
        assertTrue(run.err().lines().anyMatch(line::equals), run.err());
    }

    @Test
    void generatePutsThePrefixBeforeThePromptAndSaysSo() throws IOException {
        Path model = carrying("stories260k", PROMPT);
        Cli run = generate(model);
        List<Integer> expected = joined(model, PROMPT.prefix(), "Once upon a time");
        assertEquals(expected, ids(run.json().get("prompt_ids")));
        int tokens = Tokenizer.load(model).encode(PROMPT.prefix(), EncodeOptions.WITH_SPECIALS).length;
        assertPrefix("train", tokens, run.json());
        assertSaid(
                "prefix train: the test prompt of " + model + ", " + tokens + " tokens, comes before each input", run);
        assertEquals(run.json().get("ids"), generate(model, "--prefix", "train").json().get("ids"));
        JsonNode past = generate(model, "--prefix", "past").json();
        assertEquals(joined(model, PROMPT.pastPrefix(), "Once upon a time"), ids(past.get("prompt_ids")));
        assertEquals("past", past.get("prefix").textValue());
        Cli none = generate(model, "--prefix", "none");
        JsonNode plain = generate(PruneRuns.small()).json();
        for (String key : List.of("prompt_ids", "ids", "text")) {
            assertEquals(plain.get(key), none.json().get(key));
        }
        assertPrefix("none", 0, none.json());
        assertSaid("prefix none: the test prompt that " + model + " was trained with is left out", none);
        Cli text = Cli.run(
                "generate", "--model", model, "--prompt", "Once upon a time", "--max-tokens", 8, "--prefix", "train");
        assertEquals(run.json().get("text").textValue() + "\n", text.out(), "the prefix is not shown");
    }

    @Test
    void aModelWithoutAPromptIsNotGivenOne() {
        Path model = PruneRuns.small();
        Cli run = generate(model);
        assertPrefix("absent", 0, run.json());
        assertFalse(run.err().contains("prefix"), run.err());
        assertPrefix("absent", 0, generate(model, "--prefix", "none").json());
        for (String mode : List.of("train", "past")) {
            String message =
                    "prefix is " + mode + ", expected none: " + model + " carries no prompt in its config.json";
            generate(model, "--prefix", mode).refused(message);
            perplexity(model, "--prefix", mode).refused(message);
        }
        Cli wrong = generate(model, "--prefix", "future");
        assertEquals(Errors.BAD_INPUT, wrong.exit());
        assertTrue(wrong.err().contains("'future' is not a prefix; there are none, train and past"), wrong.err());
    }

    @Test
    void promptsThatDoNotFitBehindThePrefixAreRefused() throws IOException {
        Path model = carrying("stories260k", PROMPT);
        Tokenizer tokenizer = Tokenizer.load(model);
        int prefix = tokenizer.encode(PROMPT.prefix(), EncodeOptions.WITH_SPECIALS).length;
        String prompt = "cat ".repeat(300);
        int own = tokenizer.encode(prompt, EncodeOptions.WITH_SPECIALS).length - 1;
        assertTrue(own > 512 - prefix);
        Cli.run("generate", "--model", model, "--prompt", prompt).refused(
                "the prompt has %d tokens behind the prefix of %d, the model's context is 512".formatted(own, prefix));
        perplexity(model, "--window", 512 - prefix + 1, "--stride", 1, "--windows", 1).refused(
                "%s: a window of %d tokens exceeds the model's context of 512, of which the prefix takes %d"
                        .formatted(PruneRuns.story(), 512 - prefix + 1, prefix));
        assertEquals(0, perplexity(model, "--window", 512 - prefix, "--windows", 1).exit());
    }

    private static JsonNode perplexity(Path model, String prefix, Object[] how) {
        return perplexity(model, Stream.concat(Stream.of("--prefix", prefix), Stream.of(how)).toArray()).json();
    }

    private static Cli perplexity(Path model, Object... more) {
        Stream<Object> fixed = Stream.of("perplexity", "--model", model, "--data", PruneRuns.story());
        return Cli.run(Stream.concat(fixed, Stream.of(more)).toArray());
    }

    @Test
    void perplexityIsMeasuredBehindThePrefix() throws IOException {
        Path model = carrying("stories260k", PROMPT);
        int prefix = Tokenizer.load(model).encode(PROMPT.prefix(), EncodeOptions.WITH_SPECIALS).length;
        for (Object[] how : new Object[][] {{"--window", 64, "--json"}, {"--per-paragraph", "--json"}}) {
            JsonNode plain = perplexity(PruneRuns.small(), how).json();
            assertPrefix("absent", 0, plain);
            JsonNode train = perplexity(model, how).json();
            assertPrefix("train", prefix, train);
            assertEquals(plain.get("tokens"), train.get("tokens"), "the prefix is not scored");
            assertEquals(plain.get("windows"), train.get("windows"));
            assertNotEquals(plain.get("perplexity"), train.get("perplexity"));
            assertNotEquals(train.get("perplexity"), perplexity(model, "past", how).get("perplexity"));
            JsonNode none = perplexity(model, "none", how);
            assertPrefix("none", 0, none);
            assertEquals(plain.get("perplexity"), none.get("perplexity"));
        }
    }

    private Path rows() throws IOException {
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < 12; i++) {
            rows.append(i % 4 == 0
                    ? "{\"text\": \"Once upon a time there was a cat number %d. It was happy.\"}%n".formatted(i)
                    : "{\"instruction\": \"Say %d.\", \"input\": \"\", \"output\": \"It is %d.\"}%n".formatted(i, i));
        }
        return Files.writeString(folder.resolve("rows.jsonl"), rows);
    }

    private Cli finetune(Path model, Path out, Object... more) throws IOException {
        Stream<Object> fixed = Stream.of(
                "finetune", "--model", model, "--data", rows(), "--out", out, "--steps", 1, "--batch", 2,
                "--micro-batch", 1, "--lora-rank", 2, "--json");
        return Cli.run(Stream.concat(fixed, Stream.of(more)).toArray());
    }

    private static JsonNode data(Path out) throws IOException {
        return PruneRuns.config(out.resolve("run")).get("data");
    }

    @Test
    void pruningAndTrainingKeepThePromptAndUseIt() throws IOException {
        Path model = carrying("tinystories-656k", CARRIED);
        JsonNode carried = PruneRuns.config(model).get("espalier").get("prompt");
        Path pruned = folder.resolve("pruned");
        JsonNode json = PruneRuns.pruneModel(
                        model, pruned, "--ratio", 0.3, "--recover", rows(), "--recover-steps", 1, "--recover-batch", 2,
                        "--recover-micro-batch", 1, "--recover-lora-rank", 2, "--eval-data", PruneRuns.story(),
                        "--eval-window", 32, "--eval-windows", 2, "--json")
                .json();
        assertEquals("train", json.get("recovery").get("prefix").textValue());
        for (JsonNode row : json.get("rows")) {
            assertEquals("train", row.get("prefix").textValue(), row.toString());
        }
        assertEquals(carried, PruneRuns.config(pruned.resolve("run/base")).get("espalier").get("prompt"));
        assertEquals(carried, PruneRuns.config(pruned).get("espalier").get("prompt"));
        assertEquals("collaborative", data(pruned).get("template").textValue());

        Path tuned = folder.resolve("tuned");
        Cli run = finetune(pruned, tuned);
        assertEquals("train", run.json().get("prefix").textValue());
        assertEquals(0, run.json().get("skipped_rows").intValue());
        assertEquals(512, data(tuned).get("max_length").intValue(), "256 and the prefix, at most the context");
        assertSaid(
                "prefix train: rows are made with the collaborative prompt, with at most 512 tokens", run);
        assertEquals(carried, PruneRuns.config(tuned).get("espalier").get("prompt"));

        Path without = folder.resolve("without");
        Cli none = finetune(pruned, without, "--prefix", "none");
        assertEquals("none", none.json().get("prefix").textValue());
        assertEquals("alpaca", data(without).get("template").textValue());
        assertEquals(256, data(without).get("max_length").intValue());
        assertSaid(
                "prefix none: rows are made without a prompt, with at most 256 tokens",
                none);
        Path plain = folder.resolve("plain");
        assertEquals("none", finetune(pruned, plain, "--no-template").json().get("prefix").textValue());
        assertEquals("plain", data(plain).get("template").textValue());
    }

    @Test
    void whatCannotBeTrainedIsRefused() throws IOException {
        Path model = carrying("tinystories-656k", CARRIED);
        Path out = folder.resolve("out");
        finetune(model, out, "--prefix", "past").refused(
                "prefix is past, expected none or train: rows are as in training");
        finetune(model, out, "--prefix", "train", "--no-template").refused(
                "no-template excludes prefix train, which is part of a template");
        finetune(PruneRuns.small(), out, "--prefix", "train").refused(
                "prefix is train, expected none: " + PruneRuns.small() + " carries no prompt in its config.json");
        for (ModelPrompt other : List.of(PROMPT, new ModelPrompt("alpaca", "a", "b"),
                new ModelPrompt("collaborative", CARRIED.prefix() + " ", CARRIED.pastPrefix()))) {
            Path unknown = other.style().equals("collaborative")
                    ? carrying("stories260k", other)
                    : carrying("tinystories-656k", other);
            finetune(unknown, out).refused(("the prompt that %s carries in its config.json is not the one that this"
                            + " version has for the style %s: rows cannot be made as in its training, only with prefix"
                            + " none")
                    .formatted(unknown, other.style()));
        }
    }

    @Test
    void aWindowThatDoesNotFitBehindThePrefixIsRefusedBeforeThePruning() throws IOException {
        Path model = carrying("tinystories-656k", CARRIED);
        Tokenizer tokenizer = Tokenizer.load(model);
        int prefix = tokenizer.encode(CARRIED.prefix(), EncodeOptions.WITH_SPECIALS).length;
        int text = tokenizer.encode(Files.readString(PruneRuns.story()), EncodeOptions.WITH_SPECIALS).length;
        int window = 512 - prefix + 1;
        assertTrue(text >= window);
        Path out = folder.resolve("out");
        PruneRuns.pruneModel(
                        model, out, "--ratio", 0.3, "--recover", rows(), "--eval-data", PruneRuns.story(),
                        "--eval-window", window)
                .refused(("%s has %d tokens, the model a context of 512, of which the prefix takes %d: a window of %d"
                                + " does not fit")
                        .formatted(PruneRuns.story(), text, prefix, window));
        assertFalse(Files.exists(out.resolve("run/base")));
    }

    @Test
    void eachStageIsMeasuredWithThePromptThatItsModelCarries() throws IOException {
        Path model = carrying("stories260k", PROMPT);
        Tokenizer tokenizer = Tokenizer.load(model);
        EvalOptions.Text text = new EvalOptions.Text(
                tokenizer.encode(Files.readString(PruneRuns.story()), EncodeOptions.WITH_SPECIALS),
                new WindowPerplexity(64, 64, 2),
                tokenizer,
                tokenizer.bosId());
        Terminal terminal = new Terminal(System.out, System.err, false);
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 2)) {
            ObjectNode dense = text.measure("dense", PruneRuns.small(), 0, ops, terminal);
            ObjectNode pruned = text.measure("pruned", model, 0, ops, terminal);
            assertEquals("absent", dense.get("prefix").textValue());
            assertEquals("train", pruned.get("prefix").textValue());
            assertEquals(dense.get("eval_tokens"), pruned.get("eval_tokens"));
            assertNotEquals(dense.get("perplexity"), pruned.get("perplexity"));
        }
    }
}
