package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.adapt.PeftAdapter;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Site;
import espalier.engine.train.AdamW;
import espalier.engine.train.Finetuning;
import espalier.engine.train.LearningRate;
import espalier.engine.train.LoraTraining;
import espalier.engine.train.RunConfig;
import espalier.engine.train.RunFolder;
import espalier.engine.train.TrainingSettings;
import espalier.engine.train.TrainingWatch;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/// A recovery whose base is made by a run of its own, here a fine-tuning.
class RecoveryGoldenTest {
    private static final long MEMORY = 8L << 30;
    private static final int BASE_STEPS = 4;
    private static final int AT_THE_END = BASE_STEPS + 1;
    private static final int NEVER = AT_THE_END + 1;

    @TempDir
    private Path folder;

    private Path rows;
    private Terminal terminal;

    @BeforeEach
    void writeRows() throws IOException {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 20; i++) {
            text.append("{\"text\": \"Once upon a time there was a cat number %d. It was happy.\"}%n".formatted(i));
        }
        rows = Files.writeString(folder.resolve("rows.jsonl"), text);
        PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream());
        terminal = new Terminal(nowhere, nowhere, false);
    }

    /// The process dies, as far as files tell.
    private static final class Killed extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    private record TunedBase(AdapterTraining tuning, Path out, int killedAt) implements Recovery.SmallerModel {
        @Override
        public RunConfig origin(ModelFolder dense) throws IOException {
            return Finetuning.configuration(dense, request(dense), prepare(dense).described());
        }

        private PreparedData prepare(ModelFolder dense) throws IOException {
            return tuning.prepare(dense, PruneRuns.small(), Optional.empty());
        }

        private Finetuning.Request request(ModelFolder dense) throws IOException {
            PreparedData prepared = prepare(dense);
            LoraTraining.Request training = new LoraTraining.Request(
                    tuning.initial().of(dense.model().shape()),
                    new TrainingSettings(BASE_STEPS, 2, 2, 42, 1, 100, 1),
                    new LearningRate(1e-2, LearningRate.Shape.LINEAR, 0, BASE_STEPS),
                    AdamW.Settings.DEFAULT,
                    prepared.training(),
                    prepared.validation(),
                    MEMORY);
            return new Finetuning.Request("small", training, true, 1 << 30, "test");
        }

        @Override
        public ObjectNode in(RunFolder run, RunConfig origin, Ops ops) throws IOException, JobCommand.Stopped {
            Optional<ObjectNode> made = run.baseOfRun(origin, state -> {});
            if (made.isPresent()) {
                return made.get();
            }
            ObjectNode json;
            try (RunFolder nested = run.claimBase(); ModelFolder dense = ModelFolder.open(PruneRuns.small(), ops)) {
                nested.configure(origin, state -> {});
                json = Finetuning.run(dense, request(dense), nested, dyingAt(killedAt)).orElseThrow();
            }
            if (killedAt == AT_THE_END) {
                throw new Killed();
            }
            json.put("parameters_before", 1).put("parameters_after", 1).put("prunable_removed", 0.0);
            run.baseMade(json);
            return json;
        }

        private static TrainingWatch dyingAt(int last) {
            return new TrainingWatch() {
                @Override
                public void step(Step step) {
                    if (step.step() == last) {
                        throw new Killed();
                    }
                }
            };
        }

        @Override
        public Optional<Path> adapter(Path base) {
            return Optional.of(base.resolve(PeftAdapter.FOLDER));
        }
    }

    private ObjectNode recover(Path out, RunFolder.Opening opening, int killedAt, String... more) throws Exception {
        TrainingOptions options = new TrainingOptions();
        AdapterOptions adapters = new AdapterOptions();
        EvalOptions eval = new EvalOptions();
        CommandLine line = new CommandLine(CommandLine.Model.CommandSpec.create());
        for (Object each : List.of(options, adapters, eval)) {
            new BorrowedOptions(each, "").addTo(line.getCommandSpec());
        }
        List<String> arguments = List.of(
                "--steps=3", "--batch=2", "--micro-batch=2", "--max-length=128", "--targets=q,down", "--lora-rank=2",
                "--lora-dropout=0", "--validation-rows=0", "--eval-data=" + PruneRuns.story(), "--eval-window=32",
                "--eval-windows=2");
        line.parseArgs(Stream.concat(arguments.stream(), List.of(more).stream())
                .toArray(String[]::new));
        AdapterTraining tuning = new AdapterTraining(
                terminal, options, adapters, Optional.empty(), List.of(rows),
                shape -> LoraState.initial(
                        shape, LoraSettings.of(2, 4, 0, Set.of(Site.Q_PROJ, Site.V_PROJ)), 1),
                true, MEMORY);
        Path adapter = RunFolder.baseFolder(out).resolve(PeftAdapter.FOLDER);
        AdapterTraining recovery = new AdapterTraining(
                terminal, options, adapters, Optional.empty(), List.of(rows),
                shape -> PeftAdapter.read(adapter, shape).state().withTargets(adapters.sites(), options.seed),
                true, MEMORY);
        try (RunFolder run = RunFolder.claim(out, opening); Ops ops = Backends.open(Backends.Choice.VECTOR, 2)) {
            return new Recovery(new TunedBase(tuning, out, killedAt), PruneRuns.small(), out, recovery, eval)
                    .run(run, ops)
                    .json();
        }
    }

    @Test
    void aRunInTheBaseIsGoneOnWithToTheSameBits() throws Exception {
        Path whole = folder.resolve("whole");
        ObjectNode expected = recover(whole, RunFolder.Opening.NEW, NEVER);
        for (int killedAt : new int[] {1, 3, AT_THE_END}) {
            Path out = folder.resolve("killed" + killedAt);
            assertThrows(Killed.class, () -> recover(out, RunFolder.Opening.NEW, killedAt));
            Path base = RunFolder.baseFolder(out);
            assertEquals(killedAt == AT_THE_END, Files.exists(base.resolve("config.json")));
            assertTrue(Files.exists(base.resolve("run/config.json")));
            ObjectNode json = recover(out, RunFolder.Opening.RESUME, NEVER);
            assertEquals(expected.get("sha256"), json.get("sha256"), "killed at " + killedAt);
            PruneRuns.assertSameWeights(whole, out);
            assertEquals(
                    -1,
                    Files.mismatch(
                            whole.resolve("adapter/adapter_model.safetensors"),
                            out.resolve("adapter/adapter_model.safetensors")));
            assertEquals(BASE_STEPS, Files.readAllLines(base.resolve("run/metrics.jsonl")).stream()
                    .filter(line -> line.contains("\"loss\""))
                    .count());
        }
        assertEquals(
                expected.get("sha256"), recover(whole, RunFolder.Opening.RESUME, 1).get("sha256"), "nothing is left to do");
        var e = assertThrows(
                IllegalArgumentException.class, () -> recover(whole, RunFolder.Opening.RESUME, NEVER, "--seed=7"));
        assertTrue(e.getMessage().contains("training.seed is 7, was 42"), e.getMessage());
        assertFalse(e.getMessage().contains("machine"), e.getMessage());
    }

    @Test
    void adaptersGoOnWithThoseOfTheBaseAndMeetNewOnes() throws Exception {
        Path out = folder.resolve("x");
        ObjectNode json = recover(out, RunFolder.Opening.NEW, NEVER);
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
                ModelFolder model = ModelFolder.open(PruneRuns.small(), ops)) {
            ModelShape shape = model.model().shape();
            LoraSettings first = PeftAdapter.read(RunFolder.baseFolder(out).resolve("adapter"), shape).state().settings();
            LoraSettings last = PeftAdapter.read(out.resolve("adapter"), shape).state().settings();
            assertEquals(EnumSet.of(Site.Q_PROJ, Site.V_PROJ), first.targets());
            assertEquals(EnumSet.of(Site.Q_PROJ, Site.V_PROJ, Site.DOWN_PROJ), last.targets());
            assertEquals(2, last.rank());
            assertEquals(4, last.alpha());
        }
        JsonNode stages = json.get("rows");
        assertEquals(
                List.of("dense", "pruned", "recovered"), stages.findValuesAsText("stage"));
    }

    @Test
    void aStageWithAnAdapterIsMeasuredAsIfItWereMerged() throws Exception {
        Path tuned = folder.resolve("tuned");
        Cli.run("finetune", "--model", PruneRuns.small(), "--data", rows, "--out", tuned, "--steps", 3, "--lr", "1e-2",
                        "--batch", 2, "--json")
                .json();
        EvalOptions eval = new EvalOptions();
        CommandLine line = new CommandLine(CommandLine.Model.CommandSpec.create());
        new BorrowedOptions(eval, "").addTo(line.getCommandSpec());
        line.parseArgs("--eval-data=" + PruneRuns.story(), "--eval-window=32", "--eval-windows=2");
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
                ModelFolder model = ModelFolder.open(PruneRuns.small(), ops)) {
            EvalOptions.Text text = eval.read(model, PruneRuns.small(), Optional.empty()).orElseThrow();
            double merged = text.measure("a", tuned, 0, ops, terminal).get("perplexity").doubleValue();
            double beside = text.measure("a", PruneRuns.small(), tuned.resolve("adapter"), 0, ops, terminal)
                    .get("perplexity")
                    .doubleValue();
            double without = text.measure("a", PruneRuns.small(), 0, ops, terminal).get("perplexity").doubleValue();
            assertEquals(1, beside / merged, 1e-5);
            assertTrue(Math.abs(without / merged - 1) > 1e-3, without + " and " + merged);
        }
    }
}
