package espalier.cli;

import espalier.engine.adapt.LoraSettings;
import espalier.engine.model.Site;
import espalier.engine.train.AdamW;
import espalier.engine.train.LearningRate;
import espalier.engine.train.TrainingSettings;
import espalier.eval.data.TrainingFormat;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// How adapters are trained: the options of `finetune`, and with a prefix those of `prune --recover`. Defaults are those
/// of LLM-Pruner's paper.
final class TrainingOptions {
    private static final int PAPER_WARMUP = 100;
    private static final int PAPER_VALIDATION_ROWS = 2000;

    @Option(names = "--steps", paramLabel = "N", description = "Steps of the optimiser (default: --epochs of the data).")
    private Long steps;

    @Option(
            names = "--epochs",
            paramLabel = "N",
            description = "Instead of --steps: how often to go through the data (default: 2).")
    private Integer epochs;

    @Option(
            names = "--batch",
            paramLabel = "B",
            defaultValue = "64",
            description = "Sequences of a step (default: 64).")
    private int batch;

    @Option(
            names = "--micro-batch",
            paramLabel = "b",
            defaultValue = "4",
            description = "Sequences that are run at once (default: 4).")
    private int microBatch;

    @Option(
            names = "--max-length",
            paramLabel = "T",
            defaultValue = "256",
            description = "Longest sequence in tokens; what is longer is cut (default: 256).")
    int maxLength;

    @Option(names = "--lora-rank", paramLabel = "R", defaultValue = "8", description = "Rank (default: 8).")
    private int rank;

    @Option(
            names = "--lora-alpha",
            paramLabel = "A",
            defaultValue = "16",
            description = "Alpha; adapters are scaled by alpha / rank (default: 16).")
    private double alpha;

    @Option(
            names = "--lora-dropout",
            paramLabel = "P",
            defaultValue = "0.05",
            description = "Share of an adapter's input that is dropped in training (default: 0.05).")
    private double dropout;

    @Option(
            names = "--targets",
            paramLabel = "NAMES",
            split = ",",
            description = "Projections that get adapters, e.g. q_proj,v_proj or q,v (default: all seven).")
    private String[] targets;

    @Option(
            names = "--rank-of",
            paramLabel = "MODULE=R",
            description = "Another rank for some projections, by the end of their name, e.g. down_proj=16; may be "
                    + "repeated.")
    private Map<String, Integer> ranks = new LinkedHashMap<>();

    @Option(names = "--alpha-of", paramLabel = "MODULE=A", description = "Another alpha, likewise.")
    private Map<String, Double> alphas = new LinkedHashMap<>();

    @Option(
            names = "--lr",
            paramLabel = "L",
            defaultValue = "1e-4",
            description = "Learning rate after the warm-up (default: 1e-4).")
    private double learningRate;

    @Option(
            names = "--schedule",
            paramLabel = "linear|cosine|constant",
            converter = ScheduleConverter.class,
            defaultValue = "linear",
            description = "How the learning rate goes on from there (default: linear, to 0).")
    private LearningRate.Shape schedule;

    @Option(
            names = "--warmup",
            paramLabel = "N",
            description = "Steps in which the learning rate rises (default: 100, at most a tenth of the steps).")
    private Long warmup;

    @Option(names = "--weight-decay", paramLabel = "D", defaultValue = "0", description = "AdamW's (default: 0).")
    private double weightDecay;

    @Option(
            names = "--clip",
            paramLabel = "C",
            defaultValue = "1",
            description = "Largest norm of the gradient, 0 for any (default: 1).")
    private double clip;

    @Option(
            names = "--validation-rows",
            paramLabel = "N",
            description = "Sequences held out; the state that predicts them best is written "
                    + "(default: 2000, at most a tenth of the data; 0 writes the last state).")
    private Integer validationRows;

    @Option(
            names = "--eval-every",
            paramLabel = "N",
            defaultValue = "100",
            description = "Steps between validations (default: 100).")
    private long evalEvery;

    @Option(
            names = "--save-every",
            paramLabel = "N",
            defaultValue = "200",
            description = "Steps between saved states (default: 200); each validation saves one too.")
    private long saveEvery;

    @Option(
            names = "--no-template",
            description = "Instruction rows without the Alpaca template (LLM-Pruner's no_instruction).")
    boolean noTemplate;

    @Option(
            names = "--train-on-inputs",
            description = "Learn the prompts of instruction rows too (default: their answers only).")
    boolean trainOnInputs;

    @Option(
            names = "--plain-special-tokens",
            description = "Special tokens spelt in the data are plain text (default: as in transformers they are tokens).")
    boolean plainSpecials;

    @Option(
            names = "--format",
            paramLabel = "text|json_lines|json_array",
            converter = FormatConverter.class,
            description = "What the data are (default: told by each file's name and content).")
    TrainingFormat format;

    @Option(names = "--seed", paramLabel = "S", defaultValue = "42", description = "Seed of all draws (default: 42).")
    long seed;

    /// @param examples that are learnt from
    TrainingSettings settings(int examples) {
        if (steps != null && epochs != null) {
            throw new IllegalArgumentException("steps and epochs exclude each other");
        }
        if (epochs != null && epochs < 1) {
            throw new IllegalArgumentException("epochs must be positive, got " + epochs);
        }
        if (batch < 1) {
            throw new IllegalArgumentException("batch must be positive, got " + batch);
        }
        long perEpoch = (examples + batch - 1L) / batch;
        long total = steps != null ? steps : perEpoch * (epochs == null ? 2 : epochs);
        return new TrainingSettings(total, batch, microBatch, seed, clip, evalEvery, saveEvery);
    }

    /// @param total steps of the run
    LearningRate learningRate(long total) {
        return new LearningRate(
                learningRate, schedule, warmup == null ? Math.min(PAPER_WARMUP, total / 10) : warmup, total);
    }

    AdamW.Settings optimiser() {
        return AdamW.Settings.DEFAULT.withWeightDecay(weightDecay);
    }

    /// @param layers of the model
    LoraSettings lora(int layers) {
        return LoraSettings.of(rank, alpha, dropout, sites()).withPatterns(layers, ranks, alphas);
    }

    private Set<Site> sites() {
        if (targets == null) {
            return LoraSettings.ALL_LINEAR;
        }
        EnumSet<Site> sites = EnumSet.noneOf(Site.class);
        for (String name : targets) {
            if (name.isBlank()) {
                throw new IllegalArgumentException("the targets " + String.join(",", targets) + " have an empty name");
            }
            sites.add(LoraSettings.target(name.endsWith("_proj") ? name : name + "_proj"));
        }
        return sites;
    }

    /// @param examples there are
    int validationRows(int examples) {
        return validationRows == null ? Math.min(PAPER_VALIDATION_ROWS, examples / 10) : validationRows;
    }

    static final class FormatConverter implements ITypeConverter<TrainingFormat> {
        @Override
        public TrainingFormat convert(String value) {
            return TrainingFormat.named(value).orElseThrow(() -> new TypeConversionException(
                    "'" + value + "' is not a format; there are text, json_lines and json_array"));
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
