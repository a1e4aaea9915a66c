package espalier.engine.masked;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.gates.WidthRule;
import espalier.engine.model.ModelFolder;
import espalier.engine.train.RunConfig;
import espalier.engine.train.RunFolder;
import espalier.engine.train.TrainingWatch;
import espalier.engine.weights.ModelPrompt;
import espalier.kernels.DType;
import java.io.IOException;
import java.util.Optional;

/// Makes a smaller model of a folder by masks that are trained in a run directory.
public final class MaskPruning {
    /// What to do.
    ///
    /// @param baseName name or path of the model, for files
    /// @param training what to train, and how
    /// @param widths that may be left
    /// @param dtype element type of the result; empty for each tensor's own
    /// @param merge whether adapters are merged into the written model; else they lie in its folder `adapter`
    /// @param prompt that the examples begin with, which the written model carries; empty if they have none
    /// @param shardBytes most tensor bytes of a written file
    /// @param program name and version of the program: another one may have other kernels
    public record Request(
            String baseName,
            MaskTraining.Request training,
            WidthRule widths,
            Optional<DType> dtype,
            boolean merge,
            Optional<ModelPrompt> prompt,
            long shardBytes,
            String program) {}

    private MaskPruning() {}

    /// All that decides about the result, for the run directory.
    ///
    /// @param base the model
    /// @param request what to do
    /// @param data where the examples come from, for the reader of the file
    /// @return the resolved configuration
    /// @throws IllegalArgumentException if it cannot be done
    public static RunConfig configuration(ModelFolder base, Request request, ObjectNode data) {
        throw new UnsupportedOperationException();
    }

    /// Trains, from the beginning or from where the run was left, and writes the result.
    ///
    /// @param base the model; closed when the smaller one is written
    /// @param request what to do
    /// @param run the run directory, configured with [#configuration]
    /// @param watch told of steps
    /// @return what `result.json` says; nothing if the run was asked to stop before its end
    /// @throws ArithmeticException see [espalier.engine.train.Trainer#run]
    /// @throws IOException if something cannot be read or written
    public static Optional<ObjectNode> run(ModelFolder base, Request request, RunFolder run, TrainingWatch watch)
            throws IOException {
        throw new UnsupportedOperationException();
    }
}
