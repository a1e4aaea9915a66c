package espalier.engine.model;

import static espalier.engine.testing.Compare.assertClose;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import espalier.engine.testing.Compare;
import espalier.engine.testing.GoldenCase;
import espalier.engine.testing.WholeGradients;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import espalier.testing.SharedData;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Logits, loss, all weight gradients and greedy decoding against the `core-*` cases.
class GoldenCoreTest {
    static Stream<Arguments> cases() {
        return SharedData.goldenCases("core-").stream()
                .flatMap(path -> Stream.of(Backends.Choice.values()).map(choice -> Arguments.of(path, choice)));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void logitsAndLoss(Path path, Backends.Choice choice) throws Exception {
        try (Ops ops = Backends.open(choice, 2);
                GoldenCase golden = new GoldenCase(path, ops);
                Workspace ws = ops.newWorkspace()) {
            Model model = golden.folder().model();
            Batch batch = golden.batch();
            Pass pass = Pass.plain(model.shape().layers().size());
            Hidden hidden = model.forward(batch, pass, Keep.NOTHING, ws);
            assertClose("logits", golden.floats("logits"),
                    golden.host(model.lmHead().logits(hidden.normed(), ws)), Compare.VALUES);
            double loss = model.lmHead().loss(hidden, batch.nextTokens(), ws).mean();
            assertClose("loss", golden.number("loss.f64"), loss, Compare.VALUES);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void gradientsOfEveryWeight(Path path, Backends.Choice choice) throws Exception {
        for (Keep keep : new Keep[] {Keep.LAYER_INPUTS, Keep.ACTIVATIONS}) {
            try (Ops ops = Backends.open(choice, 2);
                    GoldenCase golden = new GoldenCase(path, ops);
                    Workspace ws = ops.newWorkspace();
                    WholeGradients sink = new WholeGradients(ops, golden.folder().model().shape())) {
                Model model = golden.folder().model();
                Batch batch = golden.batch();
                int[] targets = batch.nextTokens();
                Pass pass = Pass.plain(model.shape().layers().size()).withWeightGradients(sink);
                Hidden hidden = model.forward(batch, pass, keep, ws);
                Tensor dNormed = ws.take(batch.tokens(), model.shape().hidden());
                float scale = 1f / (batch.tokens() - batch.sequences());
                model.lmHead().lossBackward(dNormed, hidden, targets, scale, ws);
                LmHead.Backward head = model.lmHead().backward(hidden, targets, scale, ws);
                model.backward(hidden, dNormed, StateGradients.NONE, pass, head, ws);
                Set<String> unseen = new HashSet<>(sink.gradients().keySet());
                for (String name : golden.names("grad.")) {
                    String weight = name.substring("grad.".length());
                    unseen.remove(weight);
                    assertClose(weight + " keeping " + keep, golden.floats(name),
                            golden.host(sink.gradients().get(weight)), Compare.GRADIENTS);
                }
                assertEquals(Set.of(), unseen, "gradients without a golden value");
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void greedyTokensThroughTheCache(Path path, Backends.Choice choice) throws Exception {
        try (Ops ops = Backends.open(choice, 2);
                GoldenCase golden = new GoldenCase(path, ops);
                Workspace ws = ops.newWorkspace();
                KvCache cache = new KvCache(golden.folder().model().shape(), ops)) {
            Model model = golden.folder().model();
            int[] expected = golden.ids("greedy_ids")[0];
            Pass pass = Pass.plain(model.shape().layers().size());
            int[] ids = Arrays.copyOf(expected, 5);
            int sequence = cache.newSequence();
            int fed = 0;
            while (ids.length < expected.length) {
                long mark = ws.mark();
                Batch batch = Batch.next(Arrays.copyOfRange(ids, fed, ids.length), cache, sequence);
                Hidden hidden = model.forward(batch, pass, Keep.NOTHING, ws);
                Tensor last = hidden.normed().rowRange(batch.tokens() - 1, batch.tokens());
                int next = GoldenCase.argmax(golden.host(model.lmHead().logits(last, ws)));
                fed = ids.length;
                ids = Arrays.copyOf(ids, ids.length + 1);
                ids[fed] = next;
                ws.release(mark);
            }
            assertArrayEquals(expected, ids);
        }
    }
}
