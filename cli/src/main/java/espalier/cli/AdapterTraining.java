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
import espalier.engine.weights.CannotWriteException;
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

    /// What the files hold, and what is asked for with them; all that can be wrong about it was found.
    ///
    /// @param settings of the run
    /// @param training examples that are learnt from
    /// @param validation examples held out
    /// @param rows of all files
    /// @param skippedRows of these, those with nothing to learn
    /// @param described the files
    record Prepared(
            TrainingSettings settings,
            Examples training,
            Examples validation,
            long rows,
            long skippedRows,
            ObjectNode described) {}

    /// What was found.
    ///
    /// @param json the keys of docs/json.md
    /// @param stages rows that were measured
    record Done(ObjectNode json, List<ObjectNode> stages) {}

    /// Reads the data.
    ///
    /// @param model that will be trained, or one of the same tokenizer and context
    /// @param folder where it lies
    Prepared prepare(ModelFolder model, Path folder) throws IOException {
        int maxLength = Math.min(options.maxLength, model.model().shape().maxPositions());
        List<TrainingData> files = read(model, Tokenizer.load(folder), maxLength);
        List<Example> all = new ArrayList<>();
        files.forEach(file -> all.addAll(file.examples().list()));
        long rows = files.stream().mapToLong(TrainingData::rows).sum();
        long skipped = files.stream().mapToLong(TrainingData::skippedRows).sum();
        if (skipped > 0) {
            LOG.log(Level.INFO, "%d of %d rows have nothing to learn within %d tokens and are skipped"
                    .formatted(skipped, rows, maxLength));
        }
        Examples examples = new Examples(all);
        Split split = Split.of(examples.size(), options.validationRows(examples.size()), options.seed);
        TrainingSettings settings = options.settings(split.training().length);
        // Whatever is wrong with the other options shall be known before long work.
        options.learningRate(settings.steps());
        options.optimiser();
        options.lora(model.model().shape().layers().size());
        ObjectNode described = Json.object();
        ArrayNode list = described.putArray("files");
        files.forEach(file -> list.add(describe(file)));
        described.put("max_length", maxLength);
        return new Prepared(
                settings,
                examples.pick(split.training()),
                examples.pick(split.validation()),
                rows,
                skipped,
                described);
    }

    /// Trains and writes.
    ///
    /// @param prepared from [#prepare]
    /// @param base the model
    /// @param baseFolder where it lies
    /// @param out the folder to make
    /// @param run its run directory, claimed
    /// @param stages measures the result for the report, while the run is still locked
    /// @return what was found; nothing if a signal asked the run to stop
    Optional<Done> run(
            Prepared prepared, ModelFolder base, Path baseFolder, Path out, RunFolder run, Stages stages)
            throws IOException {
        LoraTraining.Request training = new LoraTraining.Request(
                initial(base.model().shape()),
                prepared.settings,
                options.learningRate(prepared.settings.steps()),
                options.optimiser(),
                prepared.training,
                prepared.validation,
                memory);
        Finetuning.Request request = new Finetuning.Request(
                baseFolder.toString(),
                training,
                merge,
                CheckpointWriter.Options.DEFAULT.shardBytes(),
                "espalier " + Version.number());
        run.configure(
                Finetuning.configuration(base, request, prepared.described),
                state -> LoraTraining.check(training, state));
        Optional<ObjectNode> result = train(base, request, out, run);
        if (result.isEmpty()) {
            return Optional.empty();
        }
        ObjectNode json = result.get();
        json.put("trained_parameters", training.initial().parameters());
        json.put("data_rows", prepared.rows);
        json.put("skipped_rows", prepared.skippedRows);
        List<ObjectNode> measured = stages.measure(json);
        json.put("peak_bytes", PeakMemory.bytes());
        writeReport(run, out, json, measured);
        return Optional.of(new Done(json, measured));
    }

    private Optional<ObjectNode> train(ModelFolder base, Finetuning.Request request, Path out, RunFolder run)
            throws IOException {
        try (GracefulStop stop = GracefulStop.register(GRACE);
                TrainingMeter meter = new TrainingMeter(terminal, stop)) {
            Optional<ObjectNode> result = Finetuning.run(base, request, run, meter);
            if (result.isEmpty()) {
                // Once the stop is closed the process may end at any moment.
                meter.say(out + " has the state of the run up to now; --resume goes on");
            }
            return result;
        }
    }

    /// Measures the model before and after.
    @FunctionalInterface
    interface Stages {
        /// Nothing is measured.
        Stages NONE = json -> List.of();

        /// @param json what was found so far
        /// @return a row for each stage: stage, parameters, perplexity, seconds
        List<ObjectNode> measure(ObjectNode json) throws IOException;
    }

    private static void writeReport(RunFolder run, Path out, ObjectNode result, List<ObjectNode> stages)
            throws IOException {
        String title = "Fine-tuning of " + out.toAbsolutePath().getFileName();
        String page = HtmlReport.render(
                TrainingReport.of(title, run.config(), run.changes(), run.metrics(), result, stages));
        try {
            DurableFiles.replace(run.path().resolve(REPORT), SideFile.text(REPORT, page).content());
        } catch (CannotWriteException e) {
            throw new CannotWriteException(e.getMessage() + "; the model itself is complete", e);
        }
    }

    private LoraState initial(ModelShape shape) throws IOException {
        return initial.isPresent()
                ? PeftAdapter.read(initial.get(), shape).state()
                : LoraState.initial(shape, options.lora(shape.layers().size()), options.seed);
    }

    private List<TrainingData> read(ModelFolder model, Tokenizer tokenizer, int maxLength) throws IOException {
        TrainingFile.Options reading = reading(model, tokenizer, maxLength)
                .withPrompt(options.noTemplate ? PromptStyle.PLAIN : PromptStyle.ALPACA)
                .withTrainOnInputs(options.trainOnInputs)
                .withRecogniseSpecials(!options.plainSpecials);
        if (options.format != null) {
            reading = reading.withFormat(options.format);
        }
        List<TrainingData> files = new ArrayList<>();
        for (Path file : data) {
            try (ProgressMeter meter = new ProgressMeter(terminal, "bytes read")) {
                files.add(TrainingFile.read(file, tokenizer, reading, meter));
            }
        }
        return files;
    }

    /// @param maxLength tokens that an example has at most
    /// @return how data become tokens of a model, unless options say otherwise
    static TrainingFile.Options reading(ModelFolder model, Tokenizer tokenizer, int maxLength) {
        OptionalInt begin = model.config().bosId().isPresent() ? model.config().bosId() : tokenizer.bosId();
        OptionalInt end = tokenizer.eosId();
        if (end.isEmpty() && !model.config().eosIds().isEmpty()) {
            end = OptionalInt.of(model.config().eosIds().getFirst());
        }
        return TrainingFile.Options.of(maxLength, begin, end);
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
