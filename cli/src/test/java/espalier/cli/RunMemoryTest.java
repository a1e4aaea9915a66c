package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.model.Batch;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.Pass;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Workspace;
import espalier.testing.SharedData;
import java.io.IOException;
import org.junit.jupiter.api.Test;

class RunMemoryTest {
    /// A workspace grows in blocks of at least 1 MiB and wastes the ends of blocks, so it holds more than is counted, but
    /// never several times as much.
    @Test
    void theFormulaIsWhatAForwardPassTakes() throws IOException {
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
                ModelFolder folder = ModelFolder.open(SharedData.models().resolve("tinystories-656k"), ops);
                Workspace ws = ops.newWorkspace()) {
            int[] ids = new int[512];
            Batch batch = Batch.of(ids);
            Hidden hidden = folder.model().forward(batch, Pass.plain(2), Keep.NOTHING, ws);
            folder.model().lmHead().loss(hidden, batch.nextTokens(), ws);
            long counted = RunMemory.of(folder.model().shape(), ids.length, 0).activations();
            long held = ws.heldBytes();
            assertTrue(held >= counted * 0.5 && held <= counted * 2 + (1 << 20), held + " held, " + counted + " counted");
        }
    }

    @Test
    void aRunThatDoesNotFitIsRefusedBeforeItStarts() {
        RunMemory memory = new RunMemory(1000, 500);
        assertDoesNotThrow(() -> memory.requireAvailable(1500));
        assertEquals(
                "not enough memory: the run needs 1000 bytes for activations and 500 for keys and values, there are 1499",
                assertThrows(IllegalArgumentException.class, () -> memory.requireAvailable(1499)).getMessage());
    }
}
