package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.Architecture;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelSize;
import espalier.eval.EngineLanguageModel;
import espalier.eval.Perplexity;
import espalier.eval.TextSource;
import espalier.eval.WindowPerplexity;
import espalier.kernels.Ops;
import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/// A text on which the stages of a job are compared.
final class EvalOptions {
    @Option(
            names = "--eval-data",
            paramLabel = "FILE",
            description = "Text whose perplexity is measured before, between and after; as perplexity reads it.")
    Path data;

    @Option(
            names = "--eval-window",
            paramLabel = "L",
            defaultValue = "128",
            description = "Tokens of a window (default: 128).")
    private int window;

    @Option(names = "--eval-windows", paramLabel = "N", description = "Run only the first N windows (default: all).")
    private Integer windows;

    boolean given() {
        return data != null;
    }

    /// @param stage what the model is at, e.g. `pruned`
    /// @param folder the model
    /// @param seconds that the stage took to make
    /// @return `stage`, `parameters`, `perplexity`, `seconds`, and how it was measured
    ObjectNode measure(String stage, Path folder, double seconds, Ops ops, Terminal terminal) throws IOException {
        WindowPerplexity measure =
                new WindowPerplexity(window, window, windows == null ? Integer.MAX_VALUE : windows);
        TextSource source = TextSource.read(data);
        Tokenizer tokenizer = Tokenizer.load(folder);
        int[] ids = tokenizer.encode(source.join(source.usualJoin()).text(), EncodeOptions.WITH_SPECIALS);
        try (ModelFolder model = ModelFolder.open(folder, ops);
                EngineLanguageModel measured = new EngineLanguageModel(model.model());
                ProgressMeter meter = new ProgressMeter(terminal, "windows of the " + stage + " model")) {
            Perplexity perplexity = measure.measure(measured, ids, meter);
            Architecture architecture = Architecture.forModelType(model.config().modelType());
            ObjectNode row = Json.object();
            row.put("stage", stage);
            row.put("parameters", ModelSize.of(architecture, model.model().shape()).parameters());
            row.put("perplexity", perplexity.value());
            row.put("seconds", seconds);
            row.put("eval_tokens", perplexity.tokens());
            row.put("eval_seconds", meter.seconds());
            return row;
        }
    }
}
