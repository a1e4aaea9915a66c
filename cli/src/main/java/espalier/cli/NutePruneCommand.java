package espalier.cli;

import espalier.engine.masked.MaskMethod;
import espalier.engine.model.ModelFolder;
import espalier.eval.data.PromptStyle;
import espalier.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/// `prune --method nuteprune`: masks that are trained by distillation from denser states of the model itself.
@Command(
        name = "prune",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        description = "Train masks over heads and channels, with adapters, by distillation from denser states of the "
                + "model, and write the smaller checkpoint (NutePrune, arXiv:2402.09773).",
        footer = {
            "",
            "Examples:",
            "  espalier prune --method nuteprune --model M --out X --sparsity 0.5 --data c4.jsonl.gz --steps 2000",
            "  espalier prune --method nuteprune --model M --out X --sparsity 0.5 --data c4.jsonl.gz "
                    + "--recover alpaca.jsonl",
            "",
            "X/run is the run: settings, metrics, report.html, and the state from which --resume goes on after any",
            "stop.",
        })
final class NutePruneCommand extends MaskCommand {
    /// Up to here the release lets the sparsity rise slowly.
    private static final double SMALL_SPARSITY = 0.2;

    private static final String WARMUP = "4/7 of them up to sparsity 0.2, else 1/7, but not less than 100 or 4/7, "
            + "whichever is less: a gate takes 92 to close";

    private static final int RECOVERY_EPOCHS = 2;

    @Option(names = "--masks-only", description = "Train no adapters beside the masks.")
    private boolean masksOnly;

    @Mixin
    private TeacherOptions teachers;

    NutePruneCommand(Terminal terminal) {
        super(terminal, MethodName.NUTEPRUNE, RECOVERY_EPOCHS);
    }

    @Override
    void borrow(CommandSpec command) {
        borrowTraining(command, WARMUP, 16, 512, "1e-3");
        recoveryTraining().addTo(command);
        String masksOnlyRank = "Rank, with --masks-only; else adapters go on with theirs (default: ${DEFAULT-VALUE}).";
        new BorrowedOptions(recoveryAdapters(), "recover-")
                .without("--prefix")
                .described("--lora-rank", masksOnlyRank)
                .withDefault("--lora-alpha", "8")
                .withDefault("--lora-dropout", "0")
                .addTo(command);
    }

    @Override
    void checkOptions() {
        super.checkOptions();
        method(1);
        if (masksOnly && hasAdapterOption()) {
            throw usage("--masks-only trains no adapters: it excludes --targets, --rank-of, --alpha-of, --lora-...,"
                    + " --lr, --schedule, --warmup, --weight-decay and --clip");
        }
        if (!masksOnly && (hasOption("--recover-lora-") || hasOption("--recover-rank-of")
                || hasOption("--recover-alpha-of"))) {
            throw usage("the recovery goes on with the adapters of the pruning, their ranks, alphas and dropout:"
                    + " --recover-rank-of, --recover-alpha-of and --recover-lora-... need --masks-only");
        }
    }

    private boolean hasAdapterOption() {
        return Stream.of(
                        "--targets", "--rank-of", "--alpha-of", "--lora-", "--lr", "--schedule", "--warmup",
                        "--weight-decay", "--clip")
                .anyMatch(this::hasOption);
    }

    @Override
    boolean trainsMasksOnly() {
        return masksOnly;
    }

    @Override
    MaskMethod method(long steps) {
        return teachers.method(masks().sparsity());
    }

    @Override
    int warmupSevenths() {
        return masks().sparsity() <= SMALL_SPARSITY ? 4 : 1;
    }

    @Override
    List<Path> recoveryData() {
        return recover;
    }

    @Override
    Optional<Long> usualRecoverySteps(long steps) {
        return Optional.empty();
    }

    @Override
    AdapterOptions.Rows rows(ModelFolder dense, Tokenizer tokenizer) {
        return rows(adapters(), dense);
    }

    @Override
    AdapterOptions.Rows recoveryRows(AdapterOptions.Rows rows) {
        return rows.style().carried().isPresent() ? rows : recoveryAdapters().rows(PromptStyle.ALPACA_INLINE);
    }

    /// A model that carries a prompt keeps it, so it learns with it.
    private AdapterOptions.Rows rows(AdapterOptions own, ModelFolder dense) {
        return dense.config().prompt().isPresent()
                ? own.rows(dense.config().prompt(), model)
                : own.rows(PromptStyle.ALPACA_INLINE);
    }
}
