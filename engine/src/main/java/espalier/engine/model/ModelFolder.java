package espalier.engine.model;

import espalier.engine.weights.Checkpoint;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.PretrainedConfig;
import espalier.engine.weights.StoredTensor;
import espalier.kernels.Ops;
import espalier.kernels.StoredMatrix;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;

/// A checkpoint folder opened for running: configuration, mapped tensors, model.
public final class ModelFolder implements AutoCloseable {
    private final Checkpoint checkpoint;
    private final CheckpointWeights weights;
    private final Model model;
    private boolean isOpen = true;
    /// Null before it is asked for: it takes reading all weights.
    private String fingerprint;

    private ModelFolder(Checkpoint checkpoint, CheckpointWeights weights, Model model) {
        this.checkpoint = checkpoint;
        this.weights = weights;
        this.model = model;
    }

    /// @param folder a Hugging Face folder
    /// @param ops the backend; it must stay open as long as the model
    /// @return the model, its files mapped
    /// @throws CheckpointException if the configuration asks for mathematics that is not implemented, naming it, or if
    ///     tensors are missing, left over or of another shape
    /// @throws IOException if a file cannot be read
    public static ModelFolder open(Path folder, Ops ops) throws IOException {
        Checkpoint checkpoint = Checkpoint.open(folder);
        try {
            PretrainedConfig config = checkpoint.config();
            config.requireSupported(folder.resolve("config.json").toString());
            checkpoint.verifyTensors(Architecture.expectedTensors(config));
            CheckpointWeights weights = new CheckpointWeights(checkpoint);
            return new ModelFolder(checkpoint, weights, Model.load(weights, ModelShape.of(config), ops));
        } catch (Throwable e) {
            checkpoint.close();
            throw e;
        }
    }

    /// What decides about every number that comes out of this model.
    ///
    /// @return SHA-256 of family, shape (widths, rms_norm_eps, rope_theta, ...) and all weights, in hexadecimal digits
    public String fingerprint() {
        if (fingerprint == null) {
            MessageDigest digest = StoredTensor.newSha256();
            String described = config().modelType() + "\n" + model.shape() + "\n" + checkpoint.fingerprint();
            digest.update(described.getBytes(StandardCharsets.UTF_8));
            fingerprint = HexFormat.of().formatHex(digest.digest());
        }
        return fingerprint;
    }

    /// @return the model
    public Model model() {
        return model;
    }

    /// @return its configuration
    public PretrainedConfig config() {
        return checkpoint.config();
    }

    /// @return the open files
    public Checkpoint checkpoint() {
        return checkpoint;
    }

    /// @return its tensors as a model asks for them
    public WeightSource weights() {
        return weights;
    }

    /// @param tensor as the architecture declares it
    /// @return the stored tensor, a vector as a matrix of one column
    public StoredMatrix storedMatrix(TensorShape tensor) {
        return weights.stored(tensor);
    }

    /// Closing twice does nothing.
    @Override
    public void close() {
        if (isOpen) {
            isOpen = false;
            model.close();
            checkpoint.close();
        }
    }
}
