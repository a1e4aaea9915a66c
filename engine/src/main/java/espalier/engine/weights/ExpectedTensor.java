package espalier.engine.weights;

import java.util.Arrays;

/// A tensor that a configuration calls for. Which ones a model has, its architecture declares; this package only
/// compares them with what a file holds.
///
/// @param name as in the file, e.g. `model.layers.0.self_attn.k_proj.weight`
/// @param reason where the shape comes from, for messages, e.g. `8 kv heads x 128`; may be empty
/// @param shape dimensions, outermost first; 0 is legal, as a layer may have no heads or no feed-forward channels
public record ExpectedTensor(String name, String reason, long[] shape) {
    /// `[vocab, hidden]`; where embedding and head are tied a file may store it as [#LM_HEAD] instead.
    static final String EMBEDDING = "model.embed_tokens.weight";
    /// `[vocab, hidden]`; where embedding and head are tied it is not expected, but may be stored.
    static final String LM_HEAD = "lm_head.weight";

    /// Copies the shape.
    public ExpectedTensor {
        shape = shape.clone();
    }

    /// @return a copy of the dimensions
    @Override
    public long[] shape() {
        return shape.clone();
    }

    /// @param name of the tensor
    /// @param actual its shape
    /// @param expected the shape it should have
    /// @param reason where that comes from; may be empty
    /// @return the message for a tensor of another shape, without the file
    public static String shapeMessage(String name, long[] actual, long[] expected, String reason) {
        return "tensor " + name + " has shape " + Arrays.toString(actual) + ", expected " + Arrays.toString(expected)
                + (reason.isEmpty() ? "" : " (" + reason + ")");
    }

    /// @return whether old files store this buffer though it follows from the configuration
    static boolean isDerivedBuffer(String name) {
        return name.endsWith(".rotary_emb.inv_freq");
    }
}
