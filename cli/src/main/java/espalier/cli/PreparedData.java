package espalier.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.ModelFolder;
import espalier.engine.train.AdamW;
import espalier.engine.train.Example;
import espalier.engine.train.Examples;
import espalier.engine.train.TrainingSettings;
import espalier.engine.weights.PretrainedConfig;
import espalier.eval.TextPrefix;
import espalier.eval.data.PromptStyle;
import espalier.eval.data.Split;
import espalier.eval.data.TrainingData;
import espalier.eval.data.TrainingFile;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;

/// What the files of a training hold, and what is asked for with them; all that can be wrong about it was found.
///
/// @param settings of the run
/// @param training examples that are learnt from
/// @param validation examples held out
/// @param rows of all files
/// @param skippedRows of these, those with nothing to learn
/// @param instructionRows of these, those with instructions instead of texts
/// @param described the files
record PreparedData(
        TrainingSettings settings,
        Examples training,
        Examples validation,
        long rows,
        long skippedRows,
        long instructionRows,
        ObjectNode described) {
    private static final String FILES = "files";
    private static final String MAX_LENGTH = "max_length";
    private static final Logger LOG = System.getLogger("espalier.cli");

    /// How texts become tokens, unless options say otherwise.
    ///
    /// @param maxLength tokens that an example has at most
    /// @param config of the model
    /// @param tokenizer of the model
    static TrainingFile.Options reading(int maxLength, PretrainedConfig config, Tokenizer tokenizer) {
        OptionalInt begin = config.bosId().isPresent() ? config.bosId() : tokenizer.bosId();
        OptionalInt end = tokenizer.eosId();
        if (end.isEmpty() && !config.eosIds().isEmpty()) {
            end = OptionalInt.of(config.eosIds().getFirst());
        }
        return TrainingFile.Options.of(maxLength, begin, end);
    }

    /// How texts become tokens.
    ///
    /// @param options of the command line
    /// @param style of instructions
    /// @param config of the model
    /// @param tokenizer of the model
    static TrainingFile.Options reading(
            TrainingOptions options, PromptStyle style, PretrainedConfig config, Tokenizer tokenizer) {
        int context = config.maxPositions();
        TrainingFile.Options longest = reading(context, config, tokenizer).withPrompt(style);
        int before = longest.prefix(tokenizer).map(TextPrefix::length).orElse(0);
        TrainingFile.Options reading = longest.withMaxLength(Math.min(options.maxLength(before), context))
                .withRecogniseSpecials(!options.plainSpecials);
        return options.format == null ? reading : reading.withFormat(options.format);
    }

    /// Reads what adapters of a model learn from.
    ///
    /// @param model that will be trained, or one of the same tokenizer and context
    /// @param folder where it lies
    /// @param rows how rows become text
    static PreparedData read(
            Terminal terminal,
            List<Path> files,
            ModelFolder model,
            Path folder,
            TrainingOptions options,
            AdapterOptions adapters,
            AdapterOptions.Rows rows)
            throws IOException {
        Tokenizer tokenizer = Tokenizer.load(folder);
        TrainingFile.Options reading = reading(options, rows.style(), model.config(), tokenizer)
                .withTrainOnInputs(adapters.trainOnInputs);
        if (!rows.prefix().equals(ModelPrefix.ABSENT)) {
            String prompt = rows.style().carried()
                    .map(carried -> "with the " + carried.style() + " prompt")
                    .orElse("without a prompt");
            LOG.log(Level.INFO, "prefix %s: rows are made %s, with at most %d tokens"
                    .formatted(rows.prefix(), prompt, reading.maxLength()));
        }
        PreparedData prepared = read(terminal, files, tokenizer, reading, options);
        prepared.described().put("template", rows.style().optionName());
        prepared.described().put("prefix", rows.prefix());
        return prepared;
    }

    /// Reads the files, one after the other, and holds some rows out.
    static PreparedData read(
            Terminal terminal,
            List<Path> files,
            Tokenizer tokenizer,
            TrainingFile.Options reading,
            TrainingOptions options)
            throws IOException {
        List<TrainingData> read = new ArrayList<>();
        for (Path file : files) {
            try (ProgressMeter meter = new ProgressMeter(terminal, "bytes read")) {
                read.add(TrainingFile.read(file, tokenizer, reading, meter));
            }
        }
        List<Example> all = new ArrayList<>();
        read.forEach(file -> all.addAll(file.examples().list()));
        long rows = read.stream().mapToLong(TrainingData::rows).sum();
        long skipped = read.stream().mapToLong(TrainingData::skippedRows).sum();
        Examples examples = new Examples(all);
        Split split = Split.of(examples.size(), options.validationRows(examples.size()), options.seed);
        TrainingSettings settings = options.settings(split.training().length);
        // Whatever is wrong with the other options shall be known before long work.
        options.learningRate(settings.steps());
        options.optimiser(AdamW.Settings.DEFAULT);
        ObjectNode described = Json.object();
        ArrayNode list = described.putArray(FILES);
        read.forEach(file -> list.add(describe(file)));
        described.put(MAX_LENGTH, reading.maxLength());
        return new PreparedData(
                settings,
                examples.pick(split.training()),
                examples.pick(split.validation()),
                rows,
                skipped,
                read.stream().mapToLong(TrainingData::instructionRows).sum(),
                described);
    }

    /// Says how many rows have nothing to learn, unless that was said already.
    ///
    /// @param before what was read before, if anything was
    void saySkipped(Optional<PreparedData> before) {
        boolean isSaid = before.filter(this::isSameData).isPresent();
        if (skippedRows > 0 && !isSaid) {
            LOG.log(Level.INFO, "%d of %d rows have nothing to learn within %d tokens and are skipped"
                    .formatted(skippedRows, rows, described.get(MAX_LENGTH).intValue()));
        }
    }

    private boolean isSameData(PreparedData other) {
        return Stream.of(FILES, MAX_LENGTH)
                .allMatch(key -> described.get(key).equals(other.described.get(key)));
    }

    /// Adds how many rows there are.
    void putRows(ObjectNode json) {
        json.put("data_rows", rows);
        json.put("skipped_rows", skippedRows);
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
