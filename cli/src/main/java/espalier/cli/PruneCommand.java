package espalier.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.Architecture;
import espalier.engine.model.MemoryPlan;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.ModelSize;
import espalier.engine.prune.Compaction;
import espalier.engine.prune.LlmPruner;
import espalier.engine.prune.NormRule;
import espalier.engine.prune.Notice;
import espalier.engine.prune.Probe;
import espalier.engine.prune.PruningMemory;
import espalier.engine.prune.PruningPlan;
import espalier.engine.prune.Selection;
import espalier.engine.prune.SizeTarget;
import espalier.engine.prune.TargetSearch;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.StoredTensor;
import espalier.eval.CalibrationSampler;
import espalier.eval.TextSource;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// Makes a model smaller.
@Command(
        name = "prune",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        description = "Remove heads, channels or layers from a model and write a smaller checkpoint.",
        footer = {
            "",
            "Examples:",
            "  espalier prune --model M --out X --ratio 0.25 --layers 4:26 --calibration c4.jsonl.gz",
            "  espalier prune --model M --out X --target-total 0.2 --importance l2 --uniform",
            "  espalier prune --model M --out X --mode layer --keep-layers 20",
            "",
            "The result is proved equal to the masked model before it gets its name.",
        })
final class PruneCommand extends JobCommand {
    private static final Logger LOG = System.getLogger("espalier.cli");

    @Option(
            names = "--method",
            paramLabel = "llm-pruner",
            converter = MethodConverter.class,
            defaultValue = "llm-pruner",
            description = "How to choose what goes (default: ${DEFAULT-VALUE}).")
    private Method method;

    @Option(names = "--model", required = true, paramLabel = "FOLDER", description = "A Hugging Face model folder.")
    private Path model;

    @Option(names = "--out", required = true, paramLabel = "FOLDER", description = "The folder to make.")
    private Path out;

    @Option(names = "--overwrite", description = "Replace --out if it is a checkpoint folder.")
    private boolean overwrite;

    @Mixin
    private SizeOptions size;

    @Mixin
    private WidthOptions widths;

    @Option(
            names = "--ranking",
            paramLabel = "local|global",
            converter = RankingConverter.class,
            defaultValue = "local",
            description = "Units compete inside their layer (default) or in the whole model.")
    private Ranking ranking;

    @Option(
            names = "--iterative-steps",
            paramLabel = "N",
            defaultValue = "1",
            description = "Prune in N steps, scored anew at each (default: 1).")
    private int steps;

    @Option(
            names = "--norm",
            paramLabel = "released|exact",
            converter = NormConverter.class,
            description = "In mode channel: leave norms as they are (default, as released), or correct them for the "
                    + "smaller width.")
    private NormRule norm;

    @Mixin
    private ScoringOptions scoring;

    @Option(
            names = "--dtype",
            paramLabel = "bf16|f16|f32",
            converter = DTypeConverter.class,
            description = "Type of the written weights (default: that of the source).")
    private DType dtype;

    @Option(
            names = "--memory",
            paramLabel = "BYTES",
            description = "Most memory that may be used, e.g. 6G (default: what the machine has).",
            converter = ByteCount.class)
    private Long memory;

    @Mixin
    private ModelOptions options;

    /// The methods there are.
    enum Method {
        /// LLM-Pruner, arXiv:2305.11627.
        LLM_PRUNER
    }

    /// Which units compete.
    enum Ranking {
        /// Inside a group.
        LOCAL,
        /// All groups.
        GLOBAL
    }

    PruneCommand(Terminal terminal) {
        super(terminal);
    }

    @Override
    Result run() throws Exception {
        long start = System.nanoTime();
        checkOptions();
        Folders.require(model);
        Folders.checkOut(out, overwrite, "--model", model);
        if (scoring.scores != null) {
            Folders.checkOut(out, overwrite, "--scores", scoring.scores);
        }
        if (scoring.calibration != null) {
            Folders.checkOut(out, overwrite, "--calibration", scoring.calibration);
        }
        CheckpointWriter.checkTarget(out, overwrite);
        try (Ops ops = options.open(); ModelFolder folder = ModelFolder.open(model, ops)) {
            ModelShape before = folder.model().shape();
            checkSampling(before);
            checkMemory(folder);
            Architecture architecture = Architecture.forModelType(folder.config().modelType());
            Planned planned = widths.mode == WidthOptions.Mode.LAYER
                    ? layers(folder, before)
                    : units(folder, architecture, before);
            planned.notices.forEach(notice -> LOG.log(Level.WARNING, notice.message()));
            Compaction.Request request = new Compaction.Request(
                    out,
                    Optional.ofNullable(dtype),
                    new CheckpointWriter.Options(CheckpointWriter.Options.DEFAULT.shardBytes(), overwrite),
                    planned.settings,
                    Probe.of(before));
            LOG.log(Level.INFO, "cutting, proving and writing " + out);
            Compaction.Written written = Compaction.write(folder, planned.plan, request);
            return result(architecture, before, planned, written, (System.nanoTime() - start) * 1e-9);
        }
    }

