package espalier.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.generate.Generation;
import espalier.engine.generate.GenerationRequest;
import espalier.engine.generate.Generator;
import espalier.engine.generate.Sampler;
import espalier.engine.generate.SamplingOptions;
import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.StreamDecoder;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Continues a prompt.
@Command(
        name = "generate",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        description = "Continue a prompt. The text appears on standard output as it is made.",
        footer = {
            "",
            "Examples:",
            "  espalier generate --model M --prompt \"Once upon a time\" --max-tokens 60 --temperature 0",
            "  espalier generate --model M --prompt \"Dear\" --temperature 0.8 --top-p 0.95 --seed 7 --stop \"\\n\"",
        })
final class GenerateCommand extends JobCommand {
    private static final Logger LOG = System.getLogger("espalier.cli");

    @Option(names = "--model", required = true, paramLabel = "FOLDER", description = "A Hugging Face model folder.")
    private Path model;

    @Option(
            names = "--prompt",
            required = true,
            paramLabel = "TEXT",
            description = "What to continue; special tokens spelt in it are recognised.")
    private String prompt;

    @Option(
            names = "--max-tokens",
            paramLabel = "N",
            defaultValue = "128",
            description = "Tokens to generate at most (default: ${DEFAULT-VALUE}).")
    private int maxTokens;

    @Option(
            names = "--temperature",
            paramLabel = "T",
            defaultValue = "0",
            description = "0 always takes the most probable token (default); 1 samples as the model was trained.")
    private double temperature;

    @Option(
            names = "--top-k",
            paramLabel = "K",
            defaultValue = "0",
            description = "Sample from the K most probable tokens only (default: 0, all).")
    private int topK;

    @Option(
            names = "--top-p",
            paramLabel = "P",
            defaultValue = "1",
            description = "Sample from the most probable tokens that make up P (default: 1, all).")
    private double topP;

    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "42",
            description = "Seed of the random numbers (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Option(
            names = "--stop",
            paramLabel = "TEXT",
            arity = "1",
            description = "End before this text; \\n, \\t and \\\\ are understood; may be repeated.")
    private List<String> stops = List.of();

    @Mixin
    private PrefixOption prefix;

    @Mixin
    private ModelOptions options;

    GenerateCommand(Terminal terminal) {
        super(terminal);
    }

    @Override
    Result run() throws Exception {
        SamplingOptions sampling = new SamplingOptions(temperature, topK, topP, seed);
        if (maxTokens < 1) {
            throw new IllegalArgumentException("--max-tokens must be at least 1, got " + maxTokens);
        }
        StopStrings stop = new StopStrings(stops.stream().map(GenerateCommand::unescape).toList());
        try (RunningModel running = RunningModel.open(model, options);
                Generator generator = new Generator(running.model())) {
            ModelPrefix before = running.prefix(prefix, model);
            int context = running.model().shape().maxPositions();
            int[] promptIds = promptIds(running, before, context);
            int positions = (int) Math.min(context, (long) promptIds.length + maxTokens);
            running.requireMemory(Math.min(promptIds.length, Generator.PROMPT_PIECE_TOKENS), positions);
            GenerationRequest request = new GenerationRequest(
                    promptIds,
                    maxTokens,
                    EndTokens.of(model, running.config(), running.tokenizer()),
                    running.tokenizer().vocabSize());
            generator.check(request);
            return Work.of(() -> {
                ObjectNode json = generate(running, generator, request, sampling, stop);
                before.describe(json);
                return new Result(json, "");
            });
        }
    }

    private ObjectNode generate(
            RunningModel running,
            Generator generator,
            GenerationRequest request,
            SamplingOptions sampling,
            StopStrings stop)
            throws IOException {
        StreamDecoder decoder = running.tokenizer().streamDecoder(true);
        for (int id : request.prompt()) {
            decoder.accept(id);
        }
        StringBuilder text = new StringBuilder();
        Generation generation = running.run(() -> generator.generate(request, new Sampler(sampling), id -> {
            show(stop.accept(decoder.accept(id)), text);
            return !stop.reached() && !terminal().out().checkError();
        }));
        show(stop.accept(decoder.finish()), text);
        show(stop.finish(), text);
        if (!json()) {
            terminal().out().println();
        }
        return describe(running, request.prompt(), generation, text.toString(), stop.reached());
    }

    private int[] promptIds(RunningModel running, ModelPrefix before, int context) {
        int[] own = running.tokenizer().encode(prompt, EncodeOptions.WITH_SPECIALS);
        int[] ids = before.tokens().map(tokens -> tokens.before(own)).orElse(own);
        if (before.length() > 0 && ids.length > context) {
            throw new IllegalArgumentException(
                    "the prompt has %d tokens behind the prefix of %d, the model's context is %d"
                            .formatted(ids.length - before.length(), before.length(), context));
        }
        if (ids.length > 0) {
            return ids;
        }
        int begin = running.beginToken().orElseThrow(() -> new IllegalArgumentException(
                "--prompt gives no token and %s names no begin token, expected at least one token to start from"
                        .formatted(model)));
        return new int[] {begin};
    }

    /// Flushed each time: the text streams, and is there when a signal ends the process.
    private void show(String piece, StringBuilder text) {
        text.append(piece);
        if (!json() && !piece.isEmpty()) {
            terminal().out().print(piece);
            terminal().out().flush();
        }
    }

    private ObjectNode describe(
            RunningModel running, int[] promptIds, Generation generation, String text, boolean stopped) {
        String end = stopped ? "stop" : generation.end().name().toLowerCase(Locale.ROOT);
        double rate = generation.tokensPerSecond();
        LOG.log(
                Level.INFO,
                "%d prompt tokens in %.2f s, %d tokens generated, %.1f tokens/s, end: %s"
                        .formatted(promptIds.length, generation.promptSeconds(), generation.ids().length, rate, end));
        ObjectNode json = Json.object();
        json.put("text", text);
        put(json.putArray("ids"), generation.ids());
        put(json.putArray("prompt_ids"), promptIds);
        json.put("end", end);
        json.put("model", model.toString());
        json.put("prompt_seconds", generation.promptSeconds());
        json.put("decode_seconds", generation.decodeSeconds());
        json.put("tokens_per_second", rate);
        running.describe(json);
        return json;
    }

    private static void put(ArrayNode array, int[] ids) {
        for (int id : ids) {
            array.add(id);
        }
    }

    /// Line feeds and tabs are hard to write in a shell, and common stop strings.
    private static String unescape(String text) {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            char next = i + 1 < text.length() ? text.charAt(i + 1) : 0;
            if (text.charAt(i) == '\\' && "nt\\".indexOf(next) >= 0) {
                out.append(next == 'n' ? '\n' : next == 't' ? '\t' : '\\');
                i++;
            } else {
                out.append(text.charAt(i));
            }
        }
        return out.toString();
    }
}
