package espalier.engine.masked;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.gates.GateMask;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.LiveModel;
import espalier.engine.model.LivePass;
import espalier.engine.model.Model;
import espalier.engine.model.StateGradients;
import espalier.engine.train.Objective;
import espalier.kernels.Ops;
import espalier.kernels.SquaredError;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/// NutePrune's: a teacher's distribution and hidden states, the teacher being the same model in another role
/// (nuteprune.md §1).
///
/// The divergence of a micro-batch is summed over its tokens and divided by its sequences. The layers' mean squared
/// differences, of the raw residual stream after all but the last layer and of the final norm's output, leave out the
/// entries that are exactly 0 in the student. Labels do not matter. Of a batch cut into micro-batches each counts by its
/// sequences.
///
/// With gates over layers, a layer is compared in the micro-batches in which the gate over its FFN, or over all of it,
/// is 1, and left out of the sum in the others; what is left is neither divided nor weighted anew. That is how the
/// specification and the release have it. They inherit it from CoFi, where such a layer is absent; here its FFN is dense
/// then, while its input, and with a gate of its own its attention, may be pruned. A layer without such a gate is always
/// compared. What counts is the gate as it multiplies, rounded to 0 or 1, where the release looks at the draw before.
///
/// @param live runs both roles
/// @param method weights and temperature
/// @param teachers who teaches
record DistillationTask(LiveModel live, MaskMethod.NutePrune method, Teachers teachers) implements Task {
    @Override
    public Loss prepare(Objective.MicroBatch part, Workspace ws) throws IOException {
        LivePass role = live.begin(teachers.at(part.step()), ws);
        Keep keep = method.layerWeight() > 0 ? Keep.LAYER_INPUTS : Keep.NOTHING;
        Hidden taught = live.model().forward(part.examples().batch(), role.pass(), keep, ws);
        double share = (double) part.examples().size() / part.batchRows();
        return (dNormed, student, gates, temporary) ->
                compare(live.model(), method, student, gates, taught, share, dNormed, temporary);
    }

    /// Both losses and their gradients.
    ///
    /// @param model whose roles are compared
    /// @param method weights and temperature
    /// @param student its states
    /// @param gates the student's; empty if it has no masks
    /// @param taught its teacher's
    /// @param share of the micro-batch in the batch, which gradients are multiplied by
    /// @param dNormed `[tokens, hidden]`, =
    /// @param ws for temporaries
    /// @return the loss
    static Task.Found compare(
            Model model, MaskMethod.NutePrune method, Hidden student, Optional<GateMask> gates, Hidden taught,
            double share, Tensor dNormed, Workspace ws) {
        return new Comparison(model, method, student, gates, taught, share).find(dNormed, ws);
    }

    @Override
    public void describe(ObjectNode metrics) {
        teachers.describe(metrics);
    }

    @Override
    public String inWords() {
        return teachers.inWords();
    }

    @Override
    public void close() {
        teachers.close();
    }

    private static final class Comparison {
        private final Model model;
        private final MaskMethod.NutePrune method;
        private final Hidden student;
        private final Optional<GateMask> gates;
        private final Hidden taught;
        private final double share;
        private final Map<String, Double> terms = new LinkedHashMap<>();
        private double loss;

        Comparison(
                Model model, MaskMethod.NutePrune method, Hidden student, Optional<GateMask> gates, Hidden taught,
                double share) {
            this.model = model;
            this.method = method;
            this.student = student;
            this.gates = gates;
            this.taught = taught;
            this.share = share;
        }

        Found find(Tensor dNormed, Workspace ws) {
            if (method.klWeight() > 0) {
                divergence(dNormed, ws);
            } else {
                ops().fill(dNormed, 0);
            }
            StateGradients states = method.layerWeight() > 0 ? layers(dNormed) : StateGradients.NONE;
            return new Found(share, loss, terms, states);
        }

        private void divergence(Tensor dNormed, Workspace ws) {
            double perSequence = method.temperature() * method.temperature() / student.batch().sequences();
            double kl = perSequence * model.lmHead()
                    .distill(
                            dNormed, student, taught, (float) method.temperature(),
                            (float) (method.klWeight() * perSequence * share), ws)
                    .sum();
            terms.put("kl", kl);
            loss += method.klWeight() * kl;
        }

        private StateGradients layers(Tensor dNormed) {
            int layers = student.states().size() - 1;
            float[] scales = new float[layers];
            double sum = 0;
            for (int state = 1; state < layers; state++) {
                if (isCompared(state - 1)) {
                    SquaredError error = ops().squaredError(student.states().get(state), taught.states().get(state));
                    scales[state] = scale(error);
                    sum += mean(error);
                }
            }
            if (isCompared(layers - 1)) {
                SquaredError last = ops().squaredError(student.normed(), taught.normed());
                ops().squaredErrorBackward(dNormed, student.normed(), taught.normed(), scale(last));
                sum += mean(last);
            }
            terms.put("layers", sum);
            loss += method.layerWeight() * sum;
            return (state, d) -> {
                if (state < layers && isCompared(state - 1)) {
                    ops().squaredErrorBackward(
                            d, student.states().get(state), taught.states().get(state), scales[state]);
                }
            };
        }

        private boolean isCompared(int layer) {
            return gates.isEmpty() || gates.get().prunesFfn(layer);
        }

        private float scale(SquaredError error) {
            return (float) (method.layerWeight() * share / Math.max(1, error.count()));
        }

        private static double mean(SquaredError error) {
            return error.sum() / Math.max(1, error.count());
        }

        private Ops ops() {
            return model.ops();
        }
    }
}
