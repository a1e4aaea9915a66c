package espalier.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.testing.HighestMark;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// What is planned for a step against what real steps take, for every number of layers that keep their activations.
class ActivationBytesTest {
    private static final int SEQUENCES = 3;
    private static final int TOKENS = 33;
    private static final int RANK = 5;

    static Stream<Arguments> works() {
        LayerShape plain = LayerShape.uniform(4, 2, 8, 100);
        LayerShape wide = LayerShape.uniform(6, 6, 16, 24);
        LayerShape grouped = new LayerShape(new int[] {1, 4}, 8, 300);
        Map<String, ModelShape> shapes = Map.of(
                "ffn", shape(70, 48, plain, plain, plain),
                "attention", shape(50, 16, wide, wide),
                "unequal layers", shape(90, 32, plain, grouped, plain, grouped),
                "large vocabulary", shape(40_000, 8, plain, plain));
        return shapes.entrySet().stream().flatMap(shape -> {
            Workload work = Workload.of(shape.getValue(), SEQUENCES * TOKENS, 0);
            Workload.AdaptersPerLayer all =
                    new Workload.AdaptersPerLayer(EnumSet.allOf(Site.class), RANK, true);
            Workload.AdaptersPerLayer some =
                    new Workload.AdaptersPerLayer(Set.of(Site.Q_PROJ, Site.V_PROJ), RANK, false);
            Workload.AdaptersPerLayer last = new Workload.AdaptersPerLayer(Set.of(Site.DOWN_PROJ), RANK, true);
            return Stream.of(
                    Arguments.of(shape.getKey() + ", plain", work),
                    Arguments.of(shape.getKey() + ", adapters with dropout", work.withAdapters(all)),
                    Arguments.of(shape.getKey() + ", two adapters", work.withAdapters(some)),
                    Arguments.of(shape.getKey() + ", one adapter", work.withAdapters(last)),
                    Arguments.of(shape.getKey() + ", gates", work.withGates()),
                    Arguments.of(shape.getKey() + ", teacher", work.withTeacher()),
                    Arguments.of(shape.getKey() + ", all", work.withAdapters(all).withGates().withTeacher()));
        });
    }

    private static ModelShape shape(int vocab, int hidden, LayerShape... layers) {
        List<LayerShape> list = List.of(layers);
        return new ModelShape(vocab, hidden, list, false, ModelShape.Biases.NONE, 1e-5, 10_000, 64);
    }

    /// Nothing is missing, and too much is only that rows without a target are not subtracted: one for each sequence
    /// in the rows that have one, their gradient and their logits.
    @ParameterizedTest(name = "{0}")
    @MethodSource("works")
    void theBytesOfTheWorkspaceArePlanned(String name, Workload work) {
        int layers = work.shape().layers().size();
        long row = (2L * work.shape().hidden() + work.shape().vocab()) * Float.BYTES;
        long slack = work.hasTeacher() ? 0 : SEQUENCES * row + 3 * ActivationBytes.ALIGNMENT;
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 2);
                RandomModel random = new RandomModel(work.shape(), 3);
                Model model = Model.load(random, work.shape(), ops);
                Workspace memory = ops.newWorkspace()) {
            long[] kept = new long[layers + 1];
            for (int count = 0; count <= layers; count++) {
                Keep keep = Keep.lastLayers(count);
                ActivationBytes planned = new ActivationBytes(work);
                try (HighestMark ws = new HighestMark(work.workspace(keep, ops))) {
                    long held = ws.heldBytes();
                    kept[count] = step(model, work, keep, memory, ws);
                    assertEquals(held, ws.heldBytes(), "nothing is taken beyond the block");
                    assertEquals(planned.kept(keep), kept[count], count + " layers: after the forward");
                    long peak = planned.peak(keep);
                    assertTrue(ws.bytes() <= peak && peak <= ws.bytes() + slack,
                            "%d layers: %,d were taken, %,d planned".formatted(count, ws.bytes(), peak));
                }
                memory.release(0);
            }
            assertTrue(kept[layers] > kept[0], "activations take memory");
        }
    }

    /// @return what the forward passes left
    private static long step(Model model, Workload work, Keep keep, Workspace memory, Workspace ws) {
        Ops ops = model.ops();
        int layers = work.shape().layers().size();
        Batch batch = Batch.of(RandomModel.ids(work.shape(), SEQUENCES, TOKENS, 1));
        Gates open = Gates.open(layers);
        Pass pass = new Pass(
                work.hasGates() ? gates(work.shape(), ops, memory) : open,
                work.hasGates() ? gates(work.shape(), ops, memory) : open,
                adapters(work, memory),
                WeightGradients.NONE,
                work.adapters().hasDropout() ? new AdapterDropout(0.1, 1, 2, 3) : AdapterDropout.NONE);
        Hidden teacher = work.hasTeacher() ? model.forward(batch, Pass.plain(layers), Keep.LAYER_INPUTS, ws) : null;
        Hidden hidden = model.forward(batch, pass, keep, ws);
        long kept = ws.mark();
        Tensor dNormed = ws.take(batch.tokens(), work.shape().hidden());
        if (work.hasTeacher()) {
            model.lmHead().distill(dNormed, hidden, teacher, 1, 1, ws);
        } else {
            model.lmHead().lossBackward(dNormed, hidden, batch.nextTokens(), 1, ws);
        }
        model.backward(hidden, dNormed, StateGradients.NONE, pass, ws);
        return kept;
    }

    private static Gates gates(ModelShape shape, Ops ops, Workspace memory) {
        List<Tensor> heads = new ArrayList<>();
        List<Tensor> ffn = new ArrayList<>();
        for (LayerShape layer : shape.layers()) {
            heads.add(memory.takeZeros(1, layer.heads()));
            ffn.add(memory.takeZeros(1, layer.ffn()));
        }
        return new Gates(heads, ffn, memory.takeZeros(1, shape.hidden()), Collections.emptySet(), 0);
    }

    private static Adapters adapters(Workload work, Workspace memory) {
        Map<String, LoraAdapter> byModule = new HashMap<>();
        for (int layer = 0; layer < work.shape().layers().size(); layer++) {
            LayerShape widths = work.shape().layers().get(layer);
            int hidden = work.shape().hidden();
            for (Site site : work.adapters().sites()) {
                int in = switch (site) {
                    case Q_PROJ, K_PROJ, V_PROJ, GATE_PROJ, UP_PROJ -> hidden;
                    case O_PROJ -> widths.queryWidth();
                    case DOWN_PROJ -> widths.ffn();
                };
                int out = switch (site) {
                    case Q_PROJ -> widths.queryWidth();
                    case K_PROJ, V_PROJ -> widths.kvWidth();
                    case GATE_PROJ, UP_PROJ -> widths.ffn();
                    case O_PROJ, DOWN_PROJ -> hidden;
                };
                byModule.put(site.module(layer), new LoraAdapter(
                        memory.takeZeros(RANK, in), memory.takeZeros(out, RANK), 1,
                        memory.takeZeros(RANK, in), memory.takeZeros(out, RANK)));
            }
        }
        return new Adapters(byModule);
    }
}
