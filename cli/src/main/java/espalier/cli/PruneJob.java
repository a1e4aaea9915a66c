package espalier.cli;

import espalier.kernels.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/// What `prune` takes whatever the method.
abstract class PruneJob extends JobCommand {
    @Option(
            names = "--method",
            paramLabel = "llm-pruner|nuteprune|compresso",
            converter = MethodName.Converter.class,
            defaultValue = "llm-pruner",
            description = "How to choose what goes (default: llm-pruner). Each has options of its own: prune --method "
                    + "M --help shows them.")
    private MethodName method;

    @Option(names = "--model", required = true, paramLabel = "FOLDER", description = "A Hugging Face model folder.")
    Path model;

    @Option(names = "--out", required = true, paramLabel = "FOLDER", description = "The folder to make.")
    Path out;

    @Mixin
    RunOptions running;

    @Option(
            names = "--dtype",
            paramLabel = "bf16|f16|f32",
            converter = ElementType.class,
            description = "Type of the written weights (default: that of the source).")
    DType dtype;

    @Mixin
    MemoryOption memory;

    @Mixin
    ModelOptions options;

    @Option(
            names = "--recover",
            paramLabel = "FILE",
            description = "Then train adapters on this data and merge them, as finetune does with its --data; its "
                    + "other options begin with --recover- here.")
    List<Path> recover = List.of();

    @Mixin
    EvalOptions eval;

    PruneJob(Terminal terminal) {
        super(terminal);
    }

    /// @param command of this job, gets the options that it has of other commands
    abstract void borrow(CommandSpec command);

    /// Refuses options without that which they are about.
    final void checkEval() {
        // Not the prefix --eval-, which --eval-every has too.
        if (!eval.given() && (hasOption("--eval-window") || hasOption("--eval-documents"))) {
            throw usage("--eval-... need --eval-data");
        }
    }

    /// Refuses a folder to make that is, holds or lies in what is read.
    final void checkApart(String option, List<Path> read) throws IOException {
        for (Path path : read) {
            Folders.checkApart(out, option, path);
        }
    }

    /// Checks all paths that every method has.
    final void checkPaths() throws IOException {
        Folders.require(model);
        checkApart("--model", List.of(model));
        checkApart("--recover", recover);
        if (eval.given()) {
            checkApart("--eval-data", List.of(eval.data));
        }
    }
}
