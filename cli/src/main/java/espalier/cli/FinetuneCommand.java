package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.adapt.PeftAdapter;
import espalier.engine.model.ModelFolder;
import espalier.engine.train.RunFolder;
import espalier.kernels.Ops;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Trains low-rank adapters of a model.
@Command(
        name = "finetune",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        description = "Train low-rank adapters (LoRA) on texts or instructions and merge them into the model.",
        footer = {
            "",
            "Examples:",
            "  espalier finetune --model M --data alpaca.jsonl.gz --out X",
            "  espalier finetune --model M --data book.txt --out X --steps 300 --batch 16 --targets q,v",
            "  espalier finetune --model M --data alpaca.jsonl.gz --out X --resume",
            "",
            "Data: .txt, or JSON rows (.jsonl, .json) with text, or instruction, input and output; also .gz.",
            "X/run is the run: settings, metrics, report.html, and the state from which --resume goes on after any stop.",
        })
final class FinetuneCommand extends JobCommand {
    @Option(names = "--model", required = true, paramLabel = "FOLDER", description = "A Hugging Face model folder.")
    private Path model;

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

    @Option(names = "--no-merge", description = "Write the adapter only, to --out/adapter.")
    private boolean noMerge;

    @Option(
            names = "--init-adapter",
            paramLabel = "FOLDER",
            description = "Go on with this PEFT adapter, its ranks and targets (default: a new one).")
    private Path initial;

    @Mixin
    private TrainingOptions training;

    @Mixin
    private AdapterOptions adapters;

    @Mixin
    private MemoryOption memory;

    @Mixin
    private ModelOptions options;

    FinetuneCommand(Terminal terminal) {
        super(terminal);
    }

    @Override
    Result run() throws Exception {
        if (initial != null && (hasOption("--lora-") || hasOption("--targets") || hasOption("--rank-of")
                || hasOption("--alpha-of"))) {
            throw usage("--init-adapter brings its own targets, ranks, alphas and dropout: it excludes --targets,"
                    + " --rank-of, --alpha-of and --lora-...");
        }
        Folders.require(model);
        Folders.checkApart(out, "--model", model);
        for (Path file : data) {
            Folders.checkApart(out, "--data", file);
        }
        if (initial != null) {
            Folders.checkApart(out, "--init-adapter", initial);
        }
        AdapterTraining job = new AdapterTraining(
                terminal(),
                training,
                adapters,
                Optional.empty(),
                data,
                shape -> initial == null
                        ? adapters.initial(shape, training.seed)
                        : PeftAdapter.read(initial, shape).state(),
                !noMerge,
                memory.bytes());
        try (RunFolder run = RunFolder.claim(out, running.opening());
                Ops ops = options.open();
                ModelFolder base = ModelFolder.open(model, ops)) {
            PreparedData prepared = job.prepare(base, model, Optional.empty());
            base.checkpoint().checkFinite(bytes -> {});
            return job.run(prepared, base, model, out, run, AdapterTraining.Stages.NONE)
                    .map(done -> result(done.json(), ops))
                    .orElseThrow(Stopped::new);
        }
    }

    private Result result(ObjectNode json, Ops ops) {
        json.put("model", model.toString());
        json.put("out", out.toString());
        ModelOptions.describe(json, ops);
        return new Result(json, summary(out, json));
    }

    /// The keys of a fine-tuning for people.
    static String summary(Path out, ObjectNode json) {
        long best = json.get("best_step").longValue();
        String validation;
        if (json.path("validation_loss").isNumber()) {
            String before = json.path("initial_validation_loss").isNumber()
                    ? "%.4f before, ".formatted(json.get("initial_validation_loss").doubleValue())
                    : "";
            validation = "validation loss %s%.4f at step %d, which is written"
                    .formatted(before, json.get("validation_loss").doubleValue(), best);
        } else {
            validation = "the state after step %d is written".formatted(best);
        }
        return """
                %s: %,d steps, %,d tokens, %,d trained parameters
                %s
                %.1f s, %.0f tokens/s in training, peak memory %,d bytes
                sha256 %s, report %s"""
                .formatted(
                        out,
                        json.get("steps").longValue(),
                        json.get("tokens").longValue(),
                        json.get("trained_parameters").longValue(),
                        validation,
                        json.get("seconds").doubleValue(),
                        json.get("tokens_per_second").doubleValue(),
                        json.get("peak_bytes").longValue(),
                        json.get("sha256").textValue(),
                        out.resolve("run").resolve("report.html"));
    }
}
