package espalier.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.masked.SnapshotFolder;
import espalier.engine.model.Architecture;
import espalier.engine.model.MemoryPlan;
import espalier.engine.model.ModelShape;
import espalier.engine.model.ModelSize;
import espalier.engine.prune.Groups;
import espalier.engine.prune.PruningMemory;
import espalier.engine.train.RunFolder;
import espalier.engine.weights.Checkpoint;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.PretrainedConfig;
import espalier.engine.weights.StoredType;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Shows what a model consists of and costs, without running it.
@Command(
        name = "inspect",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        description = "Show shapes, parameters, cost, memory and tokenizer of a model, and the snapshots of a run.",
        footer = {
            "",
            "Examples:",
            "  espalier inspect M",
            "  espalier inspect M --groups",
            "  espalier inspect docs/shapes/llama-7b --plan --ratio 0.25 --layers 4:30 --json",
            "  espalier inspect docs/shapes/llama-7b --plan --method nuteprune --sparsity 0.5",
            "  espalier inspect X/run",
            "",
            "With --plan a folder that has only config.json is enough, and the options of pruning tell",
            "how large the result would be.",
            "",
            "Of a run directory, and of a model with one inside, the snapshots of the student are listed",
            "that were taken while its masks were trained.",
        })
final class InspectCommand extends JobCommand {
    /// What is run at once: sequences that are measured together; prompts are read in smaller pieces.
    private static final int USUAL_TOKENS = 1024;

    /// The defaults of pruning.
    private static final int CALIBRATION_SAMPLES = 10;
    private static final int CALIBRATION_TOKENS = 64;

    @Parameters(arity = "0..1", paramLabel = "MODEL", description = "A Hugging Face model folder.")
    private Path positional;

    @Option(names = "--model", paramLabel = "FOLDER", description = "The same as MODEL.")
    private Path named;

    @Option(names = "--groups", description = "Print which weights can only be removed together.")
    private boolean groups;

    @Option(names = "--plan", description = "Read only config.json, and show what a run would need.")
    private boolean plan;

    @Option(
            names = "--ratio",
            paramLabel = "R",
            description = "With --plan: share of groups that pruning cuts, in [0, 1).")
    private Double ratio;

    @Mixin
    private WidthOptions widths;

    @Mixin
    private MaskPlanOptions masks;

    InspectCommand(Terminal terminal) {
        super(terminal);
    }

    @Override
    Result run() throws Exception {
        if ((positional == null) == (named == null)) {
            throw usage(positional == null ? "MODEL is missing" : "MODEL and --model exclude each other");
        }
        boolean pruned = ratio != null || widths.mode == WidthOptions.Mode.LAYER;
        if ((pruned || widths.given() || masks.isAnyGiven()) && !plan) {
            throw usage("--ratio and the options of pruning need --plan");
        }
        if (masks.isAnyGiven() && !masks.isGiven()) {
            throw usage("the options of pruning by masks need --method");
        }
        if (masks.isGiven() && (pruned || widths.given())) {
            throw usage("--method excludes --ratio and its options");
        }
        if (widths.given() && !pruned) {
            throw usage("the options of pruning need --ratio");
        }
        Path folder = Folders.require(positional != null ? positional : named);
        Optional<Path> outOfRun = RunFolder.outOf(folder);
        if (outOfRun.isPresent()) {
            if (plan || groups) {
                throw usage("--plan and --groups need a model, but " + folder + " is a run directory");
            }
            return ofRun(folder, outOfRun.get());
        }
        PretrainedConfig config;
        long storedBytes = -1;
        if (plan) {
            config = PretrainedConfig.read(folder.resolve("config.json"));
        } else {
            try (Checkpoint checkpoint = Checkpoint.open(folder)) {
                config = checkpoint.config();
                checkpoint.verifyTensors(Architecture.expectedTensors(config));
                storedBytes = checkpoint.bytes();
            }
        }
        Architecture architecture = Architecture.forModelType(config.modelType());
        ModelShape shape = ModelShape.of(config);
        ModelSize size = ModelSize.of(architecture, shape);
        StoredType type = config.dtype().orElse(StoredType.BF16);
        long bytes = storedBytes >= 0 ? storedBytes : size.parameters() * type.bits() / 8;
        ObjectNode json = describe(folder, config, shape, size, bytes, type);
        if (pruned) {
            ModelShape after = widths.shapeAfter(architecture, shape, ratio == null ? 0 : ratio);
            ModelSize sizeAfter = ModelSize.of(architecture, after);
            json.put("parameters_after", sizeAfter.parameters());
            json.put("prunable_after", sizeAfter.prunable());
            json.put("macs_after", sizeAfter.macs());
            json.put("bytes_after", sizeAfter.parameters() * type.bits() / 8);
            putLayers(json.putArray("layers_after"), after);
        }
        if (masks.isGiven()) {
            masks.describe(json, architecture, shape, size.parameters(), bytes);
        }
        Optional<Path> snapshots = RunFolder.findSnapshots(folder);
        if (snapshots.isPresent()) {
            putSnapshots(json, SnapshotFolder.list(snapshots.get()));
        }
        Groups found = Groups.of(architecture.graph(shape));
        if (groups) {
            ArrayNode lines = json.putArray("groups");
            found.describe().lines().forEach(lines::add);
        }
        return new Result(json, text(json, shape, groups ? found.describe() : ""));
    }

