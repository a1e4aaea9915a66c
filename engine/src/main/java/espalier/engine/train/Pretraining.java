package espalier.engine.train;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.Architecture;
import espalier.engine.model.TensorShape;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.FileHash;
import espalier.engine.weights.PretrainedConfig;
import espalier.engine.weights.SideFile;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.TensorToWrite;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/// Pretraining from a configuration to a written model: trains all weights in a run directory, rounds those of the best
/// step to the type that is asked for, and publishes the checkpoint around the run directory.
public final class Pretraining {
    /// Settings that change nothing about the result: what is learnt from is told by the examples.
    private static final Set<String> FREE = Set.of("training.save_every", "data.files", "samples");

    /// What to do.
    ///
    /// @param config `config.json` of the model, as it is written
    /// @param type of the written weights, the one that the configuration says
    /// @param files what else belongs into the folder: the tokenizer
    /// @param training what to train, and how
    /// @param program name and version of the program: another one may have other kernels
    public record Request(
            ObjectNode config, StoredType type, List<SideFile> files, WeightTraining.Request training, String program) {
        /// Copies the list.
        public Request {
            files = List.copyOf(files);
        }
    }

    private Pretraining() {}

    /// All that decides about the result, for the run directory.
    ///
    /// @param request what to do
    /// @param data where the examples come from, for the reader of the file
    /// @param ops the backend
    /// @return the resolved configuration
    /// @throws IllegalArgumentException if it cannot be done, see [WeightTraining#check]
    public static RunConfig configuration(Request request, ObjectNode data, Ops ops) {
        WeightTraining.Request training = request.training();
        WeightTraining.check(training);
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.set("model", request.config());
        json.put("parameters", training.parameters());
        json.put("initial_seed", training.initial().seed());
        json.set("data", data);
        RunDescription.putTraining(
                json, training.training(), training.validation(), training.settings(), training.learningRate(),
                training.optimiser());
        json.putObject("samples").put("every", training.samples().every());
        RunDescription.putMachine(json, ops, request.program());
        return new RunConfig(json, FREE);
    }

    /// Trains, from the beginning or from where the run was left, and writes the result.
    ///
    /// @param request what to do
    /// @param run the run directory, configured with [#configuration]
    /// @param watch told of steps and samples
    /// @param ops the backend
    /// @return what `result.json` says; nothing if the run was asked to stop before its end
    /// @throws ArithmeticException see [Trainer#run]; or if no validation gave a finite loss
    /// @throws IOException if something cannot be read or written
    public static Optional<ObjectNode> run(Request request, RunFolder run, TrainingWatch watch, Ops ops)
            throws IOException {
        Optional<ObjectNode> before = run.result();
        if (before.isPresent()) {
            if (isPublished(request, run.out(), before.get())) {
                return before;
            }
            watch.say(RunDescription.LOST);
        }
        Trainer.Outcome outcome = WeightTraining.run(request.training(), run, watch, ops);
        if (!outcome.isComplete()) {
            return Optional.empty();
        }
        return Optional.of(run.publish(
                RunDescription.result(outcome), (folder, result) -> write(request, folder, outcome.best(), result)));
    }

    /// @return whether the files that were published are there, with the weights that were written
    private static boolean isPublished(Request request, Path out, ObjectNode result) throws IOException {
        return Files.exists(out.resolve("config.json"))
                && request.files().stream().allMatch(file -> Files.exists(out.resolve(file.name())))
                && FileHash.ofWeightsIfPresent(out).orElse("").equals(result.path("sha256").asText());
    }

    private static void write(Request request, Path folder, List<RunState.Values> best, ObjectNode result)
            throws IOException {
        Map<String, RunState.Values> values =
                best.stream().collect(Collectors.toMap(RunState.Values::name, Function.identity()));
        List<TensorToWrite> tensors = request.training().tensors().stream()
                .map(tensor -> rounded(tensor, values.get(tensor.name()), request.type()))
                .toList();
        CheckpointWriter.write(
                folder,
                request.config(),
                Architecture.expectedTensors(PretrainedConfig.parse(request.config(), folder.toString())),
                tensors,
                request.files(),
                new CheckpointWriter.Options(CheckpointWriter.Options.DEFAULT.shardBytes(), true));
        result.put("sha256", FileHash.ofWeights(folder));
    }

    private static TensorToWrite rounded(TensorShape tensor, RunState.Values values, StoredType type) {
        long[] dims = tensor.dims().stream().mapToLong(Integer::longValue).toArray();
        return TensorToWrite.ofFloats(tensor.name(), type, dims, values.data());
    }
}
