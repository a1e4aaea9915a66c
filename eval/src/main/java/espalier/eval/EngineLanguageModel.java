package espalier.eval;

import espalier.engine.model.Batch;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.Model;
import espalier.engine.model.Pass;
import espalier.engine.model.TokenLosses;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// A [Model] of this process, in the role that a [Pass] gives it.
public final class EngineLanguageModel implements LanguageModel, AutoCloseable {
    /// Tokens of a call that is efficient: enough rows to share a packed weight among; more only costs memory.
    public static final int EFFICIENT_TOKENS = 1024;

    private final Model model;
    private final Pass pass;
    private final Workspace memory;

    /// @param model stays open as long as this
    /// @param pass gates and adapters; nothing is trained
    public EngineLanguageModel(Model model, Pass pass) {
        this.model = model;
        this.pass = pass;
        this.memory = model.ops().newWorkspace();
    }

    /// @param model as it is; stays open as long as this
    public EngineLanguageModel(Model model) {
        this(model, Pass.plain(model.shape().layers().size()));
    }

    @Override
    public int maxTokens() {
        return model.shape().maxPositions();
    }

    @Override
    public int efficientTokens() {
        return EFFICIENT_TOKENS;
    }

    @Override
    public List<double[]> losses(List<int[]> sequences) {
        Batch batch = Batch.of(sequences.toArray(int[][]::new));
        long mark = memory.mark();
        Hidden hidden = model.forward(batch, pass, Keep.NOTHING, memory);
        TokenLosses losses = model.lmHead().loss(hidden, batch.nextTokens(), memory);
        memory.release(mark);
        List<double[]> perSequence = new ArrayList<>();
        for (int s = 0; s < batch.sequences(); s++) {
            int from = batch.sequenceStart()[s];
            int last = batch.sequenceStart()[s + 1] - 1;
            requireFinite(losses.values(), from, last);
            perSequence.add(Arrays.copyOfRange(losses.values(), from, last));
        }
        return perSequence;
    }

    private static void requireFinite(double[] losses, int from, int to) {
        for (int i = from; i < to; i++) {
            if (!Double.isFinite(losses[i])) {
                throw new ArithmeticException(
                        "the loss of token %d of a sequence is %s: the model's logits are not finite"
                                .formatted(i - from + 1, losses[i]));
            }
        }
    }

    @Override
    public void close() {
        memory.close();
    }
}
