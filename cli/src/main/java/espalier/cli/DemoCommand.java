package espalier.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.bindings.PeakMemory;
import espalier.cli.report.DemoPlot;
import espalier.cli.report.DemoStage;
import espalier.engine.generate.SamplingOptions;
import espalier.engine.train.RunFolder;
import espalier.engine.weights.FileHash;
import espalier.engine.weights.TemporaryFolder;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Shows on the embedded model what the program does: `prune --recover`, then the model before, between and after.
@Command(
        name = "demo",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        description = "Prune the small model in this program, recover it, and show what became of it.",
        footer = {
            "",
            "Examples:",
            "  espalier demo",
            "  espalier demo --ratio 0.5 --steps 300 --out X",
            "",
            "It does what prune --recover does with any other model. Takes one or two minutes on two cores.",
        })
final class DemoCommand extends JobCommand {
    /// Options that `prune` takes under the same names.
    private static final Set<String> PASSED_ON =
            Set.of("--method", "--overwrite", "--resume", "--accept-changes", "--threads", "--backend");

    private static final int WINDOW = 256;
    private static final String PROMPT = "Once upon a time, there was a little girl named Lily";
    private static final int SAMPLE_TOKENS = 80;
    private static final double TEMPERATURE = 0.5;
    private static final double TOP_P = 0.9;

    @Option(
            names = "--method",
            paramLabel = "llm-pruner",
            converter = MethodName.Converter.class,
            defaultValue = "llm-pruner",
            description = "How to choose what goes (default: ${DEFAULT-VALUE}).")
    private MethodName method;

    @Option(
            names = "--out",
            paramLabel = "FOLDER",
            defaultValue = "espalier-demo",
            description = "The folder to make, with the smaller model (default: ${DEFAULT-VALUE}).")
    private Path out;

    @Mixin
    private RunOptions running;

    @Option(
            names = "--ratio",
            paramLabel = "R",
            defaultValue = "0.35",
            description = "Share of heads and channels to cut in each layer, in [0, 1) (default: ${DEFAULT-VALUE}).")
    private double ratio;

    @Option(
            names = "--steps",
            paramLabel = "N",
            defaultValue = "120",
            description = "Steps of the recovery (default: ${DEFAULT-VALUE}).")
    private long steps;

