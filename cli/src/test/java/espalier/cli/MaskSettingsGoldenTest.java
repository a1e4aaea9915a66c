package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.adapt.LoraSettings;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.GateTraining;
import espalier.engine.gates.GateSettings.Enabling;
import espalier.engine.gates.GateSettings.HeadUnit;
import espalier.engine.gates.InitialGates;
import espalier.engine.gates.SparsitySchedule;
import espalier.engine.gates.SparsitySchedule.Shape;
import espalier.engine.gates.WidthRule;
import espalier.engine.masked.MaskMethod;
import espalier.engine.masked.MaskPruning;
import espalier.engine.masked.MaskTraining;
import espalier.engine.masked.TeacherSettings;
import espalier.engine.masked.TeacherSettings.Mode;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.Site;
import espalier.engine.train.AdamW;
import espalier.engine.train.LearningRate;
import espalier.engine.train.TrainingSettings;
import espalier.eval.data.PromptStyle;
import espalier.kernels.Backends;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

/// What options, and their absence, come to: the settings that a run of masks gets.
class MaskSettingsGoldenTest {
    private static final Set<Site> QUERIES_AND_VALUES = Set.of(Site.Q_PROJ, Site.V_PROJ);

    /// All that a command line was resolved to.
    private record Resolved(
            MaskPruning.Request request, long maskedSteps, PreparedData data, Optional<AdapterTraining> recovery) {
        MaskTraining.Request training() {
            return request.training();
        }

        /// What the recovery would be configured with.
        TrainingSettings recoverySettings(int examples) {
            return recovery.orElseThrow().options().settings(examples);
        }
    }

    @TempDir
    private Path folder;

    private Path rows;

