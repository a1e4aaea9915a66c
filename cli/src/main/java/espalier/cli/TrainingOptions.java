package espalier.cli;

import espalier.engine.train.AdamW;
import espalier.engine.train.LearningRate;
import espalier.engine.train.TrainingSettings;
import espalier.eval.data.TrainingFormat;
import java.util.Locale;
import java.util.Objects;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// How a model is trained, whatever of it: options of `finetune`, with a prefix those of `prune --recover`, and with
/// other defaults those of `pretrain` ([PretrainDefaults]) and of pruning by masks ([MaskCommand]). The defaults here
/// are those of LLM-Pruner's paper.
final class TrainingOptions {
    static final int PAPER_EPOCHS = 2;

    private static final int PAPER_LENGTH = 256;
    private static final int PAPER_WARMUP = 100;
    private static final int PAPER_VALIDATION_ROWS = 2000;

    @Option(
            names = "--steps",
            paramLabel = "N",
            converter = NumberRange.LongCount.class,
            description = "Steps of the optimiser (default: --epochs of the data).")
    private Long steps;

    @Option(
            names = "--epochs",
            paramLabel = "N",
            converter = NumberRange.Count.class,
            description = "Instead of --steps: how often to go through the data (default: 2).")
    private Integer epochs;

    @Option(
            names = "--batch",
            paramLabel = "B",
            converter = NumberRange.Count.class,
            defaultValue = "64",
            description = "Sequences of a step (default: ${DEFAULT-VALUE}).")
    private Integer batch;

    @Option(
            names = "--micro-batch",
            paramLabel = "b",
            converter = NumberRange.Count.class,
            defaultValue = "4",
            description = "Sequences that are run at once (default: ${DEFAULT-VALUE}).")
    private Integer microBatch;

    @Option(
            names = "--max-length",
            paramLabel = "T",
            converter = NumberRange.Length.class,
            description = "Longest sequence in tokens, a prefix included; what is longer is cut (default: 256 and the "
                    + "prefix, at most the context).")
    private Integer maxLength;

    @Option(
            names = "--lr",
            paramLabel = "L",
            converter = NumberRange.NotNegative.class,
            defaultValue = "1e-4",
            description = "Learning rate after the warm-up (default: ${DEFAULT-VALUE}).")
    private double learningRate;

    @Option(
            names = "--schedule",
            paramLabel = "linear|cosine|constant",
            converter = ScheduleConverter.class,
            defaultValue = "linear",
            description = "How the learning rate goes on from there, the first two to 0 (default: ${DEFAULT-VALUE}).")
    private LearningRate.Shape schedule;

    @Option(
            names = "--warmup",
            paramLabel = "N",
            converter = NumberRange.LongCountOrNone.class,
            description = "Steps in which the learning rate rises (default: 100, at most a tenth of the steps).")
    private Long warmup;

    @Option(
            names = "--weight-decay",
            paramLabel = "D",
            converter = NumberRange.NotNegative.class,
            defaultValue = "0",
            description = "AdamW's (default: ${DEFAULT-VALUE}).")
    private double weightDecay;

    @Option(
            names = "--clip",
            paramLabel = "C",
            converter = NumberRange.NotNegative.class,
            defaultValue = "1",
            description = "Largest norm of the gradient, 0 for any (default: ${DEFAULT-VALUE}).")
    private double clip;

    @Option(
            names = "--validation-rows",
            paramLabel = "N",
            converter = NumberRange.CountOrNone.class,
            description = "Sequences held out; the state that predicts them best is written "
                    + "(default: 2000, at most a tenth of the data; 0 writes the last state).")
    private Integer validationRows;

    @Option(
            names = "--eval-every",
            paramLabel = "N",
            converter = NumberRange.LongCount.class,
            defaultValue = "100",
            description = "Steps between validations (default: ${DEFAULT-VALUE}).")
    private long evalEvery;

    @Option(
            names = "--save-every",
            paramLabel = "N",
            converter = NumberRange.LongCount.class,
            defaultValue = "200",
            description = "Steps between saved states (default: ${DEFAULT-VALUE}); each validation saves one too.")
    private long saveEvery;

