package espalier.engine.prune;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.Architecture;
import espalier.engine.model.Batch;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.Model;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Pass;
import espalier.engine.model.WeightSource;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.PretrainedConfig;
import espalier.engine.weights.PrunedConfig;
import espalier.engine.weights.SafetensorsWriter;
import espalier.engine.weights.SideFile;
import espalier.engine.weights.StoredTensor;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.TensorToWrite;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/// Turns a plan into a smaller checkpoint, and proves it: first that the plan applied in F32 equals the masked model,
/// then that the file holds exactly the intended bytes. Source and result are never mapped at the same time.
public final class Compaction {
    /// Largest relative difference, in the norm of the logits, between the masked model and the plan applied in F32.
    public static final double TOLERANCE = 1e-5;

    private static final int PIECE_BYTES = 4 << 20;

    private Compaction() {}
}
