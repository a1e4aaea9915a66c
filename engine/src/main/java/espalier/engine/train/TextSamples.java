package espalier.engine.train;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.generate.GenerationRequest;
import espalier.engine.generate.Generator;
import espalier.engine.generate.Sampler;
import espalier.engine.generate.SamplingOptions;
import espalier.engine.model.Model;
import java.io.IOException;
import java.util.Arrays;
import java.util.function.Function;
import java.util.stream.IntStream;

/// Lets a model in training write a text every so many steps, so that one can watch it learn. Tells another watch of
/// it, and the metrics: a line with `step` and `sample`.
public final class TextSamples implements TrainingWatch {
    private final Settings settings;
    private final Model model;
    private final RunRecord record;
    private final TrainingWatch watch;

    /// What is written, and when.
    ///
    /// @param every steps between two samples; 0 for none
    /// @param request what is continued
    /// @param options how tokens are picked
    /// @param decoder text of all tokens, the prompt included
    public record Settings(
            long every, GenerationRequest request, SamplingOptions options, Function<int[], String> decoder) {
        /// Checks the range.
        public Settings {
            if (every < 0) {
                throw new IllegalArgumentException("steps between samples must not be negative, got " + every);
            }
        }
    }

    TextSamples(Settings settings, Model model, RunRecord record, TrainingWatch watch) {
        this.settings = settings;
        this.model = model;
        this.record = record;
        this.watch = watch;
    }

    @Override
    public void step(Step step) throws IOException {
        watch.step(step);
        if (settings.every() == 0 || step.step() % settings.every() != 0) {
            return;
        }
        String text;
        try {
            text = text();
        } catch (ArithmeticException e) {
            // Whether a run whose numbers are not finite can go on is for the trainer to say.
            watch.say("no sample at step %d: %s".formatted(step.step(), e.getMessage()));
            return;
        }
        ObjectNode line = JsonNodeFactory.instance.objectNode();
        line.put("step", step.step());
        line.put("sample", text);
        record.append(line);
        watch.sample(step.step(), text);
    }

    private String text() {
        int[] prompt = settings.request().prompt();
        try (Generator generator = new Generator(model)) {
            int[] ids = generator
                    .generate(settings.request(), new Sampler(settings.options()), id -> true)
                    .ids();
            return settings.decoder()
                    .apply(IntStream.concat(Arrays.stream(prompt), Arrays.stream(ids)).toArray());
        }
    }

    @Override
    public void validating(long step, long done, long total) {
        watch.validating(step, done, total);
    }

    @Override
    public void sample(long step, String text) {
        watch.sample(step, text);
    }

    @Override
    public void say(String message) {
        watch.say(message);
    }

    @Override
    public boolean isStopRequested() {
        return watch.isStopRequested();
    }
}
