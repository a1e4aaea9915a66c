package espalier.engine.masked;

import com.fasterxml.jackson.databind.node.ObjectNode;
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

/// NutePrune's: a teacher's distribution and hidden states, the teacher being the same model in another role
/// (nuteprune.md §1).
///
/// The divergence of a micro-batch is summed over its tokens and divided by its sequences. The layers' mean squared
/// differences, of the raw residual stream after all but the last layer and of the final norm's output, leave out the
/// entries that are exactly 0 in the student. Labels do not matter. Of a batch cut into micro-batches each counts by its
/// sequences.
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
        return (dNormed, student, temporary) ->
                compare(live.model(), method, student, taught, share, dNormed, temporary);
    }

    /// Both losses and their gradients.
    ///
    /// @param model whose roles are compared
    /// @param method weights and temperature
    /// @param student its states
    /// @param taught its teacher's
    /// @param share of the micro-batch in the batch, which gradients are multiplied by
    /// @param dNormed `[tokens, hidden]`, =
    /// @param ws for temporaries
    /// @return the loss
    static Task.Found compare(
            Model model, MaskMethod.NutePrune method, Hidden student, Hidden taught, double share, Tensor dNormed,
            Workspace ws) {
        return new Comparison(model, method, student, taught, share).find(dNormed, ws);
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
        private final Hidden taught;
        private final double share;
        private final Map<String, Double> terms = new LinkedHashMap<>();
        private double loss;

        Comparison(Model model, MaskMethod.NutePrune method, Hidden student, Hidden taught, double share) {
            this.model = model;
            this.method = method;
            this.student = student;
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
                SquaredError error = ops().squaredError(student.states().get(state), taught.states().get(state));
                scales[state] = scale(error);
                sum += mean(error);
            }
            SquaredError last = ops().squaredError(student.normed(), taught.normed());
            ops().squaredErrorBackward(dNormed, student.normed(), taught.normed(), scale(last));
            sum += mean(last);
            terms.put("layers", sum);
            loss += method.layerWeight() * sum;
            return (state, d) -> {
                if (state < layers) {
                    ops().squaredErrorBackward(
                            d, student.states().get(state), taught.states().get(state), scales[state]);
                }
            };
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
