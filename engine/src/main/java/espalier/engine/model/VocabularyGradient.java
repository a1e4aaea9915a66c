package espalier.engine.model;

import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import java.util.Arrays;

/// Produces the gradients of the embedding and of lm_head, some rows of the vocabulary at a time, so that neither is
/// ever held whole.
public final class VocabularyGradient {
    private final Model model;
    private final Batch batch;
    private final Tensor dEmbedded;
    private final LmHead.Backward head;

    VocabularyGradient(Model model, Batch batch, Tensor dEmbedded, LmHead.Backward head) {
        this.model = model;
        this.batch = batch;
        this.dEmbedded = dEmbedded;
        this.head = head;
    }

    /// @return the tokens
    public Batch batch() {
        return batch;
    }

    /// @return the embedding, `[vocab, hidden]`
    public Weight embedding() {
        return model.embedding();
    }

    /// @return lm_head, `[vocab, hidden]`; the embedding where they are tied
    public Weight lmHead() {
        return model.lmHead().weight();
    }

    /// @return size of the vocabulary
    public int vocab() {
        return model.shape().vocab();
    }

    /// @return whether both gradients belong to the same matrix
    public boolean isTied() {
        return model.shape().tied();
    }

    /// Adds what some tokens contribute to some rows of the embedding's gradient.
    ///
    /// @param dTable `[rows, hidden]`, +=
    /// @param fromRow first row of the vocabulary
    /// @param fromToken first token of the batch
    /// @param toToken one past the last
    public void addEmbedding(Tensor dTable, int fromRow, int fromToken, int toToken) {
        Ops ops = model.ops();
        int[] ids = Arrays.copyOfRange(batch.ids(), fromToken, toToken);
        ops.embedBackward(dTable, fromRow, dEmbedded.rowRange(fromToken, toToken), ids);
    }

    /// Adds what some tokens contribute to some rows of lm_head's gradient.
    ///
    /// @param dTable `[rows, hidden]`, +=
    /// @param fromRow first row of the vocabulary
    /// @param fromToken first token of the batch
    /// @param toToken one past the last
    /// @param ws for temporaries
    public void addLmHead(Tensor dTable, int fromRow, int fromToken, int toToken, Workspace ws) {
        head.addWeightGradient(dTable, fromRow, fromToken, toToken, ws);
    }
}
