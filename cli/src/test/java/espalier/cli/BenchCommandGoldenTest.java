package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.testing.SharedData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BenchCommandGoldenTest {
    @TempDir
    private Path folder;

    private final Path model = SharedData.models().resolve("stories260k");

    @Test
    void aSmallModelIsMeasuredAndDrawn() throws IOException {
        Path plot = folder.resolve("roofline.svg");
        JsonNode json = Cli.run("bench", "--model", model, "--quick", "--threads", 2, "--plot", plot, "--json").json();
        assertEquals(model.toString(), json.get("model").textValue());
        assertEquals(2, json.get("threads").intValue());
        JsonNode ceilings = json.get("ceilings");
        assertEquals(2, ceilings.size());
        assertEquals(json.get("peak_gflops"), ceilings.get(1).get("peak_gflops"));
        assertEquals(json.get("bandwidth_gbs"), ceilings.get(1).get("bandwidth_gbs"));
        for (String key : new String[] {"peak_gflops", "bandwidth_gbs"}) {
            assertTrue(ceilings.get(0).get(key).doubleValue() > 0, json.toString());
            assertTrue(json.get(key).doubleValue() >= ceilings.get(0).get(key).doubleValue(), json.toString());
        }
        assertFalse(json.get("rows").isEmpty());
        for (JsonNode row : json.get("rows")) {
            assertEquals(2, row.get("threads").intValue());
            double ceiling = Math.min(
                    json.get("peak_gflops").doubleValue(),
                    row.get("flops").doubleValue() / row.get("bytes").doubleValue()
                            * json.get("bandwidth_gbs").doubleValue());
            double gflops = row.get("gflops").doubleValue();
            assertTrue(gflops > 0 && row.get("gbs").doubleValue() > 0, row.toString());
            assertEquals(100 * gflops / ceiling, row.get("percent_of_ceiling").doubleValue(), 1e-6, row.toString());
        }
        assertTrue(Files.readString(plot).startsWith("<svg "));
    }

    @Test
    void scalarKernelsAreMeasuredToo() throws IOException {
        ObjectMapper mapper = new ObjectMapper();
        ObjectNode config = (ObjectNode) mapper.readTree(model.resolve("config.json").toFile());
        ArrayNode layers = config.putObject("espalier").put("format", 1).putArray("layers");
        for (int i = 0; i < config.get("num_hidden_layers").intValue(); i++) {
            int ffn = i == 2 ? 172 : 100;
            layers.addObject().put("head_dim", 8).put("ffn", ffn).putArray("queries_per_kv").add(2).add(1);
        }
        mapper.writeValue(folder.resolve("config.json").toFile(), config);
        Cli cli = Cli.run("bench", "--model", folder, "--backend", "scalar");
        assertEquals(0, cli.exit(), cli.err());
        assertTrue(cli.out().contains("notice: layers differ: layer 2 is measured, the widest"), cli.out());
        assertTrue(cli.out().contains("x64x172 ") && !cli.out().contains("x64x100 "), cli.out());
        assertTrue(cli.out().contains("scalar kernels, 32-bit lanes"), cli.out());
        assertTrue(cli.out().contains("--- 1 thread ---") && cli.out().contains("attention_backward"), cli.out());
    }

    @Test
    void badInputIsRefusedBeforeAnythingIsMeasured() throws IOException {
        Path missing = folder.resolve("none");
        Cli.run("bench", "--model", missing).refused(missing + ": no such file or folder");
        Cli.run("bench", "--model", folder).refused(folder.resolve("config.json") + ": no such file or folder");
        Cli.run("bench", "--threads", 0).refused("--threads must be 1 to 1024, got 0");
        Cli.run("bench", "--plot", folder.resolve("x.png"))
                .refused("--plot " + folder.resolve("x.png") + ": expected a name that ends in .svg");
        Cli.run("bench", "--plot", missing.resolve("x.svg")).refused(missing + ": no such file or folder");
        Path taken = Files.createDirectory(folder.resolve("y.svg"));
        Cli.run("bench", "--plot", taken).refused("--plot " + taken + " is a folder, expected a file");
    }
}
