package espalier.cli;

import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Site;
import espalier.engine.weights.ModelPrompt;
import espalier.eval.data.PromptStyle;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// Which adapters are trained, and on what of an instruction: the options of `finetune` beside [TrainingOptions], with
/// a prefix those of `prune --recover`, and with other defaults those of pruning by masks.
final class AdapterOptions {
    // Initial values are those of a command that leaves the option out.
    @Option(
            names = "--lora-rank",
            paramLabel = "R",
            converter = NumberRange.Count.class,
            defaultValue = "8",
            description = "Rank (default: ${DEFAULT-VALUE}).")
    private int rank = 8;

    @Option(
            names = "--lora-alpha",
            paramLabel = "A",
            converter = NumberRange.Positive.class,
            defaultValue = "16",
            description = "Alpha; adapters are scaled by alpha / rank (default: ${DEFAULT-VALUE}).")
    private double alpha = 16;

    @Option(
            names = "--lora-dropout",
            paramLabel = "P",
            converter = NumberRange.Dropout.class,
            defaultValue = "0.05",
            description = "Share of an adapter's input that is dropped in training (default: ${DEFAULT-VALUE}).")
    private double dropout = 0.05;

    @Option(
            names = "--targets",
            paramLabel = "NAMES",
            split = ",",
            converter = TargetConverter.class,
            defaultValue = "q,k,v,o,gate,up,down",
            description = "Projections that get adapters, e.g. q_proj,v_proj or q,v (default: ${DEFAULT-VALUE}).")
    private Site[] targets;

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
            description = "Instruction rows without any template (LLM-Pruner's no_instruction).")
    private boolean noTemplate;

    @Option(
            names = "--prefix",
            paramLabel = "none|train",
            converter = PrefixOption.Converter.class,
            description = "Whether rows begin with the prompt that the model carries in its config.json, as they did "
                    + "when it was trained with it (default: train where it carries one).")
    private PrefixOption.Mode prefix;

    @Option(
            names = "--train-on-inputs",
            description = "Learn the prompts of instruction rows too (default: their answers only).")
    boolean trainOnInputs;

    /// How rows become text.
    ///
    /// @param prompt that the trained model carries
    /// @param folder of the model
    /// @throws IllegalArgumentException if options exclude each other, or ask for what cannot be done
    Rows rows(Optional<ModelPrompt> prompt, Path folder) {
        if (prefix == PrefixOption.Mode.PAST) {
            throw new IllegalArgumentException("prefix is past, expected none or train: rows are as in training");
        }
        if (noTemplate && prefix == PrefixOption.Mode.TRAIN) {
            throw new IllegalArgumentException("no-template excludes prefix train, which is part of a template");
        }
        Optional<PrefixOption.Mode> asked =
                noTemplate ? Optional.of(PrefixOption.Mode.NONE) : Optional.ofNullable(prefix);
        Optional<PrefixOption.Mode> mode = ModelPrefix.mode(asked, prompt, folder);
        PromptStyle style = mode.equals(Optional.of(PrefixOption.Mode.TRAIN))
                ? carriedStyle(prompt.orElseThrow(), folder)
                : noTemplate ? PromptStyle.PLAIN : PromptStyle.ALPACA;
        return new Rows(style, mode.map(PrefixOption.Mode::optionName).orElse(ModelPrefix.ABSENT));
    }

    /// How rows become text.
    ///
    /// @param style of instructions
    /// @param prefix as results name it, see [ModelPrefix]
    record Rows(PromptStyle style, String prefix) {}

    /// The whole row must be as it was in training, not only what the model carries of it.
    private static PromptStyle carriedStyle(ModelPrompt prompt, Path folder) {
        return PromptStyle.named(prompt.style())
                .filter(style -> style.carried().map(ModelPrompt::prefix).equals(Optional.of(prompt.prefix())))
                .orElseThrow(() -> new IllegalArgumentException(("the prompt that %s carries in its config.json is not "
                                + "the one that this version has for the style %s: rows cannot be made as in its "
                                + "training, only with prefix none")
                        .formatted(folder, prompt.style())));
    }

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

    /// @param usual how instruction rows are put
    /// @return that, unless options want no template
    Rows rows(PromptStyle usual) {
        PromptStyle style = noTemplate ? PromptStyle.PLAIN : usual;
        return new Rows(style, style.carried().isPresent() ? PrefixOption.Mode.TRAIN.optionName() : ModelPrefix.ABSENT);
    }

    /// @return the projections that get adapters
    Set<Site> sites() {
        return EnumSet.copyOf(List.of(targets));
    }

    static final class TargetConverter implements ITypeConverter<Site> {
        @Override
        public Site convert(String value) {
            try {
                return LoraSettings.target(value.endsWith("_proj") ? value : value + "_proj");
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }
}
