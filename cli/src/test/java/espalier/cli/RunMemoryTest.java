package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import espalier.engine.model.Batch;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.MemoryPlan;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.Pass;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Workspace;
import espalier.testing.SharedData;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class RunMemoryTest {
    private static final Path MODEL = SharedData.models().resolve("tinystories-656k");
    /// What a plan allows for blocks of memory that are not full.
    private static final long GROWTH = 64L << 20;

    @Test
    void aForwardPassTakesWhatThePlanSays() throws IOException {
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
                ModelFolder folder = ModelFolder.open(MODEL, ops);
                Workspace ws = ops.newWorkspace()) {
            Batch batch = Batch.of(new int[512]);
            Hidden hidden = folder.model().forward(batch, Pass.plain(2), Keep.NOTHING, ws);
            folder.model().lmHead().loss(hidden, batch.nextTokens(), ws);
            var parts = MemoryPlan.inference(folder.model().shape(), 0, 512, 0).parts();
            long planned = parts.get("activations") + parts.get("logits");
            assertTrue(ws.heldBytes() <= planned, ws.heldBytes() + " held, " + planned + " planned");
            assertTrue(ws.heldBytes() >= (planned - GROWTH) / 2, ws.heldBytes() + " held, " + planned + " planned");
        }
    }

    @Test
    void inspectShowsThePlans() {
        JsonNode json = Cli.run("inspect", MODEL, "--json").json();
        for (String key : new String[] {"memory", "prune_memory"}) {
            JsonNode plan = json.get(key);
            assertEquals(json.get("bytes"), plan.get("weights"));
            long sum = -plan.get("total").longValue();
            for (JsonNode part : plan) {
                sum += part.longValue();
            }
            assertEquals(plan.get("total").longValue(), sum, "the parts add up");
        }
    }
}
