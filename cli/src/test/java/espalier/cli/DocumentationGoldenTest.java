package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.testing.SharedData;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What the documents say is so.
class DocumentationGoldenTest {
    @TempDir
    private Path folder;

    private static String document(String name) throws IOException {
        return Files.readString(Path.of(System.getProperty("espalier.root"), name));
    }

    /// The keys in the table of a command in docs/json.md.
    private static Set<String> documentedKeys(String command) throws IOException {
        String[] parts = document("docs/json.md").split("\n## " + command + "\n");
        assertEquals(2, parts.length, command);
        String section = parts[1].split("\n## ")[0];
        Set<String> keys = new TreeSet<>();
        for (String line : section.lines().filter(row -> row.startsWith("| `")).toList()) {
            Matcher key = Pattern.compile("`([a-z0-9_]+)(?:\\[\\])?`").matcher(line.split("\\|")[1]);
            while (key.find()) {
                keys.add(key.group(1));
            }
        }
        return keys;
    }

    static void assertDocumented(String command, JsonNode... results) throws IOException {
        Set<String> keys = new TreeSet<>();
        for (JsonNode result : results) {
            result.fieldNames().forEachRemaining(keys::add);
        }
        keys.removeAll(Set.of("backend", "lane_bits", "threads"));
        assertEquals(documentedKeys(command), keys);
    }

    @Test
    void everyKeyIsDocumented() throws IOException {
        Path model = SharedData.models().resolve("stories260k");
        Path text = SharedData.models().resolve("eval-story.txt");
        assertDocumented(
                "prune", PruneRuns.prune(folder.resolve("pruned"), "--ratio", 0.25, "--json").json());
        ObjectNode recovered = (ObjectNode) PruneRuns.prune(
                        folder.resolve("recovered"), "--ratio", 0.25, "--recover", text, "--recover-steps", 1,
                        "--eval-data", text, "--eval-windows", 1, "--json")
                .json();
        recovered.remove(documentedKeys("prune"));
        assertDocumented("prune --recover", recovered);
        ObjectNode masked = (ObjectNode) Cli.run(
                        "prune", "--method", "nuteprune", "--model", model, "--data", text, "--out",
                        folder.resolve("masked"), "--sparsity", 0.3, "--steps", 2, "--max-length", 64, "--json")
                .json();
        Set<String> own = documentedKeys("prune");
        own.removeAll(documentedKeys("prune by trained masks"));
        assertTrue(own.removeAll(Set.of("ratio", "calibration_loss")));
        own.forEach(key -> assertTrue(masked.has(key), key));
        masked.remove(own);
        assertDocumented("prune by trained masks", masked);
        assertDocumented(
                "finetune",
                Cli.run("finetune", "--model", model, "--data", text, "--out", folder.resolve("tuned"), "--steps", 1,
                                "--json")
                        .json());
        assertDocumented(
                "pretrain",
                Cli.run("pretrain", "--config", model, "--tokenizer", model, "--data", text, "--out",
                                folder.resolve("new"), "--steps", 1, "--json")
                        .json());
        assertDocumented(
                "perplexity", Cli.run("perplexity", "--model", model, "--data", text, "--windows", 1, "--json").json());
        assertDocumented(
                "generate", Cli.run("generate", "--model", model, "--prompt", "a", "--max-tokens", 2, "--json").json());
        assertDocumented(
                "inspect",
                Cli.run("inspect", model, "--plan", "--ratio", 0.25, "--groups", "--json").json(),
                Cli.run("inspect", model, "--plan", "--method", "nuteprune", "--sparsity", 0.5, "--json").json(),
                Cli.run("inspect", folder.resolve("tuned").resolve("run"), "--json").json());
        assertDocumented(
                "init",
                Cli.run("init", "--config", model, "--tokenizer", model, "--out", folder.resolve("x"), "--json")
                        .json());
        assertDocumented(
                "tokenizer train",
                Cli.run("tokenizer", "train", "--data", text, "--vocab-size", 260, "--out", folder.resolve("t"),
                                "--json")
                        .json());
        JsonNode bench = Cli.run("bench", "--model", model, "--quick", "--json").json();
        assertDocumented("bench", bench);
        for (JsonNode row : bench.get("rows")) {
            row.fieldNames().forEachRemaining(key -> assertTrue(benchSection().contains("`" + key + "`"), key));
        }
    }

    private static String benchSection() {
        try {
            return document("docs/json.md").split("\n## bench\n")[1];
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void theExampleForJavaProgramsCompiles() throws IOException {
        Matcher block = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL).matcher(document("README.md"));
        assertTrue(block.find());
        String imports = """
                import espalier.engine.generate.*;
                import espalier.engine.model.*;
                import espalier.kernels.*;
                import espalier.tokenizer.*;
                import java.nio.file.Path;
                import java.util.Set;
                """;
        String source =
                imports + "class Example { static void run(Path path) throws Exception {" + block.group(1) + "}}";
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StringWriter messages = new StringWriter();
        boolean compiled = compiler.getTask(
                        messages,
                        null,
                        null,
                        List.of("-proc:none", "-d", folder.toString()),
                        null,
                        List.of(new SimpleJavaFileObject(
                                URI.create("string:///Example.java"), JavaFileObject.Kind.SOURCE) {
                            @Override
                            public CharSequence getCharContent(boolean ignoreEncodingErrors) {
                                return source;
                            }
                        }))
                .call();
        assertTrue(compiled, messages.toString());
    }
}
