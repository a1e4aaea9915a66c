package espalier.cli;

import espalier.engine.masked.MaskMethod;
import espalier.engine.model.ModelFolder;
import espalier.eval.TextPrefix;
import espalier.eval.data.PromptStyle;
import espalier.tokenizer.Tokenizer;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/// `prune --method compresso`: masks that are trained with adapters on instructions, and a fine-tuning.
@Command(
        name = "prune",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        description = "Train masks over heads and channels, with adapters, on instructions, write the smaller "
                + "checkpoint, and fine-tune it (Compresso, arXiv:2310.05015).",
        footer = {
            "",
            "Examples:",
            "  espalier prune --method compresso --model M --out X --sparsity 0.3 --data alpaca.jsonl --steps 2000",
            "  espalier prune --method compresso --model M --out X --sparsity 0.3 --data alpaca.jsonl --no-recover",
            "",
            "X/run is the run: settings, metrics, report.html, and the state from which --resume goes on after any",
            "stop.",
        })
final class CompressoCommand extends MaskCommand {
    private static final int RECOVERY_EPOCHS = 3;
    /// Tokens that a context must have beyond the prompt for it to be used.
    private static final int LEAST_AFTER_PROMPT = 64;
    private static final Logger LOG = System.getLogger("espalier.cli");

    @Option(
            names = "--adapter-steps",
            paramLabel = "N",
            converter = NumberRange.LongCountOrNone.class,
            description = "First steps, in which adapters are trained without masks, beside --steps (default: 1/7 of "
                    + "those, at least 1).")
    private Long adapterSteps;

    @Option(
            names = "--no-prompt",
            description = "Rows without the prompt that tells the model of its pruning. It is left out, and said so, "
                    + "where the context has no room for it.")
    private boolean noPrompt;

    @Option(names = "--no-recover", description = "Do not fine-tune the smaller model (default: on --data).")
    private boolean noRecover;

    CompressoCommand(Terminal terminal) {
        super(terminal, MethodName.COMPRESSO, RECOVERY_EPOCHS);
    }

    @Override
    void borrow(CommandSpec command) {
        borrowTraining(command, "4/7 of them", 8, 1024, "5e-5");
        recoveryTraining()
                .described("--steps", "Steps of the fine-tuning (default: 3/7 of the steps with masks, at least 1).")
                .described("--epochs", "Instead of --recover-steps: how often to go through the data.")
                .withDefault("--lr", "4e-4")
                .withDefault("--schedule", "cosine")
                .addTo(command);
        new BorrowedOptions(recoveryAdapters(), "recover-")
                .without("--lora-rank", "--lora-alpha", "--lora-dropout", "--rank-of", "--alpha-of")
                .without("--no-template", "--prefix")
                .withDefault("--targets", "q,v")
                .described("--targets", "Projections that get adapters, beside those of --targets "
                        + "(default: ${DEFAULT-VALUE}).")
                .addTo(command);
    }

    @Override
    void checkOptions() {
        if (noRecover && (!recover.isEmpty() || hasOption("--recover-"))) {
            throw usage("--no-recover excludes --recover and --recover-...");
        }
        super.checkOptions();
    }

    @Override
    boolean trainsMasksOnly() {
        return false;
    }

    @Override
    MaskMethod method(long steps) {
        return new MaskMethod.Compresso(adapterSteps != null ? adapterSteps : Math.max(1, steps / 7));
    }

    @Override
    int warmupSevenths() {
        return 4;
    }

    @Override
    List<Path> recoveryData() {
        if (noRecover) {
            return List.of();
        }
        return recover.isEmpty() ? data() : recover;
    }

    @Override
    Optional<Long> usualRecoverySteps(long steps) {
        return Optional.of(Math.max(1, 3 * steps / 7));
    }

    @Override
    AdapterOptions.Rows rows(ModelFolder dense, Tokenizer tokenizer) {
        if (noPrompt && dense.config().prompt().isPresent()) {
            throw usage("--no-prompt: the model carries a prompt in its config.json, which its result would keep");
        }
        return adapters().rows(noPrompt || !fits(dense, tokenizer) ? PromptStyle.ALPACA : PromptStyle.COLLABORATIVE);
    }

    /// A prompt of some hundred tokens leaves nothing of a short context.
    private boolean fits(ModelFolder dense, Tokenizer tokenizer) {
        int context = dense.config().maxPositions();
        int length = PreparedData.reading(context, dense.config(), tokenizer)
                .withPrompt(PromptStyle.COLLABORATIVE)
                .prefix(tokenizer)
                .map(TextPrefix::length)
                .orElse(0);
        boolean fits = length + LEAST_AFTER_PROMPT <= context;
        if (!fits) {
            LOG.log(Level.WARNING, ("the collaborative prompt has %d tokens, the model a context of %d: rows are made"
                            + " without it").formatted(length, context));
        }
        return fits;
    }

    @Override
    AdapterOptions.Rows recoveryRows(AdapterOptions.Rows rows) {
        return rows;
    }
}
