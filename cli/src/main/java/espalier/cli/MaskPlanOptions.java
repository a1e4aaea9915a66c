package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.adapt.LoraSettings;
import espalier.engine.gates.GateLayout;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.GateSparsity;
import espalier.engine.masked.MaskMemory;
import espalier.engine.model.Architecture;
import espalier.engine.model.MemoryPlan;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Site;
import espalier.engine.model.StepPlan;
import espalier.engine.prune.PruningMemory;
import java.util.Optional;
import java.util.Set;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// A run that trains masks, as far as its memory depends on it: options of `inspect --plan`.
final class MaskPlanOptions {
    @Option(
            names = "--method",
            paramLabel = "nuteprune|compresso",
            converter = MethodConverter.class,
            description = "With --plan: what pruning by trained masks would need.")
    private MethodName method;

    @Option(names = "--sparsity", paramLabel = "S", description = "With --method: share that leaves, in [0, 1).")
    private Double sparsity;

    @Option(
            names = "--batch",
            paramLabel = "N",
            converter = NumberRange.Count.class,
            description = "With --method: sequences of a step (default: 16).")
    private Integer batch;

    @Option(
            names = "--micro-batch",
            paramLabel = "N",
            converter = NumberRange.Count.class,
            description = "Sequences that are run at once (default: 4).")
    private Integer microBatch;

    @Option(
            names = "--max-length",
            paramLabel = "N",
            converter = NumberRange.Count.class,
            description = "Tokens of a sequence (default: 512).")
    private Integer maxLength;

    @Option(
            names = "--lora-rank",
            paramLabel = "R",
            converter = NumberRange.CountOrNone.class,
            description = "Rank of the adapters of q_proj and v_proj; 0 for masks alone (default: 8).")
    private Integer loraRank;

    boolean isGiven() {
        return method != null;
    }

    boolean isAnyGiven() {
        return isGiven() || sparsity != null || batch != null || microBatch != null || maxLength != null
                || loraRank != null;
    }

    /// Adds what the run needs and how large its result is at the sparsity, if no hidden channel leaves.
    ///
    /// @param parameters of the model
    /// @param bytes of its weights
    /// @throws IllegalArgumentException naming the option that is out of range
    void describe(ObjectNode json, Architecture architecture, ModelShape shape, long parameters, long bytes) {
        int sequences = batch == null ? 16 : batch;
        int atOnce = microBatch == null ? 4 : microBatch;
        int tokens = maxLength == null ? Math.min(512, shape.maxPositions()) : maxLength;
        if (tokens > shape.maxPositions()) {
            throw new IllegalArgumentException(
                    "--max-length is %d, the model's context %d".formatted(tokens, shape.maxPositions()));
        }
        if (sparsity == null) {
            throw new IllegalArgumentException("--method " + method.optionName() + " needs --sparsity");
        }
        GateSettings gates = GateSettings.standard(shape.layers().size());
        GateSparsity counted = new GateSparsity(new GateLayout(shape, gates));
        counted.requireReachable(sparsity);
        MaskMemory memory = new MaskMemory(shape, bytes, gates, adapters(), method == MethodName.NUTEPRUNE);
        json.put("method", method.optionName());
        json.put("sparsity", sparsity);
        json.put("batch", sequences);
        json.put("micro_batch", atOnce);
        json.put("max_length", tokens);
        InspectCommand.put(
                json.putObject("mask_memory"), StepPlan.smallest(memory.workload(sequences, atOnce, tokens)));
        MemoryPlan writing = PruningMemory.withoutGradients(architecture, shape, bytes);
        InspectCommand.put(json.putObject("mask_write_memory"), writing);
        long left = counted.parametersAt(sparsity);
        json.put("prunable_after", left);
        json.put("parameters_after", parameters - counted.parameters() + left);
    }

    private Optional<LoraSettings> adapters() {
        int rank = loraRank == null ? 8 : loraRank;
        return rank == 0
                ? Optional.empty()
                : Optional.of(LoraSettings.of(rank, rank, 0, Set.of(Site.Q_PROJ, Site.V_PROJ)));
    }

    static final class MethodConverter implements ITypeConverter<MethodName> {
        @Override
        public MethodName convert(String value) {
            return MethodName.named(value)
                    .filter(method -> method != MethodName.LLM_PRUNER)
                    .orElseThrow(() -> new TypeConversionException("'" + value
                            + "' is not a method that trains masks; there are compresso and nuteprune"));
        }
    }
}
