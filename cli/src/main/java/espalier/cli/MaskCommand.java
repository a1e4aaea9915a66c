package espalier.cli;

import espalier.engine.adapt.LoraState;
import espalier.engine.adapt.PeftAdapter;
import espalier.engine.gates.GateSettings;
import espalier.engine.masked.MaskMethod;
import espalier.engine.masked.MaskPruning;
import espalier.engine.masked.MaskTraining;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.train.AdamW;
import espalier.engine.train.RunFolder;
import espalier.engine.train.TrainingSettings;
import espalier.engine.weights.CheckpointWriter;
import espalier.kernels.Ops;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/// `prune` by masks that are trained: what Compresso and NutePrune have in common.
abstract class MaskCommand extends PruneJob {
    /// Both releases have seven epochs with masks.
    private static final int EPOCHS = 7;

    @Option(
            names = "--data",
            required = true,
            paramLabel = "FILE",
            description = "What to learn from; may be repeated, the files are mixed.")
    private List<Path> data;

    private final MethodName method;
    private final MaskOptions masks = new MaskOptions();
    private final TrainingOptions training = new TrainingOptions(EPOCHS, "");
    private final AdapterOptions adapters = new AdapterOptions();
    private final TrainingOptions recovery;
    private final AdapterOptions recoveryAdapters = new AdapterOptions();

    /// @param terminal where results go
    /// @param method that this is
    /// @param recoveryEpochs how often a recovery goes through its data that says nothing of its length
    MaskCommand(Terminal terminal, MethodName method, int recoveryEpochs) {
        super(terminal);
        this.method = method;
        this.recovery = new TrainingOptions(recoveryEpochs, "recover-");
    }

    /// @return whether no adapters are trained beside the masks
    abstract boolean trainsMasksOnly();

    /// @param steps with masks
    /// @return what is minimised
    abstract MaskMethod method(long steps);

    /// @return sevenths of the steps with masks in which the sparsity rises
    abstract int warmupSevenths();

    /// @return files that the smaller model is trained on; none for no recovery
    abstract List<Path> recoveryData();

    /// @param steps with masks
    /// @return steps of the recovery if nothing is said of its length; empty for its usual epochs
    abstract Optional<Long> usualRecoverySteps(long steps);

    /// @param dense the model
    /// @param tokenizer of the model
    /// @return how rows become text while masks are trained
    abstract AdapterOptions.Rows rows(ModelFolder dense, Tokenizer tokenizer);

    /// @param rows of the training of masks
    /// @return the same for the recovery
    abstract AdapterOptions.Rows recoveryRows(AdapterOptions.Rows rows);

    @Override
    final String helpArguments() {
        return "--method " + method.optionName() + " " + super.helpArguments();
    }

    final MaskOptions masks() {
        return masks;
    }

    final AdapterOptions adapters() {
        return adapters;
    }

    final AdapterOptions recoveryAdapters() {
        return recoveryAdapters;
    }

    final List<Path> data() {
        return data;
    }

    /// @param command gets the options, with the defaults that both methods have
    /// @param warmup default of the steps in which the sparsity rises, in words
    /// @param batch default sequences of a step
    /// @param maxLength default longest sequence
    /// @param learningRate default of the adapters
    final void borrowTraining(CommandSpec command, String warmup, int batch, int maxLength, String learningRate) {
        new BorrowedOptions(masks, "")
                .described("--sparsity-warmup", "Steps with masks in which the wanted sparsity rises from 0 (default: "
                        + warmup + ").")
                .addTo(command);
        training.borrowed()
                .described("--steps", "Steps of the optimiser with masks (default: --epochs of the data).")
                .described("--epochs", "Instead of --steps: how often to go through the data with masks (default: "
                        + EPOCHS + ").")
                .withDefault("--batch", Integer.toString(batch))
                .described("--micro-batch", "Sequences that are run at once, under one draw of the gates "
                        + "(default: ${DEFAULT-VALUE}).")
                .withDefault("--max-length", Integer.toString(maxLength))
                .described("--max-length", "Longest sequence in tokens, a prompt before it included; what is longer is "
                        + "cut (default: ${DEFAULT-VALUE}, at most the context).")
                .withDefault("--lr", learningRate)
                .described("--lr", "Learning rate of the adapters after its warm-up (default: ${DEFAULT-VALUE}).")
                .withDefault("--warmup", "0")
                .described("--warmup", "Steps in which the learning rate rises (default: ${DEFAULT-VALUE}).")
                .withDefault("--validation-rows", "0")
                .described("--validation-rows", "Sequences held out, to measure how the masked model predicts them; "
                        + "the last state is written in any case (default: ${DEFAULT-VALUE}).")
                .addTo(command);
        new BorrowedOptions(adapters, "")
                .without("--prefix")
                .withDefault("--lora-alpha", "8")
                .withDefault("--lora-dropout", "0")
                .withDefault("--targets", "q,v")
                .addTo(command);
    }

