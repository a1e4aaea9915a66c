package espalier.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.testing.InterceptedOps;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Backends;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// A model made layer by layer computes what the whole one does, and leaves nothing allocated, however it ends.
class StreamedModelTest {
    private static final LayerShape LAYER = LayerShape.uniform(4, 2, 4, 24);
    private static final ModelShape SHAPE = new ModelShape(
            19, 16, List.of(LAYER, LAYER, LAYER), false, new ModelShape.Biases(true, true, true), 1e-5, 10_000, 64);
    private static final Batch BATCH = Batch.of(RandomModel.ids(SHAPE, 2, 5, 3));

    private final RandomModel random = new RandomModel(SHAPE, 7);
    private final Set<Arena> arenas = new HashSet<>();
    private final List<Workspace> closed = new ArrayList<>();
    private final Ops backend = Backends.open(Backends.Choice.SCALAR, 1);
    private final Ops ops = InterceptedOps.of(backend, matrix -> matrix, closed::add);
    private String missing = "";

    @AfterEach
    void close() {
        backend.close();
        random.close();
    }

    /// The random model's tensors, copied into the memory they are asked for in.
    private final class Copies implements WeightSource {
        private final Arena memory;

        Copies(Arena memory) {
            this.memory = memory;
            arenas.add(memory);
        }

        @Override
        public StoredMatrix matrix(String name, int rows, int cols) {
            require(name);
            StoredMatrix matrix = random.matrix(name, rows, cols);
            MemorySegment copy = memory.allocate(matrix.data().byteSize(), 64).copyFrom(matrix.data());
            return new StoredMatrix(name, DType.F32, rows, cols, copy);
        }

        @Override
        public float[] vector(String name, int length) {
            require(name);
            return random.vector(name, length);
        }

        private void require(String name) {
            if (name.equals(missing)) {
                throw new IllegalArgumentException("no tensor " + name);
            }
        }
    }

    private long open() {
        return arenas.stream().filter(arena -> arena.scope().isAlive()).count();
    }

    private void assertNothingIsLeft(int workspaces) {
        assertEquals(0, open());
        assertFalse(arenas.isEmpty());
        assertEquals(workspaces, closed.size());
    }

    @Test
    void computesWhatTheWholeModelDoesWithOneLayerInMemory() {
        float[] whole;
        try (Model model = Model.load(random, SHAPE, backend)) {
            whole = RandomModel.logits(model, BATCH);
        }
        try (StreamedModel streamed = new StreamedModel(Copies::new, SHAPE, backend)) {
            Pass plain = Pass.plain(3);
            assertArrayEquals(whole, HostCopy.logits(streamed.model(), BATCH, plain));
            assertEquals(2, open(), "what is outside the layers, and one layer");
            assertArrayEquals(whole, HostCopy.logits(streamed.model(), BATCH, plain));
            streamed.weights().matrix("lm_head.weight", 19, 16);
            streamed.weights().matrix("model.embed_tokens.weight", 19, 16);
            assertEquals(3, open(), "and one matrix");
        }
        assertEquals(0, open());
    }

    @Test
    void aModelThatCannotBeLoadedIsFreed() {
        for (String name : List.of("model.embed_tokens.weight", "lm_head.weight", "model.norm.weight")) {
            arenas.clear();
            closed.clear();
            missing = name;
            var e = assertThrows(IllegalArgumentException.class, () -> new StreamedModel(Copies::new, SHAPE, ops));
            assertEquals("no tensor " + name, e.getMessage());
            assertNothingIsLeft(2);
        }
    }

    @Test
    void tensorsThatCannotBeHadAreAnError() {
        Function<Arena, WeightSource> none = memory -> {
            arenas.add(memory);
            throw new IllegalStateException("none today");
        };
        assertThrows(IllegalStateException.class, () -> new StreamedModel(none, SHAPE, ops));
        assertNothingIsLeft(2);
    }

    /// A layer that fails half-way is not taken for the one before when it is asked for again.
    @Test
    void aLayerThatCannotBeLoadedIsTriedAgain() {
        Pass plain = Pass.plain(3);
        try (StreamedModel streamed = new StreamedModel(Copies::new, SHAPE, ops)) {
            float[] before = HostCopy.logits(streamed.model(), BATCH, plain);
            missing = "model.layers.0.mlp.down_proj.bias";
            for (int i = 0; i < 2; i++) {
                var e = assertThrows(IllegalArgumentException.class,
                        () -> HostCopy.logits(streamed.model(), BATCH, plain));
                assertEquals("no tensor " + missing, e.getMessage());
            }
            assertTrue(open() <= 2, open() + " arenas");
            missing = "";
            assertArrayEquals(before, HostCopy.logits(streamed.model(), BATCH, plain));
            closed.clear();
        }
        assertNothingIsLeft(2);
    }
}
