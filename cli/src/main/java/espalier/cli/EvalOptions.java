package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.Progress;
import espalier.engine.adapt.LoraWeights;
import espalier.engine.adapt.PeftAdapter;
import espalier.engine.model.Architecture;
import espalier.engine.model.Gates;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelSize;
import espalier.engine.model.Pass;
import espalier.engine.weights.ModelPrompt;
import espalier.eval.EngineLanguageModel;
import espalier.eval.Perplexity;
import espalier.eval.TextPrefix;
import espalier.eval.TextSource;
import espalier.eval.WindowPerplexity;
import espalier.eval.data.TrainingData;
import espalier.eval.data.TrainingFile;
import espalier.kernels.Ops;
import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import picocli.CommandLine.Option;

/// A text on which the stages of a job are compared.
final class EvalOptions {
    @Option(
            names = "--eval-data",
            paramLabel = "FILE",
            description = "Text whose perplexity is measured before, between and after; as perplexity reads it, each "
                    + "model with the prompt that it carries.")
    Path data;

    @Option(
            names = "--eval-window",
            paramLabel = "L",
            converter = NumberRange.Length.class,
            defaultValue = "128",
            description = "Tokens of a window (default: 128).")
    private int window;

    @Option(
            names = "--eval-windows",
            paramLabel = "N",
            converter = NumberRange.Count.class,
            description = "Run only the first N windows (default: all).")
    private Integer windows;

    @Option(
            names = "--eval-documents",
            description = "Join its documents as training does, between begin and end tokens.")
    private boolean documents;

    boolean given() {
        return data != null;
    }

    /// A text that was read, and how it is measured.
    ///
    /// @param ids `[tokens]`
    /// @param measure windows
    /// @param tokenizer of all models
    /// @param beginId token that may begin a text
    record Text(int[] ids, WindowPerplexity measure, Tokenizer tokenizer, OptionalInt beginId) {
        /// Measures a model with the prompt that it carries, if it does.
        ///
        /// @param stage what the model is at, e.g. `pruned`
        /// @param folder the model
        /// @param seconds that the stage took to make
        /// @return `stage`, `parameters`, `perplexity`, `seconds`, how it was measured, and the prefix
        ObjectNode measure(String stage, Path folder, double seconds, Ops ops, Terminal terminal) throws IOException {
            try (ModelFolder model = ModelFolder.open(folder, ops)) {
                Pass plain = Pass.plain(model.model().shape().layers().size());
                return measure(stage, model, folder, plain, seconds, terminal);
            }
        }

        /// The same of a model with an adapter, as if it were merged.
        ///
        /// @param adapter its folder
        ObjectNode measure(
                String stage, Path folder, Path adapter, double seconds, Ops ops, Terminal terminal)
                throws IOException {
            try (ModelFolder model = ModelFolder.open(folder, ops);
                    LoraWeights weights = LoraWeights.frozen(
                            PeftAdapter.read(adapter, model.model().shape()).state(), ops)) {
                Gates open = Gates.open(model.model().shape().layers().size());
                return measure(stage, model, folder, Pass.frozen(open, weights.adapters()), seconds, terminal);
            }
        }

        private ObjectNode measure(
                String stage, ModelFolder model, Path folder, Pass pass, double seconds, Terminal terminal)
                throws IOException {
            try (EngineLanguageModel plain = new EngineLanguageModel(model.model(), pass);
                    ProgressMeter meter = new ProgressMeter(terminal, "windows of the " + stage + " model")) {
                ModelPrefix prefix =
                        ModelPrefix.of(Optional.empty(), model.config().prompt(), folder, tokenizer, beginId);
                Perplexity perplexity = measure.measure(prefix.before(plain), ids, meter);
                Architecture architecture = Architecture.forModelType(model.config().modelType());
                ObjectNode row = Json.object();
                row.put("stage", stage);
                row.put("parameters", ModelSize.of(architecture, model.model().shape()).parameters());
                row.put("perplexity", perplexity.value());
                row.put("seconds", seconds);
                row.put("eval_tokens", perplexity.tokens());
                row.put("eval_seconds", meter.seconds());
                prefix.describe(row);
                return row;
            }
        }
    }

    /// Reads the text, before long work on which a mistake in it would be lost.
    ///
    /// @param model whose stages are compared
    /// @param folder where it lies, with the tokenizer that all stages share
    /// @param prompt that the result will carry
    /// @return the text, if one was given
    /// @throws IllegalArgumentException if a window does not fit, that of the result with its prompt included
    Optional<Text> read(ModelFolder model, Path folder, Optional<ModelPrompt> prompt) throws IOException {
        if (!given()) {
            return Optional.empty();
        }
        WindowPerplexity measure =
                new WindowPerplexity(window, window, windows == null ? Integer.MAX_VALUE : windows);
        Tokenizer tokenizer = Tokenizer.load(folder);
        int[] ids = documents ? asTraining(model, tokenizer) : asPerplexity(tokenizer);
        OptionalInt beginId = PreparedData.reading(window, model.config(), tokenizer).beginId();
        int before = prompt.map(carried -> TextPrefix.of(tokenizer, beginId, carried.prefix()).length()).orElse(0);
        int context = model.model().shape().maxPositions();
        if (window > context - before || measure.windows(ids.length) == 0) {
            String taken = before == 0 ? "" : ", of which the prefix takes " + before;
            throw new IllegalArgumentException(
                    "%s has %d tokens, the model a context of %d%s: a window of %d does not fit".formatted(
                            data, ids.length, context, taken, window));
        }
        model.model().shape().requireIds(data.toString(), ids);
        return Optional.of(new Text(ids, measure, tokenizer, beginId));
    }

    private int[] asPerplexity(Tokenizer tokenizer) throws IOException {
        TextSource source = TextSource.read(data);
        return tokenizer.encode(source.join(source.usualJoin()).text(), EncodeOptions.WITH_SPECIALS);
    }

    private int[] asTraining(ModelFolder model, Tokenizer tokenizer) throws IOException {
        TrainingData read = TrainingFile.read(
                data, tokenizer, PreparedData.reading(window, model.config(), tokenizer), Progress.NONE);
        if (read.instructionRows() > 0) {
            throw new IllegalArgumentException(data + " has instructions, --eval-documents expects texts");
        }
        return read.examples().list().stream().flatMapToInt(example -> IntStream.of(example.ids())).toArray();
    }
}
