package espalier.cli;

import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.prune.LlmPruner;
import espalier.engine.prune.NormRule;
import espalier.engine.prune.Pruned;
import espalier.engine.prune.Pruning;
import espalier.engine.prune.PruningMethod;
import espalier.engine.weights.CheckpointWriter;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
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

    @Option(names = "--overwrite", description = "Replace --out if it is a checkpoint folder.")
    private boolean overwrite;

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

    @Option(
            names = "--memory",
            paramLabel = "BYTES",
            description = "Most memory that may be used, e.g. 6G (default: what the machine has).",
            converter = ByteCount.class)
    private Long memory;

    @Mixin
    private ModelOptions options;

    PruneCommand(Terminal terminal) {
        super(terminal);
    }

    @Override
    Result run() throws Exception {
        long start = System.nanoTime();
        check(out);
        try (Ops ops = options.open()) {
            Pruned pruned = prune(ops, out);
            return PruneResult.of(model, pruned, (System.nanoTime() - start) * 1e-9);
        }
    }

    /// Refuses what can be seen to be wrong before the model is opened.
    ///
    /// @param target the folder to make
    void check(Path target) throws IOException {
        checkOptions();
        Folders.require(model);
        Folders.checkOut(target, overwrite, "--model", model);
        if (scoring.scores != null) {
            Folders.checkOut(target, overwrite, "--scores", scoring.scores);
        }
        if (scoring.calibration != null) {
            Folders.checkOut(target, overwrite, "--calibration", scoring.calibration);
        }
        CheckpointWriter.checkTarget(target, overwrite);
    }

    /// Prunes as the options say, and only that: whatever follows works on the folder.
    ///
    /// @param ops the backend
    /// @param target the folder to make, checked
    /// @return what was written
    Pruned prune(Ops ops, Path target) throws IOException {
        try (ModelFolder base = ModelFolder.open(model, ops);
                PruneProgress progress = new PruneProgress(terminal(), target)) {
            Pruning.Request request = new Pruning.Request(
                    target,
                    Optional.ofNullable(dtype),
                    new CheckpointWriter.Options(CheckpointWriter.Options.DEFAULT.shardBytes(), overwrite),
                    memory == null ? RunMemory.available() : memory);
            PruningMethod chosen = switch (method) {
                case LLM_PRUNER -> llmPruner(base.model().shape());
            };
            return Pruning.run(base, chosen, request, progress);
        }
    }

    private void checkOptions() {
        boolean layerMode = widths.mode == WidthOptions.Mode.LAYER;
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