    @BeforeEach
    void writeRows() throws IOException {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 40; i++) {
            text.append("{\"instruction\": \"Tell of day %d.\", \"output\": \"The sun was up.\"}\n".formatted(i));
        }
        rows = Files.writeString(folder.resolve("rows.jsonl"), text);
    }

    private Resolved resolve(String method, Object... more) throws IOException {
        List<String> arguments = new ArrayList<>(List.of(
                "--method=" + method, "--model", PruneRuns.small().toString(), "--out", folder.resolve("x").toString(),
                "--data", rows.toString()));
        if (!List.of(more).contains("--memory")) {
            arguments.add("--memory=8G");
        }
        Stream.of(more).map(Object::toString).forEach(arguments::add);
        PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream());
        CommandLine line = PruneCommand.line(new Terminal(nowhere, nowhere, false), arguments);
        line.parseArgs(arguments.toArray(String[]::new));
        MaskCommand command = line.getCommand();
        command.checkOptions();
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
                ModelFolder dense = ModelFolder.open(PruneRuns.small(), ops)) {
            boolean alone = command.recoveryData().isEmpty();
            MaskRun run = command.prepare(dense, alone);
            return new Resolved(
                    run.request(),
                    run.maskedSteps(),
                    run.data(),
                    alone ? Optional.empty() : Optional.of(command.recoveryAfter(run)));
        }
    }

    @Test
    void nutePruneAsReleased() throws IOException {
        Resolved resolved = resolve("nuteprune", "--sparsity", 0.5, "--steps", 7000);
        MaskTraining.Request training = resolved.training();
        assertEquals(
                new MaskMethod.NutePrune(0.1, 0.9, 2.0 / 3, new TeacherSettings(Mode.NUMEROUS, 0.01, 10, false)),
                training.method());
        assertEquals(
                new GateSettings(true, true, true, HeadUnit.GROUP, Enabling.NONE, new LayerRange(0, 5)),
                training.gates());
        assertEquals(InitialGates.RELEASED, training.initialGates());
        assertEquals(new SparsitySchedule(0.5, 1000, Shape.LINEAR), training.sparsity());
        assertEquals(GateTraining.Rates.RELEASED, training.rates());
        assertEquals(LoraSettings.of(8, 8, 0, QUERIES_AND_VALUES), training.adapters().orElseThrow().settings());
        assertEquals(new TrainingSettings(7000, 16, 4, 42, 1, 100, 200), training.settings());
        assertEquals(new LearningRate(1e-3, LearningRate.Shape.LINEAR, 0, 7000), training.learningRate());
        assertEquals(AdamW.Settings.DEFAULT, training.optimiser());
        assertEquals(0, training.optimiser().weightDecay());
        assertEquals(40, training.training().size());
        assertEquals(0, training.validation().size());
        assertEquals(8L << 30, training.memory());
        assertEquals(WidthRule.FREE, resolved.request().widths());
        assertEquals(Optional.empty(), resolved.request().dtype());
        assertTrue(resolved.request().merge());
        assertEquals(7000, resolved.maskedSteps());
        assertEquals(512, resolved.data().described().get("max_length").intValue());
        assertEquals(Optional.empty(), resolved.recovery());
    }

    /// Multipliers grow to what they do in the release's thousands of steps.
    @Test
    void shortRunsHaveFasterMultipliers() throws IOException {
        assertEquals(
                new GateTraining.Rates(0.1, 0.8),
                resolve("nuteprune", "--sparsity", 0.5, "--steps", 250).training().rates());
        assertEquals(
                GateTraining.Rates.RELEASED,
                resolve("compresso", "--sparsity", 0.5, "--steps", 2000, "--max-length", 512).training().rates());
    }

    @Test
    void compressoAsReleased() throws IOException {
        Resolved resolved = resolve("compresso", "--sparsity", 0.3, "--steps", 7000, "--max-length", 512);
        MaskTraining.Request training = resolved.training();
        assertEquals(new MaskMethod.Compresso(1000), training.method());
        assertEquals(new SparsitySchedule(0.3, 4000, Shape.LINEAR), training.sparsity());
        assertEquals(GateTraining.Rates.RELEASED, training.rates());
        assertEquals(LoraSettings.of(8, 8, 0, QUERIES_AND_VALUES), training.adapters().orElseThrow().settings());
        assertEquals(new TrainingSettings(8000, 8, 4, 42, 1, 100, 200), training.settings());
        assertEquals(new LearningRate(5e-5, LearningRate.Shape.LINEAR, 0, 8000), training.learningRate());
        assertEquals(7000, resolved.maskedSteps());
        assertEquals(false, resolved.request().merge());
        AdapterTraining recovery = resolved.recovery().orElseThrow();
        assertEquals(List.of(rows), recovery.data());
        assertEquals(QUERIES_AND_VALUES, recovery.adapters().sites());
        assertEquals(new TrainingSettings(3000, 8, 4, 42, 1, 100, 200), resolved.recoverySettings(40));
        assertEquals(
                new LearningRate(4e-4, LearningRate.Shape.COSINE, 0, 3000), recovery.options().learningRate(3000));
        assertEquals(512, recovery.options().maxLength(0));
        // Without --max-length it is the release's 1024, as far as the context goes.
        assertTrue(Cli.run("prune", "--method", "compresso", "--help").out().contains("default: 1024"));
    }

    @Test
    void whatIsNotSaidFollowsTheEpochsOfTheReleases() throws IOException {
        // 40 rows are 3 batches of 16, and 5 of 8.
        assertEquals(7 * 3, resolve("nuteprune", "--sparsity", 0.5).maskedSteps());
        assertEquals(2 * 3, resolve("nuteprune", "--sparsity", 0.5, "--epochs", 2).maskedSteps());
        Resolved compresso = resolve("compresso", "--sparsity", 0.5);
        assertEquals(7 * 5, compresso.maskedSteps());
        assertEquals(8 * 5, compresso.training().settings().steps());
        assertEquals(new SparsitySchedule(0.5, 4 * 5, Shape.LINEAR), compresso.training().sparsity());
        assertEquals(3 * 5, compresso.recoverySettings(40).steps());
        Resolved short1 = resolve("compresso", "--sparsity", 0.5, "--steps", 2);
        assertEquals(3, short1.training().settings().steps(), "at least one step without masks");
        assertEquals(1, short1.recoverySettings(40).steps());
        Resolved set = resolve(
                "compresso", "--sparsity", 0.5, "--steps", 20, "--adapter-steps", 0, "--recover-epochs", 2);
        assertEquals(20, set.training().settings().steps());
        assertEquals(10, set.recoverySettings(40).steps());
    }

    @ParameterizedTest
    @CsvSource({
        // method, sparsity, steps, warm-up
        "nuteprune, 0.2, 7000, 4000",
        "nuteprune, 0.21, 7000, 1000",
        "nuteprune, 0.5, 700, 100",
        "nuteprune, 0.5, 350, 100",
        "nuteprune, 0.5, 175, 100",
        "nuteprune, 0.5, 140, 80",
        "nuteprune, 0.5, 1, 0",
        "compresso, 0.5, 140, 80",
        "compresso, 0.5, 700, 400",
    })
    void theSparsityRisesAsInTheReleasesButNotFasterThanGatesClose(
            String method, double sparsity, long steps, long warmup) throws IOException {
        SparsitySchedule schedule =
                resolve(method, "--sparsity", sparsity, "--steps", steps).training().sparsity();
        assertEquals(new SparsitySchedule(sparsity, warmup, Shape.LINEAR), schedule);
    }

    @Test
    void optionsReachTheSettings() throws IOException {
        Resolved resolved = resolve(
                "nuteprune", "--target-prunable", 0.4, "--steps", 50, "--batch", 6, "--micro-batch", 3,
                "--max-length", 64, "--no-template", "--lora-rank", 4, "--lora-alpha", 12, "--targets", "q,o",
                "--seed", 7, "--sparsity-warmup", 49, "--sparsity-schedule", "cubic", "--mask-lr", 0.05,
                "--multiplier-lr", 2,
                "--lr", 2e-3, "--schedule", "constant", "--warmup", 5, "--clip", 2, "--weight-decay", 0.1,
                "--gqa", "head", "--mask", "ffn,heads", "--layers", "1:4", "--align", 32,
                "--kl-weight", 1, "--layer-weight", 0, "--temperature", 2,
                "--validation-rows", 3, "--eval-every", 9, "--save-every", 11, "--memory", "9G", "--dtype", "f32");
        MaskTraining.Request training = resolved.training();
        assertEquals(new SparsitySchedule(0.4, 49, Shape.CUBIC), training.sparsity());
        assertEquals(new TrainingSettings(50, 6, 3, 7, 2, 9, 11), training.settings());
        assertEquals(new LearningRate(2e-3, LearningRate.Shape.CONSTANT, 5, 50), training.learningRate());
        assertEquals(0.1, training.optimiser().weightDecay());
        assertEquals(new GateTraining.Rates(0.05, 2), training.rates());
        assertEquals(
                new GateSettings(true, true, false, HeadUnit.HEAD, Enabling.NONE, new LayerRange(1, 4)),
                training.gates());
        assertEquals(
                LoraSettings.of(4, 12, 0, Set.of(Site.Q_PROJ, Site.O_PROJ)),
                training.adapters().orElseThrow().settings());
        assertEquals(
                new MaskMethod.NutePrune(1, 0, 2, new TeacherSettings(Mode.NUMEROUS, 0.01, 10, false)),
                training.method());
        assertEquals(3, training.validation().size());
        assertEquals(37, training.training().size());
        assertEquals(9L << 30, training.memory());
        assertEquals(new WidthRule(32, false), resolved.request().widths());
        assertEquals(Optional.of(DType.F32), resolved.request().dtype());
        assertEquals(64, resolved.data().described().get("max_length").intValue());
        assertEquals(
                new WidthRule(1, true),
                resolve("nuteprune", "--sparsity", 0.4, "--uniform").request().widths());
    }

    @Test
    void gatesOverLayers() throws IOException {
        MaskTraining.Request closed = resolve(
                        "compresso", "--sparsity", 0.4, "--steps", 9, "--layer-gates", "attention-mlp")
                .training();
        assertEquals(
                new GateSettings(true, true, true, HeadUnit.GROUP, Enabling.ATTENTION_AND_MLP, new LayerRange(0, 5)),
                closed.gates());
        assertEquals(InitialGates.RELEASED, closed.initialGates());
        MaskTraining.Request open = resolve(
                        "nuteprune", "--sparsity", 0.4, "--steps", 9, "--mask", "heads,ffn", "--layer-gates", "layer",
                        "--layer-gates-open")
                .training();
        assertEquals(
                new GateSettings(true, true, false, HeadUnit.GROUP, Enabling.LAYER, new LayerRange(0, 5)),
                open.gates());
        assertEquals(new InitialGates(0.01, 0.01, true), open.initialGates());
    }

    private TeacherSettings teachers(Object... more) throws IOException {
        List<Object> arguments = new ArrayList<>(List.of("--sparsity", 0.5, "--steps", 3));
        arguments.addAll(List.of(more));
        return ((MaskMethod.NutePrune) resolve("nuteprune", arguments.toArray()).training().method()).teachers();
    }

    @Test
    void teachersAreATenthOfSparsityAhead() throws IOException {
        assertEquals(new TeacherSettings(Mode.NUMEROUS, 0.01, 10, true), teachers("--as-released"));
        assertEquals(new TeacherSettings(Mode.NUMEROUS, 0.1, 1, false), teachers("--teachers", 4));
        assertEquals(new TeacherSettings(Mode.NUMEROUS, 0.05, 2, false), teachers("--teachers", 9));
        assertEquals(new TeacherSettings(Mode.NUMEROUS, 0.25, 1, false), teachers("--teacher-interval", 0.25));
        assertEquals(
                new TeacherSettings(Mode.PROGRESSIVE, 0.02, 3, false),
                teachers("--teacher", "progressive", "--teacher-interval", 0.02, "--teacher-gap", 3));
        assertEquals(new TeacherSettings(Mode.INTACT, 0.01, 10, false), teachers("--teacher", "intact"));
    }

    @Test
    void aRecoveryOfNutePruneGoesOnWithItsAdapters() throws IOException {
        Resolved resolved =
                resolve("nuteprune", "--sparsity", 0.5, "--steps", 7, "--seed", 5, "--batch", 4, "--recover", rows);
        assertEquals(false, resolved.request().merge());
        AdapterTraining recovery = resolved.recovery().orElseThrow();
        assertEquals(LoraSettings.ALL_LINEAR, recovery.adapters().sites());
        assertEquals(PromptStyle.ALPACA_INLINE, recovery.rows().orElseThrow().style());
        // Two epochs of 40 rows.
        assertEquals(new TrainingSettings(20, 4, 4, 5, 1, 100, 200), resolved.recoverySettings(40));
        assertEquals(
                new LearningRate(1e-4, LearningRate.Shape.LINEAR, 0, 20), recovery.options().learningRate(20));
        assertEquals(512, recovery.options().maxLength(0));
        Resolved other = resolve(
                "nuteprune", "--sparsity", 0.5, "--steps", 7, "--recover", rows, "--recover-batch", 2,
                "--recover-micro-batch", 1, "--recover-max-length", 32, "--recover-seed", 9, "--recover-steps", 6);
        assertEquals(new TrainingSettings(6, 2, 1, 9, 1, 100, 200), other.recoverySettings(40));
        assertEquals(32, other.recovery().orElseThrow().options().maxLength(0));
    }

    @Test
    void masksAloneHaveNoAdapters() throws IOException {
        Resolved resolved = resolve(
                "nuteprune", "--sparsity", 0.25, "--masks-only", "--steps", 7000, "--recover", rows,
                "--recover-lora-rank", 4);
        assertEquals(Optional.empty(), resolved.training().adapters());
        assertEquals(new SparsitySchedule(0.25, 1000, Shape.LINEAR), resolved.training().sparsity());
        LoraSettings fresh = resolved.recovery().orElseThrow().adapters().lora(5);
        assertEquals(LoraSettings.of(4, 8, 0, LoraSettings.ALL_LINEAR), fresh);
    }
}