    private record Planned(
            PruningPlan plan,
            List<Notice> notices,
            Optional<TargetSearch.Reached> reached,
            double loss,
            Map<String, String> settings) {}

    private void checkOptions() {
        boolean layerMode = widths.mode == WidthOptions.Mode.LAYER;
        if (layerMode ? size.given() : size.target().isEmpty()) {
            throw usage(layerMode
                    ? "--mode layer takes --keep-layers, not --ratio, --target-prunable or --target-total"
                    : "exactly one of --ratio, --target-prunable and --target-total is needed");
        }
        if (norm != null && widths.mode != WidthOptions.Mode.CHANNEL) {
            throw usage("--norm needs --mode channel");
        }
        if (layerMode && (scoring.scores != null || scoring.calibration != null || steps != 1)) {
            throw usage("--mode layer scores nothing: it excludes --scores, --calibration and --iterative-steps");
        }
        if (!layerMode && scoring.needsCalibration() && scoring.calibration == null) {
            throw usage("--calibration is needed for gradients; l1, l2 and random go without");
        }
        if (scoring.scores != null && steps > 1) {
            throw usage("--scores excludes several --iterative-steps, at each of which scores are computed anew");
        }
    }

    private void checkSampling(ModelShape shape) {
        if (widths.mode != WidthOptions.Mode.LAYER && scoring.needsCalibration()) {
            CalibrationSampler.Options sampling = scoring.sampling();
            if (sampling.tokens() > shape.maxPositions()) {
                throw new IllegalArgumentException("--tokens must be at most %d, the model's context, got %d"
                        .formatted(shape.maxPositions(), sampling.tokens()));
            }
        }
    }

    private void checkMemory(ModelFolder folder) {
        boolean gradients = widths.mode != WidthOptions.Mode.LAYER && scoring.needsCalibration();
        Architecture architecture = Architecture.forModelType(folder.config().modelType());
        ModelShape shape = folder.model().shape();
        long weights = folder.checkpoint().bytes();
        MemoryPlan plan = gradients
                ? PruningMemory.withGradients(architecture, shape, weights, scoring.samples, scoring.tokens)
                : PruningMemory.withoutGradients(architecture, shape, weights);
        plan.require(memory == null ? RunMemory.available() : memory);
    }

    /// Reads all weights, so whatever else can be wrong is checked before.
    private void checkWeights(ModelFolder folder) throws IOException {
        long all = folder.checkpoint().bytes();
        try (ProgressMeter meter = new ProgressMeter(terminal(), "bytes checked")) {
            long[] done = {0};
            folder.checkpoint().checkFinite(bytes -> meter.at(done[0] += bytes, all));
            folder.checkpoint().releasePages();
        }
    }

    private Planned layers(ModelFolder folder, ModelShape before) throws IOException {
        int kept = widths.keptLayers(before.layers().size());
        checkWeights(folder);
        Map<String, String> settings = new TreeMap<>(Map.of(
                "method", "llm-pruner", "mode", "layer", "keep_layers", Integer.toString(kept)));
        return new Planned(
                PruningPlan.keepFirstLayers(before, kept), List.of(), Optional.empty(), Double.NaN, settings);
    }

    private Planned units(ModelFolder folder, Architecture architecture, ModelShape before) throws IOException {
        NormRule rule = norm == null ? NormRule.RELEASED : norm;
        Selection selection = widths.selection(before.layers().size(), ranking == Ranking.GLOBAL, rule);
        SizeTarget target = size.target().orElseThrow();
        LlmPruner.Settings settings =
                new LlmPruner.Settings(scoring.settings(), selection, target, steps, scoring.seed);
        Optional<CalibrationSampler> sampler = Optional.empty();
        if (scoring.needsCalibration()) {
            sampler = Optional.of(new CalibrationSampler(
                    TextSource.read(scoring.calibration), Tokenizer.load(model), scoring.sampling()));
        }
        if (scoring.scores != null) {
            checkScoresFile();
        }
        checkWeights(folder);
        Optional<LlmPruner.ScoresAt> scoresAt = Optional.empty();
        if (scoring.scores != null) {
            scoresAt = Optional.of(new LlmPruner.ScoresAt(scoring.scores, scoreSettings(folder, sampler)));
        }
        CalibrationSampler calibration = sampler.orElse(null);
        try (ProgressMeter meter = new ProgressMeter(terminal(), "layers scored")) {
            LlmPruner.Chosen chosen = LlmPruner.choose(
                    folder, settings, step -> calibration.draw(step - 1), scoresAt, meter::at);
            Map<String, String> described = new TreeMap<>(scoring.describe());
            described.put("mode", widths.mode.name().toLowerCase(Locale.ROOT));
            described.put("ranking", ranking.name().toLowerCase(Locale.ROOT));
            described.put("group_ratio", Double.toString(chosen.reached().ratio()));
            described.put("selection", selection.toString());
            described.put("iterative_steps", Integer.toString(steps));
            return new Planned(
                    chosen.plan(), chosen.notices(), Optional.of(chosen.reached()), chosen.loss(), described);
        }
    }

