package espalier.cli;

import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Site;
import espalier.eval.data.PromptStyle;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import picocli.CommandLine.Option;

/// Which adapters are trained, and on what of an instruction: the options of `finetune` beside [TrainingOptions], with
/// a prefix those of `prune --recover`, and with other defaults those of pruning by masks.
final class AdapterOptions {
    @Option(
            names = "--lora-rank",
            paramLabel = "R",
            defaultValue = "8",
            description = "Rank (default: ${DEFAULT-VALUE}).")
    private int rank;

    @Option(
            names = "--lora-alpha",
            paramLabel = "A",
            defaultValue = "16",
            description = "Alpha; adapters are scaled by alpha / rank (default: ${DEFAULT-VALUE}).")
    private double alpha;

    @Option(
            names = "--lora-dropout",
            paramLabel = "P",
            defaultValue = "0.05",
            description = "Share of an adapter's input that is dropped in training (default: ${DEFAULT-VALUE}).")
    private double dropout;

    @Option(
            names = "--targets",
            paramLabel = "NAMES",
            split = ",",
            defaultValue = "q,k,v,o,gate,up,down",
            description = "Projections that get adapters, e.g. q_proj,v_proj or q,v (default: ${DEFAULT-VALUE}).")
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
            names = "--no-template",
            description = "Instruction rows without the Alpaca template (LLM-Pruner's no_instruction).")
    private boolean noTemplate;

    @Option(
            names = "--train-on-inputs",
            description = "Learn the prompts of instruction rows too (default: their answers only).")
    boolean trainOnInputs;

    /// @param layers of the model
    LoraSettings lora(int layers) {
        return LoraSettings.of(rank, alpha, dropout, sites()).withPatterns(layers, ranks, alphas);
    }

    /// @param shape the model
    /// @param seed decides their values
    /// @return new adapters, which change nothing yet
    LoraState initial(ModelShape shape, long seed) {
        return LoraState.initial(shape, lora(shape.layers().size()), seed);
    }

    /// @return how instruction rows are put
    PromptStyle prompt() {
        return noTemplate ? PromptStyle.PLAIN : PromptStyle.ALPACA;
    }

    /// @return the projections that get adapters
    Set<Site> sites() {
        EnumSet<Site> sites = EnumSet.noneOf(Site.class);
        for (String name : targets) {
            if (name.isBlank()) {
                throw new IllegalArgumentException("the targets " + String.join(",", targets) + " have an empty name");
            }
            sites.add(LoraSettings.target(name.endsWith("_proj") ? name : name + "_proj"));
        }
        return sites;
    }
}
