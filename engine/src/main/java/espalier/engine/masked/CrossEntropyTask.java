package espalier.engine.masked;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.LmHead;
import espalier.engine.model.StateGradients;
import espalier.engine.train.Objective;
import espalier.kernels.Workspace;
import java.util.Map;

/// Compresso's: the labelled tokens.
///
/// @param lmHead of the model
record CrossEntropyTask(LmHead lmHead) implements Task {
    @Override
    public Loss prepare(Objective.MicroBatch part, Workspace ws) {
        return (dNormed, student, _, temporary) -> {
            double mean = lmHead.lossBackward(
                            dNormed, student, part.examples().targets(), (float) part.scale(), temporary)
                    .mean();
            double share = part.scale() * part.examples().labels();
            return new Found(share, mean, Map.of("cross_entropy", mean), StateGradients.NONE);
        };
    }

    @Override
    public void describe(ObjectNode metrics) {}

    @Override
    public String inWords() {
        return "";
    }

    @Override
    public void close() {}
}
