package espalier.engine.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import espalier.engine.model.Architecture;
import espalier.engine.model.ChannelGraph;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelShape;
import espalier.engine.model.ModelSize;
import espalier.engine.model.Shapes;
import espalier.testing.SharedData;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The units that an independent LLM-Pruner implementation cut from SmolLM2-135M-Instruct, from its scores.
class SelectionGoldenTest {
    private static final LayerRange LAYERS = new LayerRange(4, 26);

    @ParameterizedTest
    @CsvSource({"0.25, 119916864", "0.35, 107574336", "0.5, 98830656"})
    void cutsTheSameUnits(String ratio, long parameters) {
        Path folder = SharedData.models().resolve("smollm2-135m-instruct");
        GoldenTensors golden = new GoldenTensors(folder.resolve("llm-pruner.safetensors"));
        ModelShape shape = Shapes.documented("smollm2-135m");
        ChannelGraph graph = Architecture.LLAMA.graph(shape);
        Map<Group.Kind, String> names = Map.of(Group.Kind.FFN, ".ffn", Group.Kind.KV_GROUPS, ".kv_groups");
        List<UnitScores> scores = Groups.of(graph).all().stream()
                .filter(group -> names.containsKey(group.kind()))
                .map(group -> new UnitScores(
                        group, golden.floats("layers." + group.layer() + names.get(group.kind()))))
                .toList();
        assertEquals(60, scores.size());

        PruningPlan plan = new Selection.Local(LAYERS, LAYERS, 1)
                .select(Double.parseDouble(ratio), shape, scores)
                .plan();

        for (int layer = 0; layer < shape.layers().size(); layer++) {
            String prefix = "cut_" + ratio + ".layers." + layer;
            assertEquals(LAYERS.contains(layer), golden.has(prefix + ".ffn"));
            int[] ffn = LAYERS.contains(layer) ? golden.ints(prefix + ".ffn") : new int[0];
            int[] kvGroups = LAYERS.contains(layer) ? golden.ints(prefix + ".kv_groups") : new int[0];
            assertArrayEquals(others(ffn, 1536), plan.layers().get(layer).ffn(), prefix);
            assertArrayEquals(others(kvGroups, 3), plan.keptKvHeads(layer), prefix);
            assertEquals(9 - 3 * kvGroups.length, plan.layers().get(layer).heads().length, prefix);
        }
        assertEquals(parameters, ModelSize.of(Architecture.LLAMA, plan.resultShape()).parameters());
    }

    private static int[] others(int[] cut, int count) {
        return IntStream.range(0, count)
                .filter(unit -> IntStream.of(cut).noneMatch(other -> other == unit))
                .toArray();
    }
}
