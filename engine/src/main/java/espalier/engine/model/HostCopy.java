package espalier.engine.model;

import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;

/// Results of a backend as arrays, for proofs that compare them. Meant for few tokens: logits come whole.
public final class HostCopy {
    private HostCopy() {}

    /// @param ops the backend
    /// @param tensor of it
    /// @return its elements, row-major
    public static float[] of(Ops ops, Tensor tensor) {
        float[] host = new float[Math.toIntExact(tensor.elements())];
        ops.toHost(tensor, host);
        return host;
    }

    /// Runs a model from end to end.
    ///
    /// @param model which
    /// @param batch the tokens
    /// @param pass the role
    /// @return `[tokens * vocab]`, the logits
    public static float[] logits(Model model, Batch batch, Pass pass) {
        try (Workspace ws = model.ops().newWorkspace()) {
            return logits(model, model.forward(batch, pass, Keep.NOTHING, ws).normed(), ws);
        }
    }

    /// @param model whose lm_head is applied
    /// @param normed `[tokens, hidden]`, what follows the final norm
    /// @param ws for temporaries
    /// @return `[tokens * vocab]`, the logits
    public static float[] logits(Model model, Tensor normed, Workspace ws) {
        int vocab = model.shape().vocab();
        float[] all = new float[Math.multiplyExact(normed.rows(), vocab)];
        model.lmHead().forEachChunk(normed, ws, (fromRow, logits) -> {
            float[] chunk = of(model.ops(), logits);
            System.arraycopy(chunk, 0, all, fromRow * vocab, chunk.length);
        });
        return all;
    }
}
