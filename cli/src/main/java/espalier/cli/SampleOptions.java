package espalier.cli;

import espalier.engine.generate.GenerationRequest;
import espalier.engine.generate.SamplingOptions;
import espalier.engine.train.TextSamples;
import espalier.tokenizer.EncodeOptions;
import java.util.HashSet;
import java.util.OptionalInt;
import java.util.Set;
import picocli.CommandLine.Option;

/// What a model in training writes on the way.
final class SampleOptions {
    @Option(
            names = "--sample-every",
            paramLabel = "N",
            defaultValue = "200",
            description = "Steps between texts that the model writes, 0 for none (default: ${DEFAULT-VALUE}).")
    private long every;

    @Option(
            names = "--sample-prompt",
            paramLabel = "TEXT",
            defaultValue = "Once upon a time",
            description = "What it continues (default: ${DEFAULT-VALUE}).")
    private String prompt;

    @Option(
            names = "--sample-tokens",
            paramLabel = "N",
            defaultValue = "60",
            description = "Tokens that it writes at most (default: ${DEFAULT-VALUE}).")
    private int tokens;

    @Option(
            names = "--sample-temperature",
            paramLabel = "T",
            defaultValue = "0",
            description = "0 always takes the most probable token (default); 1 samples as the model was trained.")
    private double temperature;

    /// @param model that is trained
    /// @param seed of the random numbers
    TextSamples.Settings settings(NewModel model, long seed) {
        Set<Integer> ends = new HashSet<>(model.config().eosIds());
        model.tokenizer().eosId().ifPresent(ends::add);
        GenerationRequest request =
                new GenerationRequest(promptIds(model), tokens, ends, model.tokenizer().vocabSize());
        if (request.prompt().length > model.config().maxPositions()) {
            throw new IllegalArgumentException("--sample-prompt has %d tokens, the model's context is %d"
                    .formatted(request.prompt().length, model.config().maxPositions()));
        }
        return new TextSamples.Settings(
                every,
                request,
                new SamplingOptions(temperature, 0, 1, seed),
                ids -> model.tokenizer().decode(ids, true));
    }

    private int[] promptIds(NewModel model) {
        int[] ids = model.tokenizer().encode(prompt, EncodeOptions.WITH_SPECIALS);
        if (ids.length > 0) {
            return ids;
        }
        OptionalInt begin =
                model.config().bosId().isPresent() ? model.config().bosId() : model.tokenizer().bosId();
        return new int[] {
            begin.orElseThrow(() -> new IllegalArgumentException(
                    "--sample-prompt gives no token and the tokenizer names no begin token, expected at least one"
                            + " token to start from"))
        };
    }
}