    /// @return options of the recovery that follow those of the training of masks, to be changed further
    final BorrowedOptions recoveryTraining() {
        return recovery.borrowed()
                .following("--batch", "--micro-batch", "--max-length", "--seed")
                .withDefault("--warmup", "0")
                .described("--warmup", "Steps in which the learning rate rises (default: ${DEFAULT-VALUE}).");
    }

    /// Checks what can be checked without reading anything.
    void checkOptions() {
        if (!masks.given()) {
            // Not by the parser, which would name it by its longer name.
            throw usage("Missing required option: '--sparsity=S'");
        }
        masks.check();
        checkEval();
        if (recoveryData().isEmpty() && hasOption("--recover-")) {
            throw usage("--recover-... need a recovery: --recover names what it learns from");
        }
    }

    @Override
    final Result run() throws Exception {
        checkOptions();
        checkPaths();
        checkApart("--data", data);
        try (RunFolder run = RunFolder.claim(out, running.opening()); Ops ops = options.open()) {
            MaskRun masked;
            Optional<EvalOptions.Text> text;
            // Before the training, which takes time, whatever may be wrong with data and options.
            try (ModelFolder dense = ModelFolder.open(model, ops)) {
                masked = prepare(dense, recoveryData().isEmpty());
                text = eval.read(dense, model, masked.prompt(dense));
            }
            if (recoveryData().isEmpty()) {
                return masked.alone(run, text, ops);
            }
            return new Recovery(masked, model, out, recoveryAfter(masked), eval).run(run, ops);
        }
    }

    /// @param dense the model
    /// @param merge whether adapters are merged when the masks are
    /// @return the training, all of it checked
    final MaskRun prepare(ModelFolder dense, boolean merge) throws IOException {
        ModelShape shape = dense.model().shape();
        GateSettings gates = masks.gates(shape);
        Optional<LoraState> initial =
                trainsMasksOnly() ? Optional.empty() : Optional.of(adapters.initial(shape, training.seed));
        AdapterOptions.Rows rows = rows(dense, Tokenizer.load(model));
        PreparedData prepared = PreparedData.read(terminal(), data, dense, model, training, adapters, rows);
        prepared.saySkipped(Optional.empty());
        long steps = prepared.settings().steps();
        MaskMethod method = method(steps);
        TrainingSettings settings = prepared.settings().after(method.stepsWithoutMasks());
        MaskTraining.Request request = new MaskTraining.Request(
                method,
                gates,
                masks.initialGates(),
                masks.schedule(steps, warmupSevenths()),
                masks.rates(steps),
                initial,
                settings,
                training.learningRate(settings.steps()),
                training.optimiser(AdamW.Settings.DEFAULT),
                prepared.training(),
                prepared.validation(),
                memory.bytes());
        return new MaskRun(terminal(), model, out, shape, rows, prepared, steps, new MaskPruning.Request(
                model.toString(),
                request,
                masks.landing(),
                masks.widths(),
                Optional.ofNullable(dtype),
                merge,
                rows.style().carried(),
                CheckpointWriter.Options.DEFAULT.shardBytes(),
                "espalier " + Version.number()));
    }

    /// @param masked a training of masks
    /// @return the recovery that follows it
    final AdapterTraining recoveryAfter(MaskRun masked) {
        recovery.complete(training);
        usualRecoverySteps(masked.maskedSteps()).ifPresent(recovery::stepsUnlessGiven);
        Path adapter = RunFolder.baseFolder(out).resolve(PeftAdapter.FOLDER);
        return new AdapterTraining(
                terminal(), recovery, recoveryAdapters, Optional.of(recoveryRows(masked.rows())),
                recoveryData(),
                shape -> trainsMasksOnly()
                        ? recoveryAdapters.initial(shape, recovery.seed)
                        : PeftAdapter.read(adapter, shape).state().withTargets(recoveryAdapters.sites(), recovery.seed),
                true, memory.bytes());
    }
}
