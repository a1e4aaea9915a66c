package espalier.cli;

import espalier.engine.model.ModelShape;
import espalier.engine.prune.GqaFold;
import espalier.engine.prune.Importance;
import espalier.engine.prune.PruningMethod;
import espalier.engine.prune.Reduction;
import espalier.engine.prune.UnitScorer;
import espalier.eval.CalibrationSampler;
import espalier.eval.TextSource;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// How LLM-Pruner scores units, and on which data.
final class ScoringOptions {
    @Option(
            names = "--importance",
            paramLabel = "NAME",
            converter = ImportanceConverter.class,
            defaultValue = "param_first",
            description = "vectorize, param_first (default), param_second, param_mix, l1, l2 or random.")
    private Importance importance;

    @Option(
            names = "--reduction",
            paramLabel = "NAME",
            converter = ReductionConverter.class,
            description = "Over the matrices of a group: sum (default), mean (default of l1, l2), max, prod, first, "
                    + "last, or matrices by name, e.g. o_proj,down_proj.")
    private Reduction reduction;

    @Option(
            names = "--released-gqa-fold",
            description = "Add query heads to the wrong key/value heads, as the release does: only to reproduce it.")
    private boolean releasedFold;

    @Option(
            names = "--calibration",
            paramLabel = "FILE",
            description = "Text for the gradients: .jsonl documents or .txt paragraphs, also .gz.")
    Path calibration;

    @Option(names = "--samples", paramLabel = "N", defaultValue = "10", description = "Samples (default: 10).")
    private int samples;

    @Option(
            names = "--tokens",
            paramLabel = "T",
            defaultValue = "64",
            description = "Tokens of a sample, the begin token included if the tokenizer adds one (default: 64).")
    private int tokens;

    @Option(
            names = "--calibration-sampling",
            paramLabel = "random|first",
            converter = ChoiceConverter.class,
            defaultValue = "random",
            description = "Random documents and crops (default), or the first documents that are long enough.")
    private CalibrationSampler.Choice choice;

    @Option(
            names = "--scores",
            paramLabel = "FILE",
            description = "Read unit scores from this file if it exists, else write them there.")
    Path scores;

    @Option(names = "--seed", paramLabel = "N", defaultValue = "42", description = "Seed of all draws (default: 42).")
    long seed;

    UnitScorer.Settings settings() {
        return new UnitScorer.Settings(
                importance,
                reduction == null ? importance.defaultReduction() : reduction,
                releasedFold ? GqaFold.RELEASED : GqaFold.BY_GROUP);
    }

    boolean needsCalibration() {
        return importance.needsCalibration();
    }

    /// @param model folder with the tokenizer
    /// @param shape the model
    /// @return calibration samples, if the scores need them
    /// @throws IllegalArgumentException if samples of that length do not fit the model, or the text has too few
    /// @throws IOException if text or tokenizer cannot be read
    Optional<PruningMethod.Samples> draw(Path model, ModelShape shape) throws IOException {
        if (!needsCalibration()) {
            return Optional.empty();
        }
        CalibrationSampler.Options sampling = new CalibrationSampler.Options(samples, tokens, choice, seed);
        if (tokens > shape.maxPositions()) {
            throw new IllegalArgumentException("--tokens must be at most %d, the model's context, got %d"
                    .formatted(shape.maxPositions(), tokens));
        }
        CalibrationSampler sampler =
                new CalibrationSampler(TextSource.read(calibration), Tokenizer.load(model), sampling);
        Map<String, String> drawn = new TreeMap<>();
        drawn.put("calibration_sampling", choice.name().toLowerCase(Locale.ROOT));
        if (choice == CalibrationSampler.Choice.RANDOM) {
            drawn.put("seed", Long.toString(seed));
        }
        // Now, since the text may be too short; every other draw finds as many documents.
        int[][] first = sampler.draw(0);
        for (int[] ids : first) {
            shape.requireIds(calibration.toString(), ids);
        }
        return Optional.of(new PruningMethod.Samples(
                samples, tokens, step -> step == 1 ? first : sampler.draw(step - 1), drawn));
    }

    /// @return where scores are kept, if they are
    /// @throws IOException if the folder around it does not exist
    Optional<Path> scoresFile() throws IOException {
        if (scores != null && !Files.isDirectory(scores.toAbsolutePath().getParent())) {
            throw new NoSuchFileException(scores.toString(), null, "the folder of --scores does not exist");
        }
        return Optional.ofNullable(scores);
    }

    static final class ImportanceConverter implements ITypeConverter<Importance> {
        @Override
        public Importance convert(String value) {
            try {
                return Importance.parse(value);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }

    static final class ReductionConverter implements ITypeConverter<Reduction> {
        @Override
        public Reduction convert(String value) {
            try {
                return Reduction.parse(value);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }

    static final class ChoiceConverter implements ITypeConverter<CalibrationSampler.Choice> {
        @Override
        public CalibrationSampler.Choice convert(String value) {
            for (CalibrationSampler.Choice choice : CalibrationSampler.Choice.values()) {
                if (choice.name().toLowerCase(Locale.ROOT).equals(value)) {
                    return choice;
                }
            }
            throw new TypeConversionException("'" + value + "' is not a sampling; there are random and first");
        }
    }
}
