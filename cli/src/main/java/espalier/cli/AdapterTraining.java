package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.bindings.PeakMemory;
import espalier.cli.report.Report;
import espalier.cli.report.TrainingReport;
import espalier.engine.adapt.LoraState;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.train.AdamW;
import espalier.engine.train.Finetuning;
import espalier.engine.train.LoraTraining;
import espalier.engine.train.RunFolder;
import espalier.engine.weights.CheckpointWriter;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// From files and options to a fine-tuned model: what `finetune` and `prune --recover` share.
///
/// @param terminal where progress is shown
/// @param options how to train
/// @param adapters what to train
/// @param rows how rows become text; empty for what [#adapters] and the model's own prompt say
/// @param data files to learn from
/// @param initial adapters to begin with
/// @param merge whether the merged model is written
/// @param memory bytes that may be used
record AdapterTraining(
        Terminal terminal,
        TrainingOptions options,
        AdapterOptions adapters,
        Optional<AdapterOptions.Rows> rows,
        List<Path> data,
        InitialAdapters initial,
        boolean merge,
        long memory) {
    private static final String PREFIX = "prefix";
    private static final Logger LOG = System.getLogger("espalier.cli");

    /// What was found.
    ///
    /// @param json the keys of docs/json.md
    /// @param stages rows that were measured
    record Done(ObjectNode json, List<ObjectNode> stages) {}

    /// Reads the data.
    ///
    /// @param model that will be trained, or one of the same tokenizer and context
    /// @param folder where it lies
    /// @param before what was read for a training before this one
    PreparedData prepare(ModelFolder model, Path folder, Optional<PreparedData> before) throws IOException {
        AdapterOptions.Rows wanted =
                rows.orElseGet(() -> adapters.rows(model.config().prompt(), folder));
        PreparedData prepared = PreparedData.read(terminal, data, model, folder, options, adapters, wanted);
        prepared.saySkipped(before);
        // What is wrong with these shall be known before long work, too.
        adapters.lora(model.model().shape().layers().size());
        return prepared;
    }

    /// Trains and writes.
    ///
    /// @param prepared from [#prepare]
    /// @param base the model
    /// @param baseFolder where it lies
    /// @param out the folder to make
    /// @param run its run directory, claimed
    /// @param stages measures the result for the report, while the run is still locked
    /// @return what was found; nothing if a signal asked the run to stop
    Optional<Done> run(
            PreparedData prepared, ModelFolder base, Path baseFolder, Path out, RunFolder run, Stages stages)
            throws IOException {
        LoraTraining.Request training = new LoraTraining.Request(
                initial.of(base.model().shape()),
                prepared.settings(),
                options.learningRate(prepared.settings().steps()),
                options.optimiser(AdamW.Settings.DEFAULT),
                prepared.training(),
                prepared.validation(),
                memory);
        Finetuning.Request request = new Finetuning.Request(
                baseFolder.toString(),
                training,
                merge,
                CheckpointWriter.Options.DEFAULT.shardBytes(),
                "espalier " + Version.number());
        run.configure(
                Finetuning.configuration(base, request, prepared.described()),
                state -> LoraTraining.check(training, state));
        return Work.of(() -> run(request, prepared, base, new TrainingRun(terminal, run, out), stages));
    }

    private Optional<Done> run(
            Finetuning.Request request, PreparedData prepared, ModelFolder base, TrainingRun frame, Stages stages)
            throws IOException {
        Optional<ObjectNode> result = frame.train(watch -> Finetuning.run(base, request, frame.run(), watch));
        if (result.isEmpty()) {
            return Optional.empty();
        }
        ObjectNode json = result.get();
        json.put("trained_parameters", request.training().initial().parameters());
        prepared.putRows(json);
        json.put(PREFIX, prepared.described().get(PREFIX).textValue());
        List<ObjectNode> measured = stages.measure(json);
        json.put("peak_bytes", PeakMemory.bytes());
        frame.report(stages.report(frame, json, measured));
        return Optional.of(new Done(json, measured));
    }

    /// Measures the model before and after.
    @FunctionalInterface
    interface Stages {
        /// Nothing is measured.
        Stages NONE = json -> List.of();

        /// @param json what was found so far
        /// @return a row for each stage: stage, parameters, perplexity, seconds
        List<ObjectNode> measure(ObjectNode json) throws IOException;

        /// @param frame of the training
        /// @param json what was found
        /// @param measured from [#measure]
        /// @return the page of the whole run
        default Report report(TrainingRun frame, ObjectNode json, List<ObjectNode> measured) throws IOException {
            return TrainingReport.of(frame.title("Fine-tuning"), frame.held(json), measured);
        }
    }

    /// Where adapters come from.
    @FunctionalInterface
    interface InitialAdapters {
        /// @param shape of the model that is trained
        /// @return adapters to begin with
        LoraState of(ModelShape shape) throws IOException;
    }
}
