package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.PackedModel;
import espalier.eval.EngineLanguageModel;
import espalier.eval.Join;
import espalier.eval.JoinedText;
import espalier.eval.LanguageModel;
import espalier.eval.ParagraphPerplexity;
import espalier.eval.Perplexity;
import espalier.eval.TextSource;
import espalier.eval.WindowPerplexity;
import espalier.tokenizer.EncodeOptions;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// Measures perplexity.
@Command(
        name = "perplexity",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        description = "Measure how well a model predicts a text.",
        footer = {
            "",
            "Examples:",
            "  espalier perplexity --model M --data wiki.test.raw.gz --window 128 --windows 64",
            "  espalier perplexity --model M --data story.txt --per-paragraph --json"
        })
final class PerplexityCommand extends JobCommand {
    private static final int DEFAULT_WINDOW = 128;

    @Option(names = "--model", required = true, paramLabel = "FOLDER", description = "A Hugging Face model folder.")
    private Path model;

    @Option(
            names = "--data",
            required = true,
            paramLabel = "FILE",
            description = "Text: .txt, .raw, .tokens, or .jsonl with a field text; also compressed (.gz).")
    private Path data;

    @Option(
            names = "--window",
            paramLabel = "L",
            description = "Tokens of a window, a prefix not counted (default: 128).")
    private Integer window;

    @Option(
            names = "--stride",
            paramLabel = "S",
            description = "Score only the last S tokens of each window after the first (default: the window).")
    private Integer stride;

    @Option(names = "--windows", paramLabel = "N", description = "Run only the first N windows (default: all).")
    private Integer windows;

    @Option(
            names = "--join",
            paramLabel = "wikitext|ptb|lines|whole",
            converter = JoinConverter.class,
            description = "How lines become one string (default: by the file's name; see docs/json.md).")
    private Join join;

    @Option(
            names = "--per-paragraph",
            description = "Run each paragraph by itself, after the begin token, instead of windows.")
    private boolean perParagraph;

    @Mixin
    private PrefixOption prefix;

    @Mixin
    private ModelOptions options;

    PerplexityCommand(Terminal terminal) {
        super(terminal);
    }

    @Override
    Result run() throws Exception {
        if (perParagraph && (window != null || stride != null || windows != null || join != null)) {
            throw usage("--per-paragraph excludes --window, --stride, --windows and --join");
        }
        TextSource source = TextSource.read(data);
        try (RunningModel running = RunningModel.open(model, options);
                PackedModel packed = running.packed(EngineLanguageModel.EFFICIENT_TOKENS);
                EngineLanguageModel plain = new EngineLanguageModel(packed.model())) {
            ModelPrefix before = running.prefix(prefix, model);
            LanguageModel measured = before.before(plain);
            Result result = perParagraph
                    ? paragraphs(running, measured, source)
                    : windows(running, measured, before.length(), source);
            before.describe(result.json());
            return result;
        }
    }

    private Result windows(RunningModel running, LanguageModel measured, int before, TextSource source)
            throws IOException {
        int length = window == null ? DEFAULT_WINDOW : window;
        WindowPerplexity measure = new WindowPerplexity(
                length, stride == null ? length : stride, windows == null ? Integer.MAX_VALUE : windows);
        JoinedText text = source.join(join == null ? source.usualJoin() : join);
        int[] ids = running.tokenizer().encode(text.text(), EncodeOptions.WITH_SPECIALS);
        running.requireMemory(Math.max(before + length, measured.efficientTokens()), 0);
        try {
            measure.check(measured, ids);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(data + ": " + e.getMessage(), e);
        }
        running.model().shape().requireIds(data.toString(), ids);
        return Work.of(() -> windows(running, measured, measure, text, ids));
    }

    private Result windows(
            RunningModel running, LanguageModel measured, WindowPerplexity measure, JoinedText text, int[] ids)
            throws IOException {
        try (ProgressMeter meter = new ProgressMeter(terminal(), "windows")) {
            Perplexity perplexity = running.run(() -> measure.measure(measured, ids, meter));
            ObjectNode json = describe(running, perplexity, meter.seconds());
            json.put("window", measure.window());
            json.put("stride", measure.stride());
            json.put("join", text.join().optionName());
            json.put("sha256", text.sha256());
            json.put("begin_token", running.tokenizer().addsBeginToken());
            json.put("text_tokens", ids.length);
            return new Result(
                    json,
                    summary(json, "%d windows of %d tokens, stride %d"
                            .formatted(perplexity.windows(), measure.window(), measure.stride())));
        }
    }

    private Result paragraphs(RunningModel running, LanguageModel measured, TextSource source)
            throws IOException {
        ParagraphPerplexity measure =
                ParagraphPerplexity.of(running.tokenizer(), running.beginToken(), source.paragraphs());
        measure.check(measured);
        measure.sequences().forEach(ids -> running.model().shape().requireIds(data.toString(), ids));
        return Work.of(() -> paragraphs(running, measured, measure, source));
    }

    private Result paragraphs(
            RunningModel running, LanguageModel measured, ParagraphPerplexity measure, TextSource source)
            throws IOException {
        try (ProgressMeter meter = new ProgressMeter(terminal(), "paragraphs")) {
            Perplexity perplexity = running.run(() -> measure.measure(measured, meter));
            ObjectNode json = describe(running, perplexity, meter.seconds());
            json.put("join", "paragraphs");
            json.put(
                    "sha256",
                    source.join(source.isJsonLines() ? Join.DOCUMENTS : Join.WHOLE).sha256());
            json.put("begin_token", true);
            return new Result(json, summary(json, perplexity.windows() + " paragraphs"));
        }
    }

    private ObjectNode describe(RunningModel running, Perplexity perplexity, double seconds) {
        ObjectNode json = Json.object();
        json.put("perplexity", perplexity.value());
        json.put("tokens", perplexity.tokens());
        json.put("windows", perplexity.windows());
        json.put("model", model.toString());
        json.put("data", data.toString());
        json.put("seconds", seconds);
        running.describe(json);
        return json;
    }

    private String summary(ObjectNode json, String measured) {
        double seconds = json.get("seconds").doubleValue();
        return """
                perplexity %.4f over %d predicted tokens (%s)
                text %s, join %s, sha256 %s, begin token %s
                %.1f s, %.0f predicted tokens/s"""
                .formatted(
                        json.get("perplexity").doubleValue(),
                        json.get("tokens").longValue(),
                        measured,
                        data,
                        json.get("join").textValue(),
                        json.get("sha256").textValue(),
                        json.get("begin_token").booleanValue() ? "added" : "not added",
                        seconds,
                        json.get("tokens").longValue() / seconds);
    }

    static final class JoinConverter implements ITypeConverter<Join> {
        @Override
        public Join convert(String value) {
            return Join.named(value)
                    .filter(join -> join != Join.DOCUMENTS)
                    .orElseThrow(() -> new TypeConversionException(
                            "'" + value + "' is not a join; there are wikitext, ptb, lines and whole"));
        }
    }
}
