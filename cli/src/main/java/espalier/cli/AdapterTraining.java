package espalier.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.cli.report.HtmlReport;
import espalier.cli.report.TrainingReport;
import espalier.engine.adapt.LoraState;
import espalier.engine.adapt.PeftAdapter;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.train.Example;
import espalier.engine.train.Examples;
import espalier.engine.train.Finetuning;
import espalier.engine.train.LoraTraining;
import espalier.engine.train.RunFolder;
import espalier.engine.train.TrainingSettings;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.DurableFiles;
import espalier.engine.weights.GracefulStop;
import espalier.engine.weights.SideFile;
import espalier.eval.data.PromptStyle;
import espalier.eval.data.Split;
import espalier.eval.data.TrainingData;
import espalier.eval.data.TrainingFile;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// From files and options to a fine-tuned model: what `finetune` and `prune --recover` share.
///
/// @param terminal where progress is shown
/// @param options how to train
/// @param data files to learn from
/// @param initial adapters to go on with; new ones if empty
/// @param merge whether the merged model is written
/// @param memory bytes that may be used
record AdapterTraining(
        Terminal terminal,
        TrainingOptions options,
        List<Path> data,
        Optional<Path> initial,
        boolean merge,
        long memory) {
    private static final Logger LOG = System.getLogger("espalier.cli");

    private static final String REPORT = "report.html";

    /// How long a process that is told to end may go on, to save its state.
    private static final Duration GRACE = Duration.ofSeconds(60);

    /// What the files hold.
    private record Loaded(Examples training, Examples validation, long rows, long skippedRows, ArrayNode described) {}

    /// Trains and writes.
    ///
    /// @param base the model
    /// @param baseFolder where it lies
    /// @param out the folder to make
    /// @param opening what to do with a run that is there
    /// @param origin what else decides about the result
    /// @param stages measures the result for the report, given what was found; while the run is still locked
    /// @return the keys of docs/json.md; nothing if a signal asked the run to stop
    Optional<ObjectNode> run(
            ModelFolder base, Path baseFolder, Path out, RunFolder.Opening opening, ObjectNode origin, Stages stages)
            throws IOException {
        ModelShape shape = base.model().shape();
        int maxLength = Math.min(options.maxLength, shape.maxPositions());
        Tokenizer tokenizer = Tokenizer.load(baseFolder);
        Loaded loaded = load(base, tokenizer, maxLength);
        TrainingSettings settings = options.settings(loaded.training.size());
        LoraTraining.Request training = new LoraTraining.Request(
                initial(shape),
                settings,
                options.learningRate(settings.steps()),
                options.optimiser(),
                loaded.training,
                loaded.validation,
                memory);
        Finetuning.Request request = new Finetuning.Request(
                baseFolder.toString(), training, merge, CheckpointWriter.Options.DEFAULT.shardBytes());
        origin.set("files", loaded.described);
        origin.put("max_length", maxLength);
        try (GracefulStop stop = GracefulStop.register(GRACE);
                RunFolder run = RunFolder.open(out, Finetuning.configuration(base, request, origin), opening);
                TrainingMeter meter = new TrainingMeter(terminal, stop)) {
            Optional<ObjectNode> result = Finetuning.run(base, request, run, meter);
            if (result.isPresent()) {
                ObjectNode json = result.get();
                json.put("trained_parameters", training.initial().parameters());
                json.put("rows", loaded.rows);
                json.put("skipped_rows", loaded.skippedRows);
                List<ObjectNode> measured = stages.measure(json);
                json.put("peak_bytes", PeakMemory.bytes());
                writeReport(run, out, json, measured);
            }
            return result;
        }
    }

    /// Measures the model before and after.
    @FunctionalInterface
    interface Stages {
        /// Nothing is measured.
        Stages NONE = json -> List.of();

        /// @param json what was found so far; may be added to
        /// @return a row for each stage: stage, parameters, perplexity, seconds
        List<ObjectNode> measure(ObjectNode json) throws IOException;
    }

    private static void writeReport(RunFolder run, Path out, ObjectNode result, List<ObjectNode> stages)
            throws IOException {
        String title = "Fine-tuning of " + out.toAbsolutePath().getFileName();
        String page = HtmlReport.render(TrainingReport.of(title, run.config(), run.metrics(), result, stages));
        DurableFiles.replace(run.path().resolve(REPORT), SideFile.text(REPORT, page).content());
    }

    private LoraState initial(ModelShape shape) throws IOException {
        return initial.isPresent()
                ? PeftAdapter.read(initial.get(), shape).state()
                : LoraState.initial(shape, options.lora(shape.layers().size()), options.seed);
    }

    private Loaded load(ModelFolder base, Tokenizer tokenizer, int maxLength) throws IOException {
        OptionalInt begin = base.config().bosId().isPresent() ? base.config().bosId() : tokenizer.bosId();
        OptionalInt end = tokenizer.eosId();
        if (end.isEmpty() && !base.config().eosIds().isEmpty()) {
            end = OptionalInt.of(base.config().eosIds().getFirst());
        }
        TrainingFile.Options reading = TrainingFile.Options.of(maxLength, begin, end);
        if (options.noTemplate) {
            reading = reading.withPrompt(PromptStyle.PLAIN);
        }
        ArrayNode described = Json.object().arrayNode();
        List<Example> all = new ArrayList<>();
        long rows = 0;
        long skipped = 0;
        for (Path file : data) {
            try (ProgressMeter meter = new ProgressMeter(terminal, "bytes read")) {
                TrainingData read = TrainingFile.read(file, tokenizer, reading, meter);
                all.addAll(read.examples().list());
                rows += read.rows();
                skipped += read.skippedRows();
                described.add(describe(read));
            }
        }
        if (skipped > 0) {
            LOG.log(Level.INFO, "%d of %d rows have nothing to learn within %d tokens and are skipped"
                    .formatted(skipped, rows, maxLength));
        }
        Examples examples = new Examples(all);
        Split split = Split.of(examples.size(), options.validationRows(examples.size()), options.seed);
        return new Loaded(
                examples.pick(split.training()), examples.pick(split.validation()), rows, skipped, described);
    }

    private static ObjectNode describe(TrainingData data) {
        ObjectNode json = Json.object();
        json.put("file", data.file().getFileName().toString());
        json.put("sha256", data.sha256());
        json.put("format", data.format().optionName());
        json.put("rows", data.rows());
        json.put("skipped_rows", data.skippedRows());
        json.put("examples", data.examples().size());
        json.put("labels", data.labels());
        json.put("end_tokens", data.endTokens());
        return json;
    }
}
