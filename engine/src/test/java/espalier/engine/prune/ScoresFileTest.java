package espalier.engine.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import espalier.engine.model.Architecture;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Shapes;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.SafetensorsWriter;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.TensorToWrite;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ScoresFileTest {
    private static final Map<String, String> SETTINGS = Map.of("importance", "l1", "seed", "42");
    private static final ModelShape SHAPE =
            Shapes.toy(8, false, LayerShape.uniform(4, 4, 2, 3), new LayerShape(new int[] {1, 2}, 2, 5));
    private static final List<Group> IN_LAYERS = Groups.of(Architecture.LLAMA.graph(SHAPE)).all().stream()
            .filter(group -> group.kind() != Group.Kind.HIDDEN)
            .toList();

    @TempDir
    Path folder;

    private Path file;
    private List<UnitScores> scores;

    @BeforeEach
    void write() throws IOException {
        file = folder.resolve("scores.safetensors");
        scores = new ArrayList<>();
        for (Group group : IN_LAYERS) {
            double[] values = new double[group.units()];
            Arrays.setAll(values, unit -> 0.1f * (scores.size() + unit + 1));
            scores.add(new UnitScores(group, values));
        }
        ScoresFile.write(file, scores, SETTINGS);
    }

    @Test
    void whatIsWrittenIsRead() throws IOException {
        List<UnitScores> read = ScoresFile.read(file, IN_LAYERS, SETTINGS);
        assertEquals(scores.size(), read.size());
        for (int i = 0; i < read.size(); i++) {
            assertEquals(IN_LAYERS.get(i), read.get(i).group());
            assertArrayEquals(scores.get(i).scores(), read.get(i).scores());
        }
        GoldenTensors tensors = new GoldenTensors(file);
        assertEquals(4, tensors.floats("layers.0.heads").length);
        assertEquals(3, tensors.floats("layers.0.ffn").length);
        assertEquals(2, tensors.floats("layers.1.kv_groups").length);
        assertEquals(5, tensors.floats("layers.1.ffn").length);
    }

    @Test
    void everySettingThatDiffersIsNamed() {
        assertEquals(
                file + ": scores were computed with other settings: importance was l1, expected l2;"
                        + " samples was nothing, expected 10; seed was 42, expected nothing",
                message(IN_LAYERS, Map.of("importance", "l2", "samples", "10")));
    }

    @Test
    void otherGroups() {
        List<Group> fewer = IN_LAYERS.subList(0, 2);
        assertEquals(file + ": scores of other groups than the model has: layers.1.ffn, layers.1.kv_groups",
                message(fewer, SETTINGS));
        List<Group> hidden = Groups.of(Architecture.LLAMA.graph(SHAPE)).of(Group.Kind.HIDDEN);
        assertEquals(file + ": has no scores hidden for the hidden channels", message(hidden, SETTINGS));
        ModelShape wider = Shapes.toy(8, false, LayerShape.uniform(4, 4, 2, 3), new LayerShape(new int[] {1, 2}, 2, 6));
        List<Group> others = Groups.of(Architecture.LLAMA.graph(wider)).all().stream()
                .filter(group -> group.kind() != Group.Kind.HIDDEN)
                .toList();
        assertEquals(file + ": scores layers.1.ffn are F32 [5], expected F32 [6]", message(others, SETTINGS));
    }

    @Test
    void wrongTypeShapeOrValue() throws IOException {
        Group ffn = IN_LAYERS.stream().filter(group -> group.kind() == Group.Kind.FFN).findFirst().orElseThrow();
        List<Group> one = List.of(ffn);
        replace(StoredType.BF16, new long[] {3}, 1, 2, 3);
        assertEquals(file + ": scores layers.0.ffn are BF16 [3], expected F32 [3]", message(one, SETTINGS));
        replace(StoredType.F32, new long[] {3, 1}, 1, 2, 3);
        assertEquals(file + ": scores layers.0.ffn are F32 [3, 1], expected F32 [3]", message(one, SETTINGS));
        replace(StoredType.F32, new long[] {3}, 1, Float.NaN, 3);
        assertEquals(file + ": score of unit 1 of the FFN channels of layer 0 is NaN", message(one, SETTINGS));
        Files.write(file, new byte[] {1, 2, 3});
        assertEquals(file, Path.of(message(one, SETTINGS).split(":")[0]));
    }

    private void replace(StoredType type, long[] shape, float... values) throws IOException {
        SafetensorsWriter.write(file, SETTINGS, List.of(TensorToWrite.ofFloats("layers.0.ffn", type, shape, values)));
    }

    private String message(List<Group> groups, Map<String, String> settings) {
        return assertThrows(CheckpointException.class, () -> ScoresFile.read(file, groups, settings)).getMessage();
    }
}
