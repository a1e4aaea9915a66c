package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.prune.LlmPruner;
import espalier.engine.prune.NormRule;
import espalier.engine.prune.Pruned;
import espalier.engine.prune.Pruning;
import espalier.engine.prune.PruningMethod;
import espalier.engine.train.RunFolder;
import espalier.engine.weights.CheckpointWriter;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Makes a model smaller.
@Command(
        name = "prune",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        description = "Remove heads, channels or layers from a model and write a smaller checkpoint.",
        footer = {
            "",
            "Examples:",
            "  espalier prune --model M --out X --ratio 0.25 --layers 4:26 --calibration c4.jsonl.gz",
            "  espalier prune --model M --out X --target-total 0.2 --importance l2 --uniform",
            "  espalier prune --model M --out X --mode layer --keep-layers 20",
            "  espalier prune --model M --out X --ratio 0.25 --calibration c4.jsonl.gz --recover alpaca.jsonl.gz",
            "",
            "The result is proved equal to the masked model before it gets its name.",
        })
final class PruneCommand extends JobCommand {
    @Option(
            names = "--method",
            paramLabel = "llm-pruner",
            converter = MethodName.Converter.class,
            defaultValue = "llm-pruner",
            description = "How to choose what goes (default: ${DEFAULT-VALUE}).")
    private MethodName method;

    @Option(names = "--model", required = true, paramLabel = "FOLDER", description = "A Hugging Face model folder.")
    private Path model;

    @Option(names = "--out", required = true, paramLabel = "FOLDER", description = "The folder to make.")
    private Path out;

    @Mixin
    private RunOptions running;

    @Mixin
    private SizeOptions size;

    @Mixin
    private WidthOptions widths;

    @Mixin
    private SelectionOptions selection;

    @Mixin
    private ScoringOptions scoring;

    @Option(
            names = "--dtype",
            paramLabel = "bf16|f16|f32",
            converter = ElementType.class,
            description = "Type of the written weights (default: that of the source).")
    private DType dtype;

    @Mixin
    private MemoryOption memory;

    @Mixin
    private ModelOptions options;

    @Option(
            names = "--recover",
            paramLabel = "FILE",
            description = "Then train adapters on this data and merge them, as finetune does with its --data; its other "
                    + "options begin with --recover- here.")
    private List<Path> recover = List.of();

    @Mixin
    private EvalOptions eval;

    private final TrainingOptions recovery = new TrainingOptions();
    private final AdapterOptions adapters = new AdapterOptions();

    PruneCommand(Terminal terminal) {
        super(terminal);
    }

    /// @return this command as picocli knows it, with the options of the recovery
    CommandLine line() {
        CommandLine line = new CommandLine(this);
        PrefixedOptions.add(line.getCommandSpec(), recovery, "recover-");
        PrefixedOptions.add(line.getCommandSpec(), adapters, "recover-");
        return line;
    }

    @Override
    Result run() throws Exception {
        long start = System.nanoTime();
        checkOptions();
        Folders.require(model);
        for (Map.Entry<String, Path> read : filesRead().entrySet()) {
            Folders.checkApart(out, read.getKey(), read.getValue());
        }
        RunFolder.Opening opening = running.opening();
        if (!recover.isEmpty()) {
            AdapterTraining training = new AdapterTraining(
                    terminal(), recovery, adapters, recover, Optional.empty(), true, memory.bytes());
            return new Recovery(this, model, out, training, eval).run(opening, options);
        }
        if (opening == RunFolder.Opening.RESUME || opening == RunFolder.Opening.RESUME_WITH_CHANGES) {
            throw usage("--resume needs --recover: pruning alone has no run to go on with");
        }
        if (Files.exists(out) && !running.overwrites()) {
            throw new FileAlreadyExistsException(out.toString(), null, "--out exists already; --overwrite replaces it");
        }
        CheckpointWriter.checkTarget(out, running.overwrites());
        try (Ops ops = options.open()) {
            Pruned pruned = prune(ops, out, running.overwrites());
            return PruneResult.of(model, pruned, (System.nanoTime() - start) * 1e-9);
        }
    }

