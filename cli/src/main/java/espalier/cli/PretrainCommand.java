package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.bindings.PeakMemory;
import espalier.cli.report.TrainingReport;
import espalier.engine.model.InitialWeights;
import espalier.engine.train.AdamW;
import espalier.engine.train.Pretraining;
import espalier.engine.train.RunFolder;
import espalier.engine.train.TextSamples;
import espalier.engine.train.WeightTraining;
import espalier.engine.weights.FileHash;
import espalier.engine.weights.StoredType;
import espalier.eval.data.PromptStyle;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Trains a model from nothing.
@Command(
        name = "pretrain",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        defaultValueProvider = PretrainDefaults.class,
        description = "Train all weights of a new model on texts, from random numbers to a checkpoint.",
        footer = {
            "",
            "Examples:",
            "  espalier pretrain --config config.json --tokenizer T --data stories.txt.gz --out X",
            "  espalier pretrain --config config.json --tokenizer T --data stories.txt.gz --out X --steps 4000 "
                    + "--batch 32 --lr 2e-3 --sample-every 100",
            "  espalier pretrain --config config.json --tokenizer T --data stories.txt.gz --out X --resume",
            "",
            "Data: .txt, in which a line <|endoftext|> ends a document, or JSON rows (.jsonl, .json) with text, or",
            "either as .gz. Documents are joined, each with the begin and end tokens, and cut into",
            "sequences of --max-length tokens.",
            "X/run is the run: settings, metrics, report.html, and the state from which --resume goes on after any",
            "stop.",
        })
final class PretrainCommand extends JobCommand {
    private static final AdamW.Settings ADAM_W = new AdamW.Settings(0.9, 0.95, 1e-8, 0);

    @Option(
            names = "--config",
            required = true,
            paramLabel = "FILE",
            description = "config.json of the model to make, or a folder that has one.")
    private Path config;

    @Option(
            names = "--tokenizer",
            required = true,
            paramLabel = "FOLDER",
            description = "Its tokenizer is copied; it must have no more tokens than vocab_size, and the same "
                    + "begin and end tokens.")
    private Path tokenizer;

    @Option(
            names = "--data",
            required = true,
            paramLabel = "FILE",
            description = "What to learn from; may be repeated, the files are mixed.")
    private List<Path> data;

    @Option(names = "--out", required = true, paramLabel = "FOLDER", description = "The folder to make.")
    private Path out;

    @Mixin
    private RunOptions running;

    @Option(
            names = "--dtype",
            paramLabel = "bf16|f16|f32",
            converter = InitCommand.TypeConverter.class,
            defaultValue = "bf16",
            description = "Type of the written weights; they are trained in F32 (default: ${DEFAULT-VALUE}).")
    private StoredType type;

    @Mixin
    private TrainingOptions training;

    @Mixin
    private SampleOptions samples;

    @Mixin
    private MemoryOption memory;

    @Mixin
    private ModelOptions options;

    PretrainCommand(Terminal terminal) {
        super(terminal);
    }

    @Override
    Result run() throws Exception {
        Folders.checkApart(out, "--config", config);
        Folders.checkApart(out, "--tokenizer", tokenizer);
        for (Path file : data) {
            Folders.checkApart(out, "--data", file);
        }
        NewModel model = NewModel.read(config, tokenizer, type);
        model.config().requireSupported(config.toString());
        model.requireSameRoles(config);
        // Whatever is wrong with these shall be known before long reading.
        TextSamples.Settings watched = samples.settings(model, training.seed);
        long bytes = memory.bytes();
        try (RunFolder run = RunFolder.claim(out, running.opening()); Ops ops = options.open()) {
            PreparedData prepared = PreparedData.read(
                    terminal(),
                    data,
                    model.tokenizer(),
                    PreparedData.reading(training, PromptStyle.PLAIN, model.config(), model.tokenizer()),
                    training);
            prepared.saySkipped(Optional.empty());
            if (prepared.instructionRows() > 0) {
                throw new IllegalArgumentException("--data has " + prepared.instructionRows()
                        + " rows of instructions, pretrain expects texts; finetune learns answers");
            }
            prepared.described().put("tokenizer", FileHash.of(tokenizer.resolve("tokenizer.json")));
            Pretraining.Request request = request(model, prepared, watched, bytes);
            run.configure(
                    Pretraining.configuration(request, prepared.described(), ops),
                    state -> WeightTraining.check(request.training(), state));
            return Work.of(() -> train(request, prepared, new TrainingRun(terminal(), run, out), ops))
                    .orElseThrow(Stopped::new);
        }
    }

    private Optional<Result> train(Pretraining.Request request, PreparedData prepared, TrainingRun frame, Ops ops)
            throws IOException {
        Optional<ObjectNode> result = frame.train(watch -> Pretraining.run(request, frame.run(), watch, ops));
        if (result.isEmpty()) {
            return Optional.empty();
        }
        ObjectNode json = result.get();
        json.put("trained_parameters", request.training().parameters());
        prepared.putRows(json);
        json.put("peak_bytes", PeakMemory.bytes());
        frame.report(TrainingReport.of(frame.title("Pretraining"), frame.held(json), List.of()));
        json.put("out", out.toString());
        ModelOptions.describe(json, ops);
        return Optional.of(new Result(json, FinetuneCommand.summary(out, json)));
    }

    private Pretraining.Request request(
            NewModel model, PreparedData prepared, TextSamples.Settings watched, long bytes) {
        WeightTraining.Request weights = new WeightTraining.Request(
                model.shape(),
                model.tensors(),
                new InitialWeights(training.seed),
                prepared.settings(),
                training.learningRate(prepared.settings().steps()),
                training.optimiser(ADAM_W),
                prepared.training(),
                prepared.validation(),
                watched,
                bytes);
        return new Pretraining.Request(
                model.config().raw(), type, model.tokenizerFiles(), weights, "espalier " + Version.number());
    }
}
