package espalier.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.bindings.PeakMemory;
import espalier.cli.report.DemoPlot;
import espalier.cli.report.DemoStage;
import espalier.engine.adapt.LoraMerge;
import espalier.engine.adapt.PeftAdapter;
import espalier.engine.generate.SamplingOptions;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Probe;
import espalier.engine.train.RunFolder;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.FileHash;
import espalier.engine.weights.TemporaryFolder;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import picocli.CommandLine;
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
            "  espalier demo --method nuteprune --sparsity 0.3 --out X",
            "",
            "It does what prune --recover does with any other model. Takes one or two minutes on two cores,",
            "up to three where masks are trained.",
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
    private static final double RATIO = 0.35;
    private static final double SPARSITY = 0.3;
    private static final long RECOVERY_STEPS = 120;
    private static final long MASKED_STEPS = 210;

    @Option(
            names = "--method",
            paramLabel = "llm-pruner|nuteprune|compresso",
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
            description = "llm-pruner: share of heads and channels to cut in each layer, in [0, 1) (default: 0.35).")
    private Double ratio;

    @Option(
            names = "--sparsity",
            paramLabel = "S",
            converter = NumberRange.Share.class,
            description = "nuteprune, compresso: share of the prunable parameters to remove, in (0, 1) (default: 0.3).")
    private Double sparsity;

    @Option(
            names = "--steps",
            paramLabel = "N",
            description = "llm-pruner: steps of the recovery (default: 120); else those in which masks are trained "
                    + "(default: 210), and 3/7 as many of the recovery.")
    private Long steps;

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
        checkOptions();
        try (TemporaryFolder files =
                TemporaryFolder.create(Path.of(System.getProperty("java.io.tmpdir")), "espalier-demo")) {
            EmbeddedModel embedded = EmbeddedModel.unpack(files.path());
            ObjectNode made = prune(arguments(embedded));
            try (Ops ops = options.open()) {
                return Work.of(() -> show(made, embedded, files.path(), start, ops));
            }
        }
    }

    private Result show(ObjectNode made, EmbeddedModel embedded, Path files, long start, Ops ops) throws IOException {
        List<Path> folders = List.of(embedded.folder(), pruned(files, ops), out);
        List<DemoStage> stages = stages(folders, made.get("rows"), ops);
        ObjectNode json = describe(stages, made, embedded, ops);
        json.put("seconds", (System.nanoTime() - start) * 1e-9);
        json.put("peak_bytes", PeakMemory.bytes());
        plot.write(() -> DemoPlot.render("A small model pruned and recovered", about(json), stages));
        return new Result(json, summary(stages, json));
    }

    private void checkOptions() {
        boolean atOnce = method == MethodName.LLM_PRUNER;
        if (atOnce ? sparsity != null : ratio != null) {
            throw usage("--method %s does not take %s".formatted(
                    method.optionName(), atOnce ? "--sparsity" : "--ratio"));
        }
    }

    private ObjectNode prune(List<String> arguments) throws Exception {
        CommandLine line = PruneCommand.line(terminal(), arguments).setExpandAtFiles(false);
        line.parseArgs(arguments.toArray(String[]::new));
        PruneJob job = line.getCommand();
        return job.run().json();
    }

    /// @return share of heads and channels, or of the prunable parameters
    private double size() {
        return switch (method) {
            case LLM_PRUNER -> ratio == null ? RATIO : ratio;
            case NUTEPRUNE, COMPRESSO -> sparsity == null ? SPARSITY : sparsity;
        };
    }

    /// What a user would give to `prune` for the same. A model of a few million parameters takes a higher learning rate
    /// than one of billions.
    private List<String> arguments(EmbeddedModel embedded) {
        List<String> arguments = new ArrayList<>(given(PASSED_ON));
        arguments.addAll(List.of(
                "--model=" + embedded.folder(),
                "--out=" + out,
                "--seed=" + seed,
                "--recover=" + embedded.recovery(),
                "--recover-seed=" + seed,
                "--recover-batch=8",
                "--recover-max-length=" + WINDOW,
                "--recover-lr=2e-3",
                "--recover-eval-every=20",
                "--eval-data=" + embedded.heldAside(),
                "--eval-documents",
                "--eval-window=" + WINDOW));
        switch (method) {
            case LLM_PRUNER -> arguments.addAll(List.of(
                    "--ratio=" + size(),
                    "--calibration=" + embedded.recovery(),
                    "--samples=32",
                    "--tokens=128",
                    "--recover-steps=" + (steps == null ? RECOVERY_STEPS : steps),
                    "--recover-lora-rank=16",
                    "--recover-lora-alpha=32",
                    "--recover-lora-dropout=0"));
            case NUTEPRUNE, COMPRESSO -> {
                long masked = steps == null ? MASKED_STEPS : steps;
                arguments.addAll(List.of(
                        "--sparsity=" + size(),
                        "--data=" + embedded.recovery(),
                        "--steps=" + masked,
                        "--batch=8",
                        "--max-length=" + WINDOW,
                        "--lr=2e-3",
                        "--lora-rank=16",
                        "--lora-alpha=32",
                        "--recover-steps=" + Math.max(1, 3 * masked / 7),
                        "--recover-schedule=linear",
                        "--recover-targets=q,k,v,o,gate,up,down"));
                if (method == MethodName.COMPRESSO) {
                    // Longer than a story, and nothing to a model that has read stories alone.
                    arguments.add("--no-prompt");
                }
            }
        }
        return arguments;
    }

    /// @param files where a folder may be made
    /// @return the model before the recovery, with the adapters that were trained beside masks
    private Path pruned(Path files, Ops ops) throws IOException {
        Path base = RunFolder.baseFolder(out);
        Path adapter = base.resolve(PeftAdapter.FOLDER);
        if (!Files.exists(adapter)) {
            return base;
        }
        Path merged = files.resolve("pruned");
        try (ModelFolder model = ModelFolder.open(base, ops)) {
            ModelShape shape = model.model().shape();
            LoraMerge.write(model, PeftAdapter.read(adapter, shape).state(), new LoraMerge.Request(
                    merged, CheckpointWriter.Options.DEFAULT, List.of(), Probe.of(shape)));
        }
        return merged;
    }

    private List<DemoStage> stages(List<Path> folders, JsonNode rows, Ops ops) throws IOException {
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
        json.put(sizeName(), size());
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

    private String sizeName() {
        return method == MethodName.LLM_PRUNER ? "ratio" : "sparsity";
    }

    private String about(ObjectNode json) {
        String about =
                "%s at %s %s, then %d steps of LoRA; perplexity on stories held aside; %s kernels, %d threads";
        return about.formatted(
                json.get("method").textValue(),
                sizeName(),
                json.get(sizeName()).asText(),
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