    /// What lies outside the folder to make, by the option that names it.
    private Map<String, Path> filesRead() {
        Map<String, Path> files = new LinkedHashMap<>();
        files.put("--model", model);
        if (scoring.scores != null) {
            files.put("--scores", scoring.scores);
        }
        if (scoring.calibration != null) {
            files.put("--calibration", scoring.calibration);
        }
        recover.forEach(file -> files.put("--recover", file));
        if (eval.given()) {
            files.put("--eval-data", eval.data);
        }
        return files;
    }

    /// Prunes as the options say, and only that: whatever follows works on the folder.
    ///
    /// @param ops the backend
    /// @param target the folder to make, checked
    /// @param overwrite whether it is replaced if it exists
    /// @return what was written
    Pruned prune(Ops ops, Path target, boolean overwrite) throws IOException {
        try (ModelFolder base = ModelFolder.open(model, ops);
                PruneProgress progress = new PruneProgress(terminal(), target)) {
            Pruning.Request request = new Pruning.Request(
                    target,
                    Optional.ofNullable(dtype),
                    new CheckpointWriter.Options(CheckpointWriter.Options.DEFAULT.shardBytes(), overwrite),
                    memory.bytes());
            return Pruning.run(base, method(base.model().shape()), request, progress);
        }
    }

    /// @param ops the backend
    /// @return all that decides about what [#prune] writes
    ObjectNode origin(Ops ops) throws IOException {
        try (ModelFolder base = ModelFolder.open(model, ops)) {
            ObjectNode origin = Json.object();
            Pruning.origin(base, method(base.model().shape()), Optional.ofNullable(dtype)).forEach(origin::put);
            return origin;
        }
    }

    private PruningMethod method(ModelShape shape) throws IOException {
        return switch (method) {
            case LLM_PRUNER -> llmPruner(shape);
        };
    }

    private void checkOptions() {
        boolean layerMode = widths.mode == WidthOptions.Mode.LAYER;
        if (recover.isEmpty() && (eval.given() || hasOption("--recover-"))) {
            throw usage("--eval-data and --recover-... need --recover");
        }
        if (!eval.given() && hasOption("--eval-")) {
            throw usage("--eval-... need --eval-data");
        }
        if (layerMode ? size.given() : size.target().isEmpty()) {
            throw usage(layerMode
                    ? "--mode layer takes --keep-layers, not --ratio, --target-prunable or --target-total"
                    : "exactly one of --ratio, --target-prunable and --target-total is needed");
        }
        if (selection.norm().isPresent() && widths.mode != WidthOptions.Mode.CHANNEL) {
            throw usage("--norm needs --mode channel");
        }
        if (layerMode && (scoring.scores != null || scoring.calibration != null || selection.steps() != 1)) {
            throw usage("--mode layer scores nothing: it excludes --scores, --calibration and --iterative-steps");
        }
        if (!layerMode && scoring.needsCalibration() && scoring.calibration == null) {
            throw usage("--calibration is needed for gradients; l1, l2 and random go without");
        }
        if (scoring.scores != null && selection.steps() > 1) {
            throw usage("--scores excludes several --iterative-steps, at each of which scores are computed anew");
        }
    }

    private PruningMethod llmPruner(ModelShape shape) throws IOException {
        int layers = shape.layers().size();
        if (widths.mode == WidthOptions.Mode.LAYER) {
            return new PruningMethod.FirstLayers(widths.keptLayers(layers));
        }
        LlmPruner.Settings settings = new LlmPruner.Settings(
                scoring.settings(),
                widths.selection(layers, selection.isGlobal(), selection.norm().orElse(NormRule.RELEASED)),
                size.target().orElseThrow(),
                selection.steps(),
                scoring.seed);
        return new PruningMethod.ByGroups(settings, scoring.draw(model, shape), scoring.scoresFile());
    }
}
