package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.MemoryPlan;
import espalier.engine.model.Model;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.PackedModel;
import espalier.engine.weights.PretrainedConfig;
import espalier.kernels.Ops;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.OptionalInt;

/// A model folder opened to be run, with its tokenizer and its backend.
final class RunningModel implements AutoCloseable {
    private final Ops ops;
    private final ModelFolder folder;
    private final Tokenizer tokenizer;

    private RunningModel(Ops ops, ModelFolder folder, Tokenizer tokenizer) {
        this.ops = ops;
        this.folder = folder;
        this.tokenizer = tokenizer;
    }

    static RunningModel open(Path path, ModelOptions options) throws IOException {
        Tokenizer tokenizer = Folders.tokenizer(path);
        Ops ops = options.open();
        try {
            return new RunningModel(ops, ModelFolder.open(path, ops), tokenizer);
        } catch (Throwable e) {
            ops.close();
            throw e;
        }
    }

    Model model() {
        return folder.model();
    }

    PretrainedConfig config() {
        return folder.config();
    }

    Tokenizer tokenizer() {
        return tokenizer;
    }

    /// The token that begins a text, where the configuration or else the tokenizer names one.
    OptionalInt beginToken() {
        return config().bosId().isPresent() ? config().bosId() : tokenizer.bosId();
    }

    /// @param option of the command line
    /// @param path of the model
    /// @return what is put before each input
    ModelPrefix prefix(PrefixOption option, Path path) {
        ModelPrefix prefix = ModelPrefix.of(option.mode(), config().prompt(), path, tokenizer, beginToken());
        prefix.tokens().ifPresent(tokens -> model().shape().requireIds("the prefix", tokens.ids()));
        return prefix;
    }

    /// @param tokens of the largest batch
    /// @param positions of the key/value cache; 0 for none
    /// @throws IllegalArgumentException listing what is needed, if the machine has less memory
    void requireMemory(int tokens, int positions) {
        MemoryPlan.inference(model().shape(), folder.checkpoint().bytes(), tokens, positions)
                .require(RunMemory.available());
    }

    /// The model for many rows at once, with packed copies of its weights where the machine has the memory.
    ///
    /// @param tokens of the largest batch
    /// @return to be closed before this
    PackedModel packed(int tokens) {
        MemoryPlan plan = MemoryPlan.inference(model().shape(), folder.checkpoint().bytes(), tokens, 0);
        return PackedModel.of(model(), RunMemory.available() - plan.total());
    }

    /// Something that the model is run for.
    interface Measurement<T> {
        T run() throws IOException;
    }

    /// Runs something on the model; where its numbers are not finite, looks for the reason in the weights.
    ///
    /// @throws espalier.engine.weights.CheckpointException naming file, tensor and value if a weight is not finite
    /// @throws ArithmeticException if the weights are fine and the result is not
    <T> T run(Measurement<T> measurement) throws IOException {
        try {
            return measurement.run();
        } catch (ArithmeticException e) {
            folder.checkpoint().checkFinite(bytes -> {});
            throw e;
        }
    }

    /// Adds which kernels made a result.
    void describe(ObjectNode json) {
        ModelOptions.describe(json, ops);
    }

    @Override
    public void close() {
        folder.close();
        ops.close();
    }
}
