package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.prune.LlmPruner;
import espalier.engine.prune.NormRule;
import espalier.engine.prune.Pruned;
import espalier.engine.prune.Pruning;
import espalier.engine.prune.PruningMethod;
import espalier.engine.train.RunConfig;
import espalier.engine.train.RunFolder;
import espalier.engine.weights.CheckpointWriter;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;

/// `prune --method llm-pruner`: makes a model smaller at once, by scores.
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
            "  espalier prune --method nuteprune --help",
            "",
            "The result is proved equal to the masked model before it gets its name.",
        })
final class LlmPrunerCommand extends PruneJob {
    @Mixin
    private SizeOptions size;

    @Mixin
    private WidthOptions widths;

    @Mixin
    private SelectionOptions selection;

    @Mixin
    private ScoringOptions scoring;

    private final TrainingOptions recovery = new TrainingOptions(TrainingOptions.PAPER_EPOCHS, "recover-");
    private final AdapterOptions adapters = new AdapterOptions();

    LlmPrunerCommand(Terminal terminal) {
        super(terminal);
    }

    @Override
    void borrow(CommandSpec command) {
        recovery.borrowed().addTo(command);
        new BorrowedOptions(adapters, "recover-").addTo(command);
    }

    @Override
    Result run() throws Exception {
        long start = System.nanoTime();
        checkOptions();
        checkPaths();
        if (scoring.scores != null) {
            checkApart("--scores", List.of(scoring.scores));
        }
        if (scoring.calibration != null) {
            checkApart("--calibration", List.of(scoring.calibration));
        }
        RunFolder.Opening opening = running.opening();
        if (!recover.isEmpty()) {
            AdapterTraining training = new AdapterTraining(
                    terminal(), recovery, adapters, Optional.empty(), recover,
                    shape -> adapters.initial(shape, recovery.seed), true, memory.bytes());
            try (RunFolder run = RunFolder.claim(out, opening); Ops ops = options.open()) {
                return new Recovery(new OneShot(), model, out, training, eval).run(run, ops);
            }
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

    /// A base that is there or not: a half of it is worth nothing.
    private final class OneShot implements Recovery.SmallerModel {
        @Override
        public RunConfig origin(ModelFolder dense) throws IOException {
            ObjectNode origin = Json.object();
            Pruning.origin(dense, method(dense.model().shape()), Optional.ofNullable(dtype)).forEach(origin::put);
            return new RunConfig(origin, Set.of());
        }

        @Override
        public ObjectNode in(RunFolder run, RunConfig origin, Ops ops) throws IOException {
            Optional<ObjectNode> made = run.base(origin.json());
            if (made.isPresent()) {
                return made.get();
            }
            long start = System.nanoTime();
            Pruned pruned = prune(ops, run.baseFolder(), false);
            ObjectNode result = PruneResult.of(model, pruned, (System.nanoTime() - start) * 1e-9).json();
            run.baseMade(result);
            return result;
        }
    }

    /// Prunes as the options say, and only that: whatever follows works on the folder.
    ///
    /// @param ops the backend
    /// @param target the folder to make, checked
    /// @param overwrite whether it is replaced if it exists
    /// @return what was written
    private Pruned prune(Ops ops, Path target, boolean overwrite) throws IOException {
        try (ModelFolder base = ModelFolder.open(model, ops);
                PruneProgress progress = new PruneProgress(terminal(), target)) {
            Pruning.Request request = new Pruning.Request(
                    target,
                    Optional.ofNullable(dtype),
                    new CheckpointWriter.Options(CheckpointWriter.Options.DEFAULT.shardBytes(), overwrite),
                    memory.bytes());
            PruningMethod method = method(base.model().shape());
            Pruning.check(base, method, request);
            return Work.of(() -> Pruning.run(base, method, request, progress));
        }
    }

    private void checkOptions() {
        boolean layerMode = widths.mode == WidthOptions.Mode.LAYER;
        if (recover.isEmpty() && (eval.given() || hasOption("--recover-"))) {
            throw usage("--eval-data and --recover-... need --recover");
        }
        checkEval();
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

    private PruningMethod method(ModelShape shape) throws IOException {
        int layers = shape.layers().size();
        if (widths.mode == WidthOptions.Mode.LAYER) {
            return new PruningMethod.FirstLayers(widths.keptLayers(layers));
        }
        LlmPruner.Settings settings = new LlmPruner.Settings(
                scoring.settings(),
                widths.selection(shape, selection.isGlobal(), selection.norm().orElse(NormRule.RELEASED)),
                size.target().orElseThrow(),
                selection.steps(),
                scoring.seed);
        return new PruningMethod.ByGroups(settings, scoring.draw(model, shape), scoring.scoresFile());
    }
}