    @Option(
            names = "--plain-special-tokens",
            description = "Special tokens spelt in the data are plain text (default: as in transformers they are tokens).")
    boolean plainSpecials;

    @Option(
            names = "--format",
            paramLabel = "text|json-lines|json-array",
            converter = FormatConverter.class,
            description = "What the data are (default: told by each file's name and content).")
    TrainingFormat format;

    @Option(
            names = "--seed",
            paramLabel = "S",
            defaultValue = "42",
            description = "Seed of all draws (default: ${DEFAULT-VALUE}).")
    Long seed;

    private final int usualEpochs;
    private final String prefix;

    /// Those of LLM-Pruner's paper.
    TrainingOptions() {
        this(PAPER_EPOCHS, "");
    }

    /// @param usualEpochs how often a run goes through its data that says nothing of its length
    /// @param prefix that the names of these get, see [BorrowedOptions]
    TrainingOptions(int usualEpochs, String prefix) {
        this.usualEpochs = usualEpochs;
        this.prefix = prefix;
    }

    /// @return these under their names in another command
    BorrowedOptions borrowed() {
        return new BorrowedOptions(this, prefix);
    }

    /// @param usual steps of the run, if nothing is said of its length
    void stepsUnlessGiven(long usual) {
        if (steps == null && epochs == null) {
            steps = usual;
        }
    }

    /// Takes batch, micro-batch, length and seed from other options where these have none.
    void complete(TrainingOptions other) {
        batch = Objects.requireNonNullElse(batch, other.batch);
        microBatch = Objects.requireNonNullElse(microBatch, other.microBatch);
        maxLength = Objects.requireNonNullElse(maxLength, other.maxLength);
        seed = Objects.requireNonNullElse(seed, other.seed);
    }

    /// @param examples that are learnt from
    TrainingSettings settings(int examples) {
        if (steps != null && epochs != null) {
            throw new IllegalArgumentException(
                    "--%ssteps and --%sepochs exclude each other".formatted(prefix, prefix));
        }
        long perEpoch = (examples + batch - 1L) / batch;
        long total = steps != null ? steps : perEpoch * (epochs == null ? usualEpochs : epochs);
        return new TrainingSettings(total, batch, microBatch, seed, clip, evalEvery, saveEvery);
    }

    /// @param before tokens of a prefix of each sequence
    int maxLength(int before) {
        return maxLength == null ? PAPER_LENGTH + before : maxLength;
    }

    /// @param total steps of the run
    LearningRate learningRate(long total) {
        return new LearningRate(
                learningRate, schedule, warmup == null ? Math.min(PAPER_WARMUP, total / 10) : warmup, total);
    }

    /// @param usual all but the weight decay
    AdamW.Settings optimiser(AdamW.Settings usual) {
        return usual.withWeightDecay(weightDecay);
    }

    /// @param examples there are
    /// @throws IllegalArgumentException naming the option, if none would be left to learn from
    int validationRows(int examples) {
        if (validationRows != null && validationRows > 0 && validationRows >= examples) {
            throw new IllegalArgumentException(
                    "--%svalidation-rows is %d, expected fewer than there are sequences in the data: %d"
                            .formatted(prefix, validationRows, examples));
        }
        return validationRows == null ? Math.min(PAPER_VALIDATION_ROWS, examples / 10) : validationRows;
    }

    static final class FormatConverter implements ITypeConverter<TrainingFormat> {
        @Override
        public TrainingFormat convert(String value) {
            return TrainingFormat.named(value).orElseThrow(() -> new TypeConversionException(
                    "'" + value + "' is not a format; there are text, json-lines and json-array"));
        }
    }

    static final class ScheduleConverter implements ITypeConverter<LearningRate.Shape> {
        @Override
        public LearningRate.Shape convert(String value) {
            for (LearningRate.Shape shape : LearningRate.Shape.values()) {
                if (shape.name().toLowerCase(Locale.ROOT).equals(value)) {
                    return shape;
                }
            }
            throw new TypeConversionException(
                    "'" + value + "' is not a schedule; there are linear, cosine and constant");
        }
    }
}
