package espalier.engine.train;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.adapt.LoraMerge;
import espalier.engine.adapt.LoraState;
import espalier.engine.adapt.PeftAdapter;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.Probe;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.DurableFiles;
import espalier.engine.weights.FileHash;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/// Fine-tuning from a model to a written one: trains adapters in a run directory, merges the best ones into the weights,
/// and publishes the result around the run directory.
public final class Finetuning {
    private static final String MERGE_DIFFERENCE = "merge_difference";

    /// What to do.
    ///
    /// @param baseName name or path of the model, for `adapter_config.json`
    /// @param training what to train, and how
    /// @param merge whether the merged model is written beside the adapter
    /// @param shardBytes most tensor bytes of a written file
    /// @param program name and version of the program: another one may have other kernels
    public record Request(
            String baseName, LoraTraining.Request training, boolean merge, long shardBytes, String program) {}

    private Finetuning() {}

    /// All that decides about the result, for the run directory.
    ///
    /// @param base the model
    /// @param request what to do
    /// @param data where the examples come from, for the reader of the file
    /// @return the resolved configuration
    /// @throws IllegalArgumentException if it cannot be done, see [LoraTraining#check]
    public static RunConfig configuration(ModelFolder base, Request request, ObjectNode data) {
        LoraTraining.Request training = request.training();
        LoraTraining.check(base.model().shape(), base.checkpoint().bytes(), training);
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        ObjectNode model = json.putObject("model");
        model.put("name", request.baseName());
        model.put("fingerprint", base.fingerprint());
        json.set("data", data);
        RunDescription.putAdapters(json, training.initial());
        RunDescription.putTraining(
                json, training.training(), training.validation(), training.settings(), training.learningRate(),
                training.optimiser());
        json.put("merge", request.merge());
        RunDescription.putMachine(json, base.model().ops(), request.program());
        return new RunConfig(json, RunDescription.FREE);
    }

    /// Trains, from the beginning or from where the run was left, and writes the result.
    ///
    /// @param base the model; stays as it is
    /// @param request what to do
    /// @param run the run directory, configured with [#configuration]
    /// @param watch told of steps
    /// @return what `result.json` says; nothing if the run was asked to stop before its end
    /// @throws ArithmeticException see [Trainer#run]; if no validation gave a finite loss; or if a merged weight is
    ///     beyond the range of its type
    /// @throws IOException if something cannot be read or written
    public static Optional<ObjectNode> run(ModelFolder base, Request request, RunFolder run, TrainingWatch watch)
            throws IOException {
        Optional<ObjectNode> before = run.result();
        if (before.isPresent()) {
            boolean wasMerged = before.get().has(MERGE_DIFFERENCE);
            boolean isThere = isPublished(run.out(), wasMerged, before.get());
            // A merged result has the adapter beside it, so it has all that is asked for without merging.
            if (isThere && (wasMerged || !request.merge())) {
                return before;
            }
            if (!isThere) {
                watch.say(RunDescription.LOST);
            }
        }
        LoraTraining.Trained trained = LoraTraining.run(base, request.training(), run, watch);
        if (!trained.outcome().isComplete()) {
            return Optional.empty();
        }
        base.checkpoint().verifyUnchanged();
        return Optional.of(run.publish(
                RunDescription.result(trained.outcome()),
                (folder, result) -> write(base, request, folder, trained.best(), result)));
    }

    /// @return whether the files that were published are there, with the weights that were written
    private static boolean isPublished(Path out, boolean merged, ObjectNode result) throws IOException {
        Path adapter = out.resolve(PeftAdapter.FOLDER).resolve(PeftAdapter.TENSORS);
        boolean complete = Files.exists(adapter)
                && Files.exists(adapter.resolveSibling("adapter_config.json"))
                && (!merged || Files.exists(out.resolve("config.json")));
        if (!complete) {
            return false;
        }
        String hash = merged ? FileHash.ofWeightsIfPresent(out).orElse("") : FileHash.of(adapter);
        return hash.equals(result.path("sha256").asText());
    }

    private static void write(
            ModelFolder base, Request request, Path folder, LoraState best, ObjectNode result) throws IOException {
        PeftAdapter adapter = new PeftAdapter(request.baseName(), best);
        if (!request.merge()) {
            try {
                Files.createDirectory(folder);
            } catch (IOException e) {
                throw DurableFiles.cannotWrite(folder, e);
            }
            adapter.write(folder.resolve(PeftAdapter.FOLDER), true);
            result.put("sha256", FileHash.of(folder.resolve(PeftAdapter.FOLDER).resolve(PeftAdapter.TENSORS)));
            return;
        }
        LoraMerge.Written written = LoraMerge.write(base, best, new LoraMerge.Request(
                folder,
                new CheckpointWriter.Options(request.shardBytes(), true),
                adapter.files(PeftAdapter.FOLDER + "/"),
                Probe.of(base.model().shape())));
        result.put(MERGE_DIFFERENCE, written.layerDifference());
        result.put("logits_difference", written.logitsDifference());
        result.put("rounding_difference", written.roundingDifference());
        result.put("sha256", FileHash.ofWeights(folder));
    }
}
