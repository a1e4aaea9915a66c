package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import espalier.testing.SharedData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PerplexityCommandGoldenTest {
    @TempDir
    private Path folder;

    private static Path model(String name) {
        return SharedData.models().resolve(name);
    }

    @ParameterizedTest
    @CsvSource({
        "tinystories-656k, eval-story.txt, 277, 25.6133",
        "stories260k, eval-story.txt, 614, 3.9436",
        "aidreams-231k, eval-dream.txt, 138, 17.2463"
    })
    void paragraphsOfTheManifest(String model, String text, int tokens, double perplexity) {
        JsonNode json = Cli.run(
                        "perplexity", "--model", model(model), "--data", SharedData.models().resolve(text),
                        "--per-paragraph", "--json")
                .json();
        assertEquals(tokens, json.get("tokens").intValue());
        assertEquals(perplexity, json.get("perplexity").doubleValue(), 1e-4 * perplexity);
        assertEquals("paragraphs", json.get("join").textValue());
        assertEquals(true, json.get("begin_token").booleanValue());
        assertEquals(64, json.get("sha256").textValue().length());
    }

    @Test
    void windowsOfAPublishedText() {
        Cli run = Cli.run(
                "perplexity", "--model", model("stories260k"), "--data",
                SharedData.data().resolve("wikitext2/wiki.test.raw.gz"),
                "--window", 128, "--windows", 6, "--json", "--threads", 1, "--backend", "vector");
        JsonNode json = run.json();
        assertEquals(6, json.get("windows").intValue());
        assertEquals(6 * 127, json.get("tokens").intValue());
        assertEquals(128, json.get("stride").intValue());
        assertEquals("wikitext", json.get("join").textValue());
        assertEquals(
                "696cca6b65a171b0a358a4be6732cdfdf2dd6164a32e20fd70e3c13fc4dfae83", json.get("sha256").textValue());
        assertEquals(true, json.get("begin_token").booleanValue());
        assertEquals("vector", json.get("backend").textValue());
        assertEquals(1, json.get("threads").intValue());
        assertEquals(
                "backend vector, %d-bit lanes, 1 thread".formatted(json.get("lane_bits").intValue()),
                run.err().strip());
    }

    @Test
    void backendsAgreeAndAStrideScoresEveryTokenOnce() {
        Path text = SharedData.models().resolve("eval-story.txt");
        double[] values = new double[2];
        for (int i = 0; i < 2; i++) {
            JsonNode json = Cli.run(
                            "perplexity", "--model", model("stories260k"), "--data", text, "--window", 64, "--stride",
                            16, "--join", "whole", "--json", "--backend", i == 0 ? "vector" : "scalar")
                    .json();
            int windows = json.get("windows").intValue();
            assertEquals((json.get("text_tokens").intValue() - 64) / 16 + 1, windows);
            assertEquals(63 + 16 * (windows - 1), json.get("tokens").intValue());
            values[i] = json.get("perplexity").doubleValue();
        }
        assertEquals(values[0], values[1], 1e-5 * values[0]);
    }

    @Test
    void peopleGetText() {
        Cli run = Cli.run(
                "perplexity", "--model", model("aidreams-231k"), "--data",
                SharedData.models().resolve("eval-dream.txt"), "--window", 16);
        assertEquals(0, run.exit(), run.err());
        assertTrue(run.out().startsWith("perplexity "), run.out());
        assertTrue(run.out().contains("windows of 16 tokens, stride 16"), run.out());
        assertTrue(run.out().contains("join whole, sha256 "), run.out());
        assertTrue(run.out().contains("begin token added"), run.out());
    }

    @Test
    void badInputIsRefused() throws IOException {
        Path model = model("aidreams-231k");
        Path text = SharedData.models().resolve("eval-dream.txt");
        Path missing = folder.resolve("none.txt");
        Cli.run("perplexity", "--model", model, "--data", missing).refused(missing + ": no such file or folder");
        Cli.run("perplexity", "--model", missing, "--data", text).refused(missing + ": no such file or folder");
        Cli.run("perplexity", "--model", text, "--data", text).refused(text + ": is not a folder");
        Path empty = Files.writeString(folder.resolve("empty.txt"), "\n");
        Cli.run("perplexity", "--model", model, "--data", empty).refused(empty + " holds no text");
        Path few = Files.writeString(folder.resolve("few.txt"), "A dream");
        Cli few128 = Cli.run("perplexity", "--model", model, "--data", few);
        assertTrue(few128.err().lines().reduce((a, b) -> b).orElse("").matches(
                "espalier: .*few.txt: the text has \\d+ tokens, which fill no window of 128"), few128.err());
        assertEquals(2, few128.exit());
        Cli.run("perplexity", "--model", model, "--data", text, "--window", 129).refused(
                text + ": a window of 129 tokens exceeds the model's context of 128");
        Cli.run("perplexity", "--model", model, "--data", text, "--window", 1).refused(
                "window must be at least 2 tokens, got 1");
        Cli.run("perplexity", "--model", model, "--data", text, "--window", 8, "--stride", 9).refused(
                "stride must be 1 to 8, the window, got 9");
        Cli.run("perplexity", "--model", model, "--data", text, "--windows", 0).refused(
                "windows must be positive, got 0");
        Cli.run("perplexity", "--model", model, "--data", text, "--threads", 0).refused(
                "--threads must be 1 to 1024, got 0");
        Cli.run("perplexity", "--model", model, "--data", text, "--per-paragraph", "--window", 8).refused(
                "--per-paragraph excludes --window, --stride, --windows and --join (see espalier perplexity --help)");
        Path story = SharedData.models().resolve("eval-story.txt");
        Cli paragraph = Cli.run("perplexity", "--model", model, "--data", story, "--per-paragraph");
        assertTrue(paragraph.err().contains(
                "paragraph 1 has ") && paragraph.err().contains("exceeds the model's context of 128"), paragraph.err());
        assertEquals(2, paragraph.exit());
    }
}
