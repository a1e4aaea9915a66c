package espalier.engine.model;

import static espalier.engine.testing.Compare.assertClose;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.model.Adapters;
import espalier.engine.model.LoraAdapter;
import espalier.engine.testing.Compare;
import espalier.engine.testing.GoldenCase;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.SquaredError;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import espalier.testing.SharedData;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Teacher and student on one frozen model against the `distill-*` cases: states, both losses, and the gradients of
/// every adapter and every gate value, gates that are exactly 0 included.
class GoldenDistillTest {
    static Stream<Arguments> cases() {
        return SharedData.goldenCases("distill-").stream()
                .flatMap(path -> Stream.of(Backends.Choice.values()).map(choice -> Arguments.of(path, choice)));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void twoRolesOnOneModel(Path path, Backends.Choice choice) throws Exception {
        for (Keep keep : new Keep[] {Keep.LAYER_INPUTS, Keep.ACTIVATIONS}) {
            try (Ops ops = Backends.open(choice, 2);
                    GoldenCase golden = new GoldenCase(path, ops);
                    Workspace ws = ops.newWorkspace()) {
                compare(golden, golden.folder().model(), keep, ws);
            }
        }
    }

    private static void compare(GoldenCase golden, Model model, Keep keep, Workspace ws) {
        Ops ops = model.ops();
        Batch batch = golden.batch();
        int layers = model.shape().layers().size();
        Pass plain = Pass.plain(layers);
        long mark = ws.mark();
        Hidden unmasked = model.forward(batch, plain, Keep.NOTHING, ws);
        assertClose("unmasked logits", golden.floats("unmasked_logits"), logits(golden, model, unmasked, ws), 1e-4);
        ws.release(mark);

        Pass teacherPass = Pass.frozen(golden.gates("teacher.z."), golden.adapters("teacher.", false));
        Hidden teacher = model.forward(batch, teacherPass, Keep.LAYER_INPUTS, ws);
        assertClose("teacher logits", golden.floats("teacher_logits"), logits(golden, model, teacher, ws), 1e-4);

        Gates gates = golden.gates("student.z.");
        Gates dGates = golden.zeroGates(gates);
        Adapters adapters = golden.adapters("student.", true);
        Pass studentPass = new Pass(gates, dGates, adapters, WeightGradients.NONE);
        Hidden student = model.forward(batch, studentPass, keep, ws);
        assertClose("student logits", golden.floats("student_logits"), logits(golden, model, student, ws), 1e-4);
        for (int state = 0; state <= layers; state++) {
            assertClose("hidden state " + state, golden.floats("student.hidden_state." + state),
                    golden.host(student.states().get(state)), Compare.VALUES);
        }

        // The layer loss: raw states 1 .. L-1, the last one after the final norm (nuteprune.md §1).
        double layerWeight = Double.parseDouble(golden.setting("layer_weight"));
        double klWeight = Double.parseDouble(golden.setting("kl_weight"));
        float tau = Float.parseFloat(golden.setting("temperature"));
        double layerLoss = 0;
        for (int state = 1; state < layers; state++) {
            layerLoss += mean(ops.squaredError(student.states().get(state), teacher.states().get(state)));
        }
        SquaredError last = ops.squaredError(student.normed(), teacher.normed());
        layerLoss += mean(last);
        assertClose("layer loss", golden.number("layer_loss.f64"), layerLoss, Compare.VALUES);

        Tensor dNormed = ws.take(batch.tokens(), model.shape().hidden());
        double tauSquared = (double) tau * tau;
        float klScale = (float) (klWeight * tauSquared / batch.sequences());
        double kl = tauSquared * model.lmHead().distill(dNormed, student, teacher, tau, klScale, ws).sum()
                / batch.sequences();
        assertClose("kl loss", golden.number("kl_loss.f64"), kl, Compare.VALUES);
        assertClose("total loss", golden.number("total_loss.f64"), klWeight * kl + layerWeight * layerLoss, 1e-4);
        ops.squaredErrorBackward(dNormed, student.normed(), teacher.normed(), (float) (layerWeight / last.count()));

        StateGradients states = (state, d) -> {
            if (state < layers) {
                Tensor own = student.states().get(state);
                Tensor other = teacher.states().get(state);
                float scale = (float) (layerWeight / ops.squaredError(own, other).count());
                ops.squaredErrorBackward(d, own, other, scale);
            }
        };
        model.backward(student, dNormed, states, studentPass, ws);
        assertClose("grad z head", golden.floats("grad.z.head"), golden.host(dGates.heads()), Compare.GRADIENTS);
        assertClose("grad z ffn", golden.floats("grad.z.intermediate"), golden.host(dGates.ffn()), Compare.GRADIENTS);
        assertClose("grad z hidden", golden.floats("grad.z.hidden"), golden.host(dGates.hidden()), Compare.GRADIENTS);
        assertTrue(!adapters.byModule().isEmpty(), "the case trains adapters");
        adapters.byModule().forEach((module, adapter) -> assertAdapter(golden, module, adapter));
    }

    private static void assertAdapter(GoldenCase golden, String module, LoraAdapter adapter) {
        assertClose(module + " A", golden.floats("grad." + module + ".lora_A"), golden.host(adapter.dA()), 1e-3);
        assertClose(module + " B", golden.floats("grad." + module + ".lora_B"), golden.host(adapter.dB()), 1e-3);
    }

    private static double mean(SquaredError error) {
        return error.sum() / error.count();
    }

    private static float[] logits(GoldenCase golden, Model model, Hidden hidden, Workspace ws) {
        long mark = ws.mark();
        float[] logits = golden.host(model.lmHead().logits(hidden.normed(), ws));
        ws.release(mark);
        return logits;
    }
}
