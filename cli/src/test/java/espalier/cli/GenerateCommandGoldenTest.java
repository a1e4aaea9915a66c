package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.testing.SharedData;
import espalier.tokenizer.EncodeOptions;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GenerateCommandGoldenTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path folder;

    private static Path model(String name) {
        return SharedData.models().resolve(name);
    }

    private static JsonNode reference(String model) throws IOException {
        return JSON.readTree(model(model).resolve("reference.json").toFile());
    }

    private Path copy(String model) throws IOException {
        Path copy = Files.createDirectory(folder.resolve(model));
        try (Stream<Path> files = Files.list(model(model))) {
            for (Path file : files.toList()) {
                Files.copy(file, copy.resolve(file.getFileName()));
            }
        }
        return copy;
    }

    @ParameterizedTest
    @ValueSource(strings = {"tinystories-656k", "stories260k", "aidreams-231k"})
    void greedyTexts(String name) throws IOException {
        JsonNode golden = reference(name);
        String prompt = golden.get("prompt").textValue();
        int count = golden.get("greedy_ids").size();
        String[] arguments = {
            "generate", "--model", model(name).toString(), "--prompt", prompt, "--max-tokens", "" + count,
            "--temperature", "0"
        };
        JsonNode json = Cli.run((Object[]) append(arguments, "--json")).json();
        assertEquals(golden.get("ids"), json.get("prompt_ids"));
        assertEquals(golden.get("greedy_ids"), json.get("ids"));
        assertEquals(golden.get("greedy_text").textValue(), prompt + json.get("text").textValue());
        Cli text = Cli.run((Object[]) arguments);
        assertEquals(golden.get("greedy_text").textValue(), prompt + text.out().substring(0, text.out().length() - 1));
        assertTrue(text.err().contains("tokens generated"), text.err());
    }

    private static String[] append(String[] arguments, String more) {
        return Stream.concat(Stream.of(arguments), Stream.of(more)).toArray(String[]::new);
    }

    private static JsonNode stories(Object... more) {
        Stream<Object> fixed = Stream.of(
                "generate", "--model", model("stories260k"), "--prompt", "Once upon a time", "--json", "--max-tokens",
                "40");
        return Cli.run(Stream.concat(fixed, Stream.of(more)).toArray()).json();
    }

    @Test
    void samplingIsAFunctionOfTheSeed() {
        Object[] options = {"--temperature", "1", "--top-k", "50", "--top-p", "0.95", "--seed"};
        JsonNode a = stories(options[0], options[1], options[2], options[3], options[4], options[5], options[6], "7");
        JsonNode b = stories(options[0], options[1], options[2], options[3], options[4], options[5], options[6], "7");
        JsonNode c = stories(options[0], options[1], options[2], options[3], options[4], options[5], options[6], "8");
        assertEquals(a.get("ids"), b.get("ids"));
        assertNotEquals(a.get("ids"), c.get("ids"));
        assertNotEquals(stories().get("ids"), a.get("ids"));
    }

    @Test
    void aStopStringEndsTheTextBeforeIt() {
        JsonNode free = stories();
        JsonNode stopped = stories("--stop", "unseen", "--stop", "Lily.");
        String text = free.get("text").textValue();
        assertTrue(text.contains("Lily."), text);
        assertEquals(text.substring(0, text.indexOf("Lily.")), stopped.get("text").textValue());
        assertEquals("stop", stopped.get("end").textValue());
        assertTrue(stopped.get("ids").size() < free.get("ids").size());
    }

    @Test
    void anEndTokenIsInTheIdsButNotInTheText() throws IOException {
        Path model = copy("stories260k");
        JsonNode golden = reference("stories260k");
        int end = golden.get("greedy_ids").get(5).intValue();
        ObjectNode config = (ObjectNode) JSON.readTree(model.resolve("generation_config.json").toFile());
        config.putArray("eos_token_id").add(2).add(end);
        Files.writeString(model.resolve("generation_config.json"), config.toString());
        JsonNode json = Cli.run(
                        "generate", "--model", model, "--prompt", golden.get("prompt").textValue(), "--json")
                .json();
        assertEquals("end_token", json.get("end").textValue());
        assertEquals(6, json.get("ids").size());
        assertEquals(end, json.get("ids").get(5).intValue());
    }

    @Test
    void specialTokensSpeltInThePromptAreRecognised() {
        JsonNode json = Cli.run(
                        "generate", "--model", model("stories260k"), "--prompt", "<s>", "--json", "--max-tokens", 3)
                .json();
        assertEquals(1, json.get("prompt_ids").get(0).intValue());
        assertEquals(1, json.get("prompt_ids").get(1).intValue());
    }

    /// Nothing in a prompt is for the command line's own syntax.
    @ParameterizedTest
    @ValueSource(strings = {"@README.md", "-x", "-- a", "'quoted'", "${user.home} %s \\n", " a  b ", "Zo\u00e9 \ud83d\ude00"})
    void promptsAreTakenAsTheyAre(String prompt) throws IOException {
        Path model = model("stories260k");
        JsonNode json =
                Cli.run("generate", "--model", model, "--prompt", prompt, "--json", "--max-tokens", 1).json();
        int[] expected = Folders.tokenizer(model).encode(prompt, EncodeOptions.WITH_SPECIALS);
        assertEquals(Arrays.toString(expected), json.get("prompt_ids").toString().replace(",", ", "));
    }

    @Test
    void anEmptyPromptStartsFromTheBeginToken() {
        JsonNode json = Cli.run("generate", "--model", model("tinystories-656k"), "--prompt", "", "--json").json();
        assertEquals("[1]", json.get("prompt_ids").toString());
        assertTrue(json.get("text").textValue().startsWith("Once upon a time, there was a little girl named Lily."));
    }

    @Test
    void theContextEndsTheText() {
        JsonNode json = Cli.run(
                        "generate", "--model", model("aidreams-231k"), "--prompt", "In the", "--json", "--max-tokens",
                        1000)
                .json();
        assertEquals("context", json.get("end").textValue());
        assertEquals(129, json.get("ids").size() + json.get("prompt_ids").size());
    }

    @Test
    void badInputIsRefused() throws IOException {
        Path model = model("aidreams-231k");
        Cli.run("generate", "--model", model, "--prompt", "dream ".repeat(200)).refused(
                "the prompt has %d tokens, the model's context is 128".formatted(promptTokens()));
        Cli.run("generate", "--model", model, "--prompt", "a", "--temperature", "-1").refused(
                "temperature must be finite and not negative, got -1.0");
        Cli.run("generate", "--model", model, "--prompt", "a", "--top-p", "0").refused(
                "top-p must be in (0, 1], got 0.0");
        Cli.run("generate", "--model", model, "--prompt", "a", "--top-k", "-2").refused(
                "top-k must not be negative, got -2");
        Cli.run("generate", "--model", model, "--prompt", "a", "--max-tokens", "0").refused(
                "--max-tokens must be at least 1, got 0");
        Cli.run("generate", "--model", model, "--prompt", "a", "--stop", "").refused("--stop must not be empty");
    }

    private static int promptTokens() throws IOException {
        return Folders.tokenizer(model("aidreams-231k"))
                .encode("dream ".repeat(200), EncodeOptions.WITH_SPECIALS)
                .length;
    }

    @Test
    void aTokenizerThatDoesNotFitTheModelIsRefused() throws IOException {
        Path model = copy("stories260k");
        for (String file : List.of("tokenizer.json", "tokenizer_config.json")) {
            Files.copy(
                    model("tinystories-656k").resolve(file), model.resolve(file), StandardCopyOption.REPLACE_EXISTING);
        }
        Cli run = Cli.run("generate", "--model", model, "--prompt", "A dragon and a castle");
        assertEquals(2, run.exit());
        assertTrue(run.err().matches(
                "(?s).*espalier: token id \\d+ of the prompt is not in the model's vocabulary of 512\\R"), run.err());
        assertFalse(run.err().contains("\tat "));
    }

    @Test
    void anEmptyPromptWithoutABeginTokenIsRefused() throws IOException {
        Path model = copy("tinystories-656k");
        for (String file : List.of("config.json", "tokenizer_config.json")) {
            ObjectNode json = (ObjectNode) JSON.readTree(model.resolve(file).toFile());
            json.remove(List.of("bos_token_id", "bos_token", "add_bos_token"));
            Files.writeString(model.resolve(file), json.toString());
        }
        ObjectNode tokenizer = (ObjectNode) JSON.readTree(model.resolve("tokenizer.json").toFile());
        tokenizer.putNull("post_processor");
        Files.writeString(model.resolve("tokenizer.json"), tokenizer.toString());
        Cli.run("generate", "--model", model, "--prompt", "").refused(
                "--prompt gives no token and %s names no begin token, expected at least one token to start from"
                        .formatted(model));
    }

    @Test
    void aModelThatCannotBeRunIsRefusedByName() throws IOException {
        Path model = copy("stories260k");
        ObjectNode config = (ObjectNode) JSON.readTree(model.resolve("config.json").toFile());
        config.put("hidden_act", "gelu");
        Files.writeString(model.resolve("config.json"), config.toString());
        Cli.run("generate", "--model", model, "--prompt", "a").refused(model.resolve("config.json")
                + ": this model cannot be run yet: the activation is gelu (hidden_act), only silu is known");
    }

    @Test
    void aTruncatedCheckpointIsRefused() throws IOException {
        Path model = copy("stories260k");
        Path weights = model.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        Files.write(weights, Arrays.copyOf(bytes, bytes.length - 100));
        Cli run = Cli.run("generate", "--model", model, "--prompt", "a");
        assertEquals(2, run.exit());
        assertTrue(run.err().contains("espalier: " + weights + ": "), run.err());
        assertEquals("", run.out());
    }

    @Test
    void aWeightThatIsNotANumberIsNamed() throws IOException {
        Path model = copy("stories260k");
        Path weights = model.resolve("model.safetensors");
        String tensor = "model.layers.2.mlp.up_proj.weight";
        byte[] bytes = Files.readAllBytes(weights);
        int headerLength = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getInt(0);
        JsonNode header = JSON.readTree(bytes, 8, headerLength);
        int start = 8 + headerLength + header.get(tensor).get("data_offsets").get(0).intValue();
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putFloat(start + 4 * 65, Float.NaN);
        Files.write(weights, bytes);
        for (String[] command : new String[][] {
            {"generate", "--prompt", "a"},
            {"perplexity", "--per-paragraph", "--data", SharedData.models().resolve("eval-story.txt").toString()}
        }) {
            Cli run = Cli.run((Object[]) append(append(command, "--model"), model.toString()));
            assertEquals(2, run.exit(), run.err());
            String last = run.err().lines().reduce((a, b) -> b).orElse("");
            assertTrue(last.startsWith("espalier: " + weights) && last.contains(tensor) && last.contains("NaN"), last);
        }
    }
}