    private static Result ofRun(Path folder, Path out) throws IOException {
        Optional<Path> snapshots = RunFolder.findSnapshots(out);
        ObjectNode json = Json.object();
        json.put("run", folder.toString());
        putSnapshots(json, snapshots.isPresent() ? SnapshotFolder.list(snapshots.get()) : List.of());
        StringBuilder text = new StringBuilder("%s, a run%n".formatted(folder));
        snapshots(text, json);
        return new Result(json, text.toString().stripTrailing());
    }

    private static void putSnapshots(ObjectNode json, List<SnapshotFolder.Info> snapshots) {
        ArrayNode array = json.putArray("snapshots");
        for (SnapshotFolder.Info info : snapshots) {
            ObjectNode snapshot = array.addObject();
            snapshot.put("index", info.index());
            snapshot.put("step", info.step());
            snapshot.put("expected_sparsity", info.expected());
            snapshot.put("realised_sparsity", info.realised());
            if (info.rank().isPresent()) {
                snapshot.put("adapter_rank", info.rank().getAsInt());
            } else {
                snapshot.putNull("adapter_rank");
            }
            snapshot.put("bytes", info.bytes());
        }
    }

    private static ObjectNode describe(
            Path folder, PretrainedConfig config, ModelShape shape, ModelSize size, long bytes, StoredType type)
            throws IOException {
        ObjectNode json = Json.object();
        json.put("model", folder.toString());
        json.put("model_type", config.modelType());
        json.put("parameters", size.parameters());
        json.put("prunable", size.prunable());
        json.put("bytes", bytes);
        json.put("dtype", type.name().toLowerCase(Locale.ROOT));
        json.put("macs", size.macs());
        json.put("hidden", shape.hidden());
        json.put("vocab", shape.vocab());
        json.put("context", shape.maxPositions());
        json.put("tied", shape.tied());
        put(json.putObject("memory"), MemoryPlan.inference(
                shape, bytes, Math.min(USUAL_TOKENS, shape.maxPositions()), shape.maxPositions()));
        put(json.putObject("prune_memory"), PruningMemory.withGradients(
                Architecture.forModelType(config.modelType()), shape, bytes, CALIBRATION_SAMPLES, CALIBRATION_TOKENS));
        putLayers(json.putArray("layers"), shape);
        ArrayNode unsupported = json.putArray("unsupported");
        config.unsupported().forEach(unsupported::add);
        if (Files.exists(folder.resolve("tokenizer.json"))) {
            Tokenizer tokenizer = Tokenizer.load(folder);
            ObjectNode tokenizerJson = json.putObject("tokenizer");
            tokenizerJson.put("kind", tokenizer.kind());
            tokenizerJson.put("vocab_size", tokenizer.vocabSize());
            tokenizerJson.put("adds_begin_token", tokenizer.addsBeginToken());
        } else {
            json.putNull("tokenizer");
        }
        return json;
    }

    static void put(ObjectNode json, MemoryPlan memory) {
        memory.parts().forEach(json::put);
        json.put("total", memory.total());
    }

    private static void putLayers(ArrayNode array, ModelShape shape) {
        for (LayerShape layer : shape.layers()) {
            ObjectNode json = array.addObject();
            json.put("heads", layer.heads());
            json.put("kv_heads", layer.kvHeads());
            json.put("head_dim", layer.headDim());
            json.put("ffn", layer.ffn());
            if (!layer.hasEqualGroups()) {
                ArrayNode queries = json.putArray("queries_per_kv");
                Arrays.stream(layer.queriesPerKv()).forEach(queries::add);
            }
        }
    }

