package espalier.engine.train;

import espalier.engine.model.Batch;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.Model;
import espalier.engine.model.Parameter;
import espalier.engine.model.Pass;
import espalier.engine.model.StateGradients;
import espalier.engine.model.TokenLosses;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.List;

/// Cross-entropy of the labelled tokens. Sequences are packed without padding; what is trained comes with the role.
public final class NextTokenLoss implements Objective, AutoCloseable {
    private final Model model;
    private final Role role;
    private final Keep keep;
    private final Workspace ws;

    /// How the model takes part.
    public interface Role {
        /// @return what is trained
        List<Parameter> parameters();

        /// @param step steps of the run done before
        /// @param firstRow index of the micro-batch's first sequence in the whole batch
        /// @return the pass of a forward and backward
        Pass training(long step, int firstRow);

        /// @return the pass of an evaluation
        Pass evaluation();
    }

    /// @param model stays open as long as this
    /// @param role what is trained
    /// @param keep what a training forward keeps, at least the layer inputs
    /// @param ws for activations, of the model's backend; closed with this
    public NextTokenLoss(Model model, Role role, Keep keep, Workspace ws) {
        this.model = model;
        this.role = role;
        this.keep = keep;
        this.ws = ws;
    }

    @Override
    public List<Parameter> parameters() {
        return role.parameters();
    }

    @Override
    public LossSum train(MicroBatch part) {
        Batch batch = part.examples().batch();
        int[] targets = part.examples().targets();
        Pass pass = role.training(part.step(), part.firstRow());
        long mark = ws.mark();
        try {
            Hidden hidden = model.forward(batch, pass, keep, ws);
            Tensor dNormed = ws.take(batch.tokens(), model.shape().hidden());
            TokenLosses losses = model.lmHead()
                    .lossBackward(
                            dNormed, pass.weightGradients().lmHead(), hidden, targets, (float) part.scale(), ws);
            if (losses.count() > 0) {
                model.backward(hidden, dNormed, StateGradients.NONE, pass, ws);
            }
            return new LossSum(losses.sum(), losses.count(), batch.tokens());
        } finally {
            ws.release(mark);
        }
    }

    @Override
    public LossSum evaluate(Examples examples) {
        Batch batch = examples.batch();
        long mark = ws.mark();
        try {
            Hidden hidden = model.forward(batch, role.evaluation(), Keep.NOTHING, ws);
            TokenLosses losses = model.lmHead().loss(hidden, examples.targets(), ws);
            return new LossSum(losses.sum(), losses.count(), batch.tokens());
        } finally {
            ws.release(mark);
        }
    }

    /// @return bytes of activations held
    public long heldBytes() {
        return ws.heldBytes();
    }

    /// Frees the activations.
    @Override
    public void close() {
        ws.close();
    }
}