    private void checkScoresFile() throws IOException {
        Path parent = scoring.scores.toAbsolutePath().getParent();
        if (!Files.isDirectory(parent)) {
            throw new NoSuchFileException(
                    scoring.scores.toString(), null, "the folder of --scores does not exist");
        }
    }

    /// Everything that the scores depend on: settings, the samples' tokens, the weights.
    private Map<String, String> scoreSettings(ModelFolder folder, Optional<CalibrationSampler> sampler)
            throws IOException {
        Map<String, String> settings = new TreeMap<>(scoring.describe());
        settings.put("units", widths.mode == WidthOptions.Mode.CHANNEL ? "hidden" : "in layers");
        settings.put("weights", folder.checkpoint().fingerprint());
        if (sampler.isPresent()) {
            settings.put("calibration_ids", idsHash(sampler.get().draw(0)));
        }
        return settings;
    }

    private static String idsHash(int[][] samples) {
        MessageDigest digest = StoredTensor.newSha256();
        for (int[] sample : samples) {
            ByteBuffer bytes = ByteBuffer.allocate(sample.length * Integer.BYTES);
            bytes.asIntBuffer().put(sample);
            digest.update(bytes);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private Result result(
            Architecture architecture, ModelShape before, Planned planned, Compaction.Written written, double seconds)
            throws IOException {
        ModelSize sizeBefore = ModelSize.of(architecture, before);
        ModelSize sizeAfter = ModelSize.of(architecture, written.shape());
        ObjectNode json = Json.object();
        json.put("model", model.toString());
        json.put("out", out.toString());
        json.put("parameters_before", sizeBefore.parameters());
        json.put("parameters_after", sizeAfter.parameters());
        json.put("macs_before", sizeBefore.macs());
        json.put("macs_after", sizeAfter.macs());
        json.put("bytes", written.bytes());
        planned.reached.ifPresent(reached -> json.put("ratio", reached.ratio()));
        json.put("prunable_removed", 1 - (double) sizeAfter.prunable() / sizeBefore.prunable());
        json.put("total_removed", 1 - (double) sizeAfter.parameters() / sizeBefore.parameters());
        if (!Double.isNaN(planned.loss)) {
            json.put("calibration_loss", planned.loss);
        }
        json.put("masked_difference", written.maskedDifference());
        json.put("logits_difference", written.logitsDifference());
        json.put("rounding_difference", written.roundingDifference());
        ArrayNode notices = json.putArray("notices");
        planned.notices.forEach(notice -> notices.add(notice.message()));
        json.put("seconds", seconds);
        json.put("peak_bytes", PeakMemory.bytes());
        String text = """
                %s: %,d parameters before, %,d after (%.2f%% of prunable, %.2f%% of all removed)
                multiply-accumulates %,d before, %,d after
                proof: stages of plan and masked model differ by at most %.2g, logits by %.2g, the file's by %.2g more
                %.1f s, peak memory %,d bytes"""
                .formatted(
                        out,
                        sizeBefore.parameters(),
                        sizeAfter.parameters(),
                        100 * json.get("prunable_removed").doubleValue(),
                        100 * json.get("total_removed").doubleValue(),
                        sizeBefore.macs(),
                        sizeAfter.macs(),
                        written.maskedDifference(),
                        written.logitsDifference(),
                        written.roundingDifference(),
                        seconds,
                        json.get("peak_bytes").longValue());
        return new Result(json, text);
    }

    static final class MethodConverter implements ITypeConverter<Method> {
        @Override
        public Method convert(String value) {
            if (value.equals("llm-pruner")) {
                return Method.LLM_PRUNER;
            }
            throw new TypeConversionException("'" + value + "' is not a method; there is llm-pruner");
        }
    }

    static final class RankingConverter implements ITypeConverter<Ranking> {
        @Override
        public Ranking convert(String value) {
            return switch (value) {
                case "local" -> Ranking.LOCAL;
                case "global" -> Ranking.GLOBAL;
                default -> throw new TypeConversionException(
                        "'" + value + "' is not a ranking; there are local and global");
            };
        }
    }

    static final class NormConverter implements ITypeConverter<NormRule> {
        @Override
        public NormRule convert(String value) {
            return switch (value) {
                case "released" -> NormRule.RELEASED;
                case "exact" -> NormRule.EXACT;
                default -> throw new TypeConversionException(
                        "'" + value + "' is not a rule for norms; there are released and exact");
            };
        }
    }

    static final class DTypeConverter implements ITypeConverter<DType> {
        @Override
        public DType convert(String value) {
            return switch (value) {
                case "bf16" -> DType.BF16;
                case "f16" -> DType.F16;
                case "f32" -> DType.F32;
                default -> throw new TypeConversionException(
                        "'" + value + "' is not an element type; there are bf16, f16 and f32");
            };
        }
    }
}