    private static String text(ObjectNode json, ModelShape shape, String groups) {
        StringBuilder text = new StringBuilder();
        text.append("%s, %s%n".formatted(json.get("model").textValue(), json.get("model_type").textValue()));
        line(text, "parameters", grouped(json, "parameters") + ", prunable " + grouped(json, "prunable"));
        line(text, "multiply-accumulates", grouped(json, "macs") + " for one sequence of 64 tokens");
        line(text, "weights", grouped(json, "bytes") + " bytes, " + json.get("dtype").textValue());
        line(text, "memory to run", memory(json.get("memory")) + ", at the full context");
        line(text, "memory to prune", memory(json.get("prune_memory"))
                + ", with %d samples of %d tokens".formatted(CALIBRATION_SAMPLES, CALIBRATION_TOKENS));
        if (json.has("mask_memory")) {
            line(text, "memory to train masks", memory(json.get("mask_memory"))
                    + ", with %d of %d sequences of %d tokens at once".formatted(
                            Math.min(json.get("micro_batch").intValue(), json.get("batch").intValue()),
                            json.get("batch").intValue(), json.get("max_length").intValue()));
            json.get("mask_memory").properties().stream()
                    .filter(part -> !part.getKey().equals("total"))
                    .forEach(part -> line(
                            text,
                            "  " + part.getKey().replace('_', ' '),
                            "%,d".formatted(part.getValue().longValue())));
            line(text, "memory to write after", memory(json.get("mask_write_memory")));
        }
        line(
                text,
                "width",
                "hidden %d, vocabulary %d%s, context %d"
                        .formatted(shape.hidden(), shape.vocab(), shape.tied() ? " (tied)" : "", shape.maxPositions()));
        layers(text, "layers", shape.layers());
        json.get("unsupported").forEach(reason -> line(text, "cannot be run", reason.textValue()));
        line(
                text,
                "tokenizer",
                json.get("tokenizer").isNull()
                        ? "none"
                        : json.at("/tokenizer/kind").textValue()
                                + (json.at("/tokenizer/adds_begin_token").booleanValue()
                                        ? ", begin token added"
                                        : ", no begin token added"));
        if (json.has("parameters_after")) {
            line(text, "after pruning", grouped(json, "parameters_after") + " parameters"
                    + (json.has("macs_after") ? ", " + grouped(json, "macs_after") + " multiply-accumulates" : ""));
        }
        if (json.has("snapshots")) {
            snapshots(text, json);
        }
        return text.append(groups).toString().stripTrailing();
    }

    private static void snapshots(StringBuilder text, ObjectNode json) {
        JsonNode snapshots = json.get("snapshots");
        line(text, "snapshots", snapshots.isEmpty() ? "none" : Integer.toString(snapshots.size()));
        for (JsonNode snapshot : snapshots) {
            JsonNode rank = snapshot.get("adapter_rank");
            line(text, "snapshot " + snapshot.get("index"), "after %d steps, sparsity %.4f expected, %.4f realised, %s"
                    .formatted(
                            snapshot.get("step").longValue(),
                            snapshot.get("expected_sparsity").doubleValue(),
                            snapshot.get("realised_sparsity").doubleValue(),
                            rank.isNull() ? "no adapters" : "adapters of rank " + rank));
        }
    }

    /// A line for each run of layers that are alike.
    private static void layers(StringBuilder text, String name, List<LayerShape> layers) {
        for (int first = 0; first < layers.size(); ) {
            int end = first + 1;
            while (end < layers.size() && layers.get(end).equals(layers.get(first))) {
                end++;
            }
            LayerShape layer = layers.get(first);
            line(text, name + " " + first + ":" + end, "%d heads, %d key/value heads, head %d, FFN %d"
                    .formatted(layer.heads(), layer.kvHeads(), layer.headDim(), layer.ffn()));
            first = end;
        }
    }

    private static String memory(JsonNode plan) {
        return grouped(plan, "total") + " bytes, weights included";
    }

    private static String grouped(JsonNode json, String key) {
        return "%,d".formatted(json.get(key).longValue());
    }

    private static void line(StringBuilder text, String name, String value) {
        text.append("  %-22s%s%n".formatted(name, value));
    }
}
