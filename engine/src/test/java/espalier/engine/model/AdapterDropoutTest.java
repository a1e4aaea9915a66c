package espalier.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.testing.Compare;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Backends;
import espalier.kernels.Dropout;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What dropout depends on, and what it leaves alone.
class AdapterDropoutTest {
    private static final int RANK = 3;
    private static final ModelShape SHAPE = Shapes.toy(
            24, true, LayerShape.uniform(4, 2, 6, 40), LayerShape.uniform(2, 1, 6, 17));
    private static final int[] A = {1, 2, 3, 4, 5, 6, 7};
    private static final int[] B = {1, 2, 3, 9, 8};
    private static final AdapterDropout DROPOUT = new AdapterDropout(0.25, 17, 3, 4);

    /// What a pass over one batch gives.
    ///
    /// @param normed `[tokens * hidden]`, after the final norm
    /// @param gradients of every factor, by module
    private record Outcome(float[] normed, Map<String, float[]> gradients) {
        float[] rows(int from, int to) {
            return Arrays.copyOfRange(normed, from * SHAPE.hidden(), to * SHAPE.hidden());
        }
    }

    private static Outcome run(Ops ops, AdapterDropout dropout, boolean trained, int[]... sequences) {
        try (RandomModel random = new RandomModel(SHAPE, 5);
                Model model = Model.load(random, SHAPE, ops);
                Workspace ws = ops.newWorkspace()) {
            Map<String, LoraAdapter> byModule = new HashMap<>();
            for (TensorShape tensor : Architecture.LLAMA.tensors(SHAPE)) {
                for (int layer = 0; layer < SHAPE.layers().size(); layer++) {
                    for (Site site : Site.values()) {
                        if (tensor.name().equals(site.module(layer) + ".weight")) {
                            byModule.put(site.module(layer), adapter(ops, ws, tensor, trained));
                        }
                    }
                }
            }
            assertEquals(14, byModule.size());
            Pass pass = Pass.frozen(Gates.open(SHAPE.layers().size()), new Adapters(byModule)).withDropout(dropout);
            Batch batch = Batch.of(sequences);
            Hidden hidden = model.forward(batch, pass, Keep.LAYER_INPUTS, ws);
            float[] normed = RandomModel.host(ops, hidden.normed());
            Tensor dNormed = ws.take(batch.tokens(), SHAPE.hidden());
            model.lmHead().lossBackward(dNormed, hidden, batch.nextTokens(), 1, ws);
            model.backward(hidden, dNormed, StateGradients.NONE, pass, ws);
            Map<String, float[]> gradients = new HashMap<>();
            byModule.forEach((module, adapter) -> {
                gradients.put(module + ".A", RandomModel.host(ops, adapter.dA()));
                gradients.put(module + ".B", RandomModel.host(ops, adapter.dB()));
            });
            return new Outcome(normed, gradients);
        }
    }

    private static LoraAdapter adapter(Ops ops, Workspace ws, TensorShape tensor, boolean trained) {
        Tensor a = random(ops, ws, RANK, tensor.cols(), tensor.name());
        Tensor b = random(ops, ws, tensor.rows(), RANK, tensor.name());
        return trained
                ? new LoraAdapter(a, b, 0.5f, ws.takeZeros(a.rows(), a.cols()), ws.takeZeros(b.rows(), b.cols()))
                : LoraAdapter.frozen(a, b, 0.5f);
    }

