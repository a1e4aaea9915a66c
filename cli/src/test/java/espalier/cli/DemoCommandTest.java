package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import espalier.eval.TextSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DemoCommandTest {
    @TempDir
    private Path folder;

    private Cli demo(Object... more) {
        return Cli.run(Stream.concat(
                        Stream.of("demo", "--out", folder.resolve("out"), "--threads", 2), Stream.of(more))
                .toArray());
    }

    private static Set<Path> unpacked() throws IOException {
        try (Stream<Path> files = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
            return new TreeSet<>(files.filter(file -> file.getFileName().toString().startsWith("espalier-demo"))
                    .toList());
        }
    }

    @Test
    void aSmallerModelIsMadeAndShown() throws IOException {
        Set<Path> before = unpacked();
        JsonNode json = demo("--steps", 12, "--json").json();
        DocumentationGoldenTest.assertDocumented("demo", json);
        assertEquals("llm-pruner", json.get("method").textValue());
        assertEquals(12, json.get("steps").intValue());
        List<JsonNode> rows = List.of(json.get("rows").get(0), json.get("rows").get(1), json.get("rows").get(2));
        assertEquals(3, json.get("rows").size());
        assertEquals(
                List.of("before", "pruned", "recovered"),
                rows.stream().map(row -> row.get("name").textValue()).toList());
        for (JsonNode row : rows) {
            Set<String> keys = new TreeSet<>();
            row.fieldNames().forEachRemaining(keys::add);
            assertEquals(
                    Set.of("name", "parameters", "bytes", "perplexity", "tokens_per_second", "sample"), keys);
            assertTrue(row.get("tokens_per_second").doubleValue() > 1, row.toString());
            assertTrue(row.get("sample").textValue().startsWith(json.get("prompt").textValue()), row.toString());
        }
        assertTrue(rows.get(1).get("parameters").longValue() < rows.get(0).get("parameters").longValue());
        assertEquals(rows.get(1).get("parameters"), rows.get(2).get("parameters"));
        assertTrue(rows.get(1).get("bytes").longValue() < rows.get(0).get("bytes").longValue());
        double dense = rows.get(0).get("perplexity").doubleValue();
        double pruned = rows.get(1).get("perplexity").doubleValue();
        double recovered = rows.get(2).get("perplexity").doubleValue();
        assertTrue(1.1 * dense < pruned && recovered < pruned, json.toString());
        assertEquals(
                Math.log(pruned / recovered) / Math.log(pruned / dense), json.get("gap_closed").doubleValue(), 1e-12);

        Path out = folder.resolve("out");
        JsonNode inspected = Cli.run("inspect", out, "--json").json();
        assertEquals(rows.get(2).get("parameters"), inspected.get("parameters"));
        assertEquals(rows.get(2).get("bytes"), inspected.get("bytes"));
        assertTrue(Files.exists(out.resolve("run/report.html")));
        assertEquals(before, unpacked(), "the unpacked model is gone");
        demo().refused(out + ": exists already; --overwrite replaces it");
    }

    @ParameterizedTest
    @ValueSource(strings = {"nuteprune", "compresso"})
    void masksAreTrainedInstead(String method) throws IOException {
        JsonNode json = demo("--method", method, "--steps", 3, "--json").json();
        assertEquals(method, json.get("method").textValue());
        assertEquals(0.3, json.get("sparsity").doubleValue());
        assertEquals(1, json.get("steps").intValue(), "3/7 of 3 in the recovery");
        assertEquals(List.of("before", "pruned", "recovered"), json.get("rows").findValuesAsText("name"));
        assertFalse(PruneRuns.config(folder.resolve("out")).has("espalier"), "no prompt for stories");
    }

    @Test
    void sizesBelongToTheirMethods() throws IOException {
        String help = " (see espalier demo --help)";
        demo("--sparsity", 0.3).refused("--method llm-pruner does not take --sparsity" + help);
        demo("--method", "nuteprune", "--ratio", 0.3).refused("--method nuteprune does not take --ratio" + help);
        demo("--method", "compresso", "--sparsity", 1).refused(
                "Invalid value for option '--sparsity': '1' is out of range, expected a number in (0, 1)" + help);
        assertFalse(Files.exists(folder.resolve("out")));
    }

    @Test
    void theTextsShareNoStory() throws IOException {
        Path model = Files.createDirectory(folder.resolve("unpacked"));
        EmbeddedModel embedded = EmbeddedModel.unpack(model);
        List<String> learnt = TextSource.read(embedded.recovery()).documents().orElseThrow();
        List<String> measured = TextSource.read(embedded.heldAside()).documents().orElseThrow();
        assertTrue(learnt.size() > 100 && measured.size() > 25, learnt.size() + ", " + measured.size());
        Set<String> lines = new TreeSet<>();
        learnt.forEach(story -> story.lines().forEach(lines::add));
        assertEquals(learnt.size(), Set.copyOf(learnt).size());
        for (String story : measured) {
            assertFalse(lines.contains(story.lines().findFirst().orElseThrow()), story);
        }
    }
}