    @Option(
            names = "--seed",
            paramLabel = "S",
            defaultValue = "42",
            description = "Seed of all draws (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Mixin
    private PlotOption plot;

    @Mixin
    private ModelOptions options;

    DemoCommand(Terminal terminal) {
        super(terminal);
    }

    @Override
    Result run() throws Exception {
        long start = System.nanoTime();
        plot.check();
        try (TemporaryFolder files =
                TemporaryFolder.create(Path.of(System.getProperty("java.io.tmpdir")), "espalier-demo")) {
            EmbeddedModel embedded = EmbeddedModel.unpack(files.path());
            PruneCommand prune = new PruneCommand(terminal());
            prune.line().setExpandAtFiles(false).parseArgs(arguments(embedded));
            ObjectNode made = prune.run().json();
            try (Ops ops = options.open()) {
                List<DemoStage> stages = stages(embedded, made.get("rows"), ops);
                ObjectNode json = describe(stages, made, embedded, ops);
                json.put("seconds", (System.nanoTime() - start) * 1e-9);
                json.put("peak_bytes", PeakMemory.bytes());
                plot.write(() -> DemoPlot.render("A small model pruned and recovered", about(json), stages));
                return new Result(json, summary(stages, json));
            }
        }
    }

    /// What a user would give to `prune` for the same. A model of a few million parameters takes a higher learning rate
    /// than one of billions.
    private String[] arguments(EmbeddedModel embedded) {
        Stream<String> fixed = Stream.of(
                "--model=" + embedded.folder(),
                "--out=" + out,
                "--ratio=" + ratio,
                "--seed=" + seed,
                "--calibration=" + embedded.recovery(),
                "--samples=32",
                "--tokens=128",
                "--recover=" + embedded.recovery(),
                "--recover-steps=" + steps,
                "--recover-seed=" + seed,
                "--recover-batch=8",
                "--recover-max-length=" + WINDOW,
                "--recover-lora-rank=16",
                "--recover-lora-alpha=32",
                "--recover-lora-dropout=0",
                "--recover-lr=2e-3",
                "--recover-eval-every=20",
                "--eval-data=" + embedded.heldAside(),
                "--eval-documents",
                "--eval-window=" + WINDOW);
        return Stream.concat(fixed, given(PASSED_ON).stream()).toArray(String[]::new);
    }

    private List<DemoStage> stages(EmbeddedModel embedded, JsonNode rows, Ops ops) throws IOException {
        List<Path> folders = List.of(embedded.folder(), RunFolder.baseFolder(out), out);
        List<String> names = List.of("before", "pruned", "recovered");
        DecodeTurns turns =
                new DecodeTurns(PROMPT, new SamplingOptions(TEMPERATURE, 0, TOP_P, seed), SAMPLE_TOKENS);
        List<DecodeTurns.Turn> made;
        try (ProgressMeter meter = new ProgressMeter(terminal(), "rounds of generation")) {
            made = turns.run(folders, ops, meter);
        }
        List<DemoStage> stages = new ArrayList<>();
        for (int i = 0; i < names.size(); i++) {
            stages.add(new DemoStage(
                    names.get(i),
                    rows.get(i).get("parameters").longValue(),
                    made.get(i).bytes(),
                    rows.get(i).get("perplexity").doubleValue(),
                    made.get(i).tokensPerSecond(),
                    made.get(i).sample()));
        }
        return stages;
    }

    private ObjectNode describe(List<DemoStage> stages, ObjectNode made, EmbeddedModel embedded, Ops ops)
            throws IOException {
        ObjectNode json = Json.object();
        json.put("method", method.optionName());
        json.put("out", out.toString());
        json.put("ratio", ratio);
        json.put("steps", made.get("recovery").get("steps").longValue());
        json.put("prompt", PROMPT);
        ArrayNode rows = json.putArray("rows");
        for (DemoStage stage : stages) {
            rows.addObject()
                    .put("name", stage.name())
                    .put("parameters", stage.parameters())
                    .put("bytes", stage.bytes())
                    .put("perplexity", stage.perplexity())
                    .put("tokens_per_second", stage.tokensPerSecond())
                    .put("sample", stage.sample());
        }
        double gap = Math.log(stages.get(1).perplexity() / stages.get(0).perplexity());
        double closed = Math.log(stages.get(1).perplexity() / stages.get(2).perplexity());
        if (gap > 0) {
            json.put("gap_closed", closed / gap);
        } else {
            json.putNull("gap_closed");
        }
        json.put("eval_tokens", made.get("rows").get(0).get("eval_tokens").longValue());
        json.put("eval_window", WINDOW);
        json.put("eval_stride", WINDOW);
        json.put("eval_join", "training");
        json.put("eval_data", embedded.heldAside().getFileName().toString());
        json.put("eval_data_sha256", FileHash.of(embedded.heldAside()));
        json.put("sha256", made.get("sha256").textValue());
        ModelOptions.describe(json, ops);
        return json;
    }

    private static String about(ObjectNode json) {
        String about =
                "%s at ratio %s, then %d steps of LoRA; perplexity on stories held aside; %s kernels, %d threads";
        return about.formatted(
                json.get("method").textValue(),
                json.get("ratio").asText(),
                json.get("steps").longValue(),
                json.get("backend").textValue(),
                json.get("threads").intValue());
    }

    private String summary(List<DemoStage> stages, ObjectNode json) {
        String closed = json.get("gap_closed").isNull()
                ? "Pruning did not raise the perplexity."
                : "Recovery closed %.0f%% of the gap that pruning made in log-perplexity."
                        .formatted(100 * json.get("gap_closed").doubleValue());
        return """
                %s

                %s
                Perplexity is that of %,d tokens of stories held aside, in windows of %d.
                Recovery took %d steps of LoRA on other stories, all of it %.0f s;
                %s shows how it went.

                The smaller model is a model like any other:

                  %s generate --model %s --prompt "The little dog" --temperature %s
                  %s inspect %s
                  %s prune --help"""
                .formatted(
                        DemoTable.render(stages),
                        closed,
                        json.get("eval_tokens").longValue(),
                        WINDOW,
                        json.get("steps").longValue(),
                        json.get("seconds").doubleValue(),
                        out.resolve("run").resolve("report.html"),
                        Invocation.command(),
                        Invocation.quoted(out.toString()),
                        TEMPERATURE,
                        Invocation.command(),
                        Invocation.quoted(out.toString()),
                        Invocation.command());
    }
}