    private static Tensor random(Ops ops, Workspace ws, int rows, int cols, String name) {
        Philox philox = new Philox(rows, name.hashCode());
        float[] values = new float[rows * cols];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (0.4 * philox.gaussian(i));
        }
        Tensor tensor = ws.take(rows, cols);
        ops.fromHost(values, tensor);
        return tensor;
    }

    /// The cut into micro-batches: two sequences together, or one after the other.
    @ParameterizedTest
    @EnumSource(Backends.Choice.class)
    void aBatchIsMaskedAsItsPartsAre(Backends.Choice choice) {
        try (Ops ops = Backends.open(choice, 2)) {
            Outcome both = run(ops, DROPOUT, true, A, B);
            Outcome first = run(ops, DROPOUT, true, A);
            Outcome second = run(ops, new AdapterDropout(0.25, 17, 3, 5), true, B);
            Compare.assertClose("a", first.normed, both.rows(0, A.length), 1e-5);
            Compare.assertClose("b", second.normed, both.rows(A.length, A.length + B.length), 1e-5);
            both.gradients.forEach((name, gradient) -> {
                float[] sum = first.gradients.get(name).clone();
                float[] other = second.gradients.get(name);
                for (int i = 0; i < sum.length; i++) {
                    sum[i] += other[i];
                }
                Compare.assertClose(name, sum, gradient, 1e-4);
            });
            // The tokens that A and B begin with are masked each in its own row.
            assertFalse(Arrays.equals(both.rows(0, 3), both.rows(A.length, A.length + 3)));
        }
    }

    @Test
    void theReferenceGivesTheSameBitsForEveryCut() {
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1)) {
            Outcome both = run(ops, DROPOUT, true, A, B);
            assertArrayEquals(run(ops, DROPOUT, true, A).normed, both.rows(0, A.length));
            assertArrayEquals(run(ops, new AdapterDropout(0.25, 17, 3, 5), true, B).normed,
                    both.rows(A.length, A.length + B.length));
        }
    }

    @Test
    void backendsAndThreadsMaskAlike() {
        try (Ops scalar = Backends.open(Backends.Choice.SCALAR, 1);
                Ops one = Backends.open(Backends.Choice.VECTOR, 1);
                Ops two = Backends.open(Backends.Choice.VECTOR, 2)) {
            Outcome expected = run(scalar, DROPOUT, true, A, B);
            Outcome outcome = run(one, DROPOUT, true, A, B);
            Outcome other = run(two, DROPOUT, true, A, B);
            Compare.assertClose("normed", expected.normed, outcome.normed, 1e-4);
            assertArrayEquals(outcome.normed, other.normed);
            outcome.gradients.forEach((name, gradient) -> {
                Compare.assertClose(name, expected.gradients.get(name), gradient, 1e-4);
                assertArrayEquals(gradient, other.gradients.get(name), name);
            });
        }
    }

    @Test
    void seedStepAndRowGiveOtherMasks() {
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 1)) {
            float[] normed = run(ops, DROPOUT, true, A).normed;
            assertArrayEquals(normed, run(ops, DROPOUT, true, A).normed);
            for (AdapterDropout other : new AdapterDropout[] {
                AdapterDropout.NONE, new AdapterDropout(0.25, 18, 3, 4), new AdapterDropout(0.25, 17, 4, 4),
                new AdapterDropout(0.25, 17, 3, 5), new AdapterDropout(0.5, 17, 3, 4)
            }) {
                assertFalse(Arrays.equals(normed, run(ops, other, true, A).normed), other::toString);
            }
        }
    }

    @Test
    void adaptersThatAreNotTrainedSeeEverything() {
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, 1)) {
            Outcome plain = run(ops, AdapterDropout.NONE, false, A, B);
            assertArrayEquals(plain.normed, run(ops, DROPOUT, false, A, B).normed);
        }
    }

    @Test
    void projectionsHaveMasksOfTheirOwn() {
        Set<Dropout> keys = new HashSet<>();
        for (int layer = 0; layer < 3; layer++) {
            for (Site site : Site.values()) {
                Dropout key = DROPOUT.key(layer, site);
                assertEquals(new Dropout(0.25, 17, 3, layer, key.site()), key);
                keys.add(key);
            }
        }
        assertEquals(21, keys.size());
        assertTrue(DROPOUT.isOn());
        assertFalse(AdapterDropout.NONE.isOn());
    }

    @Test
    void wrongNumbersAreNamed() {
        assertEquals("dropout probability must be at least 0 and at most 65535/65536, got 1.0",
                assertThrows(IllegalArgumentException.class, () -> new AdapterDropout(1, 0, 0, 0)).getMessage());
        assertEquals("step of a dropout is -1, expected 0 to 4294967295",
                assertThrows(IllegalArgumentException.class, () -> new AdapterDropout(0, 0, -1, 0)).getMessage());
        assertEquals("first row of a dropout must not be negative, got -2",
                assertThrows(IllegalArgumentException.class, () -> new AdapterDropout(0, 0, 0, -2)).getMessage());
    }

    @Test
    void batchesNumberTheirRows() {
        assertArrayEquals(new int[] {3, 3, 4, 5, 5, 5}, Batch.of(new int[2], new int[1], new int[3]).rows(3));
    }
}
