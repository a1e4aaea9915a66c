package espalier.engine.prune;

import espalier.engine.weights.SafetensorsWriter;
import espalier.engine.weights.SideFile;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.TensorToWrite;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// `espalier-plan.safetensors`: which units of the source a pruned checkpoint keeps, so that nobody has to guess.
///
/// Tensors are I32 and ascending, indices of the source: `layers` (kept layers), and for each of them, by its index in
/// the source, `layers.N.ffn`, `layers.N.heads`, `layers.N.kv_groups`; `hidden`. The metadata holds the settings.
final class PlanFile {
    static final String NAME = "espalier-plan.safetensors";

    private PlanFile() {}

    static SideFile of(PruningPlan plan, Map<String, String> settings) throws IOException {
        List<TensorToWrite> tensors = new ArrayList<>();
        tensors.add(indices("layers", plan.keptLayers()));
        tensors.add(indices("hidden", plan.keptHidden()));
        for (int layer : plan.keptLayers()) {
            String prefix = "layers." + layer + ".";
            tensors.add(indices(prefix + "ffn", plan.layers().get(layer).ffn()));
            tensors.add(indices(prefix + "heads", plan.layers().get(layer).heads()));
            tensors.add(indices(prefix + "kv_groups", plan.keptKvHeads(layer)));
        }
        return new SideFile(NAME, SafetensorsWriter.content(Path.of(NAME), settings, tensors));
    }

    private static TensorToWrite indices(String name, int[] values) {
        return new TensorToWrite(name, StoredType.I32, new long[] {values.length}, out -> {
            ByteBuffer bytes = ByteBuffer.allocate(values.length * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            bytes.asIntBuffer().put(values);
            out.write(bytes);
        });
    }
}
