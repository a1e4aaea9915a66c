package espalier.engine.prune;

import espalier.engine.model.Space;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.SafetensorsFile;
import espalier.engine.weights.SafetensorsWriter;
import espalier.engine.weights.StoredTensor;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.TensorInfo;
import espalier.engine.weights.TensorToWrite;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/// Unit scores in a safetensors file, computed once and used for any ratio: F32 tensors `layers.N.ffn`,
/// `layers.N.kv_groups` or `layers.N.heads`, or `hidden`. The metadata holds the settings they were computed with.
public final class ScoresFile {
    private ScoresFile() {}

    /// @param file is replaced if it exists
    /// @param scores to write, rounded to F32
    /// @param settings how they were computed
    /// @throws IOException if the file cannot be written
    public static void write(Path file, List<UnitScores> scores, Map<String, String> settings) throws IOException {
        List<TensorToWrite> tensors = new ArrayList<>();
        for (UnitScores units : scores) {
            float[] values = new float[units.scores().length];
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) units.scores()[i];
            }
            tensors.add(TensorToWrite.ofFloats(
                    name(units.group()), StoredType.F32, new long[] {values.length}, values));
        }
        SafetensorsWriter.write(file, settings, tensors);
    }

    /// @param file to read
    /// @param groups whose scores are expected, all of them and no others
    /// @param settings that the scores must have been computed with
    /// @return scores of each group
    /// @throws CheckpointException naming every setting that differs, or the first tensor that is missing, misshapen or
    ///     not finite, or all that are left over
    /// @throws IOException if the file cannot be read
    public static List<UnitScores> read(Path file, List<Group> groups, Map<String, String> settings)
            throws IOException {
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            requireSame(file, new TreeMap<>(open.metadata()), new TreeMap<>(settings));
            List<UnitScores> scores = new ArrayList<>();
            Set<String> leftover = new HashSet<>();
            open.tensors().stream().map(TensorInfo::name).forEach(leftover::add);
            for (Group group : groups) {
                scores.add(units(open, group));
                leftover.remove(name(group));
            }
            if (!leftover.isEmpty()) {
                throw new CheckpointException(file + ": scores of other groups than the model has: "
                        + String.join(", ", new TreeSet<>(leftover)));
            }
            return scores;
        }
    }

    private static UnitScores units(SafetensorsFile file, Group group) {
        String name = name(group);
        if (file.find(name).isEmpty()) {
            throw new CheckpointException(file.path() + ": has no scores " + name + " for the " + group.name());
        }
        StoredTensor tensor = file.tensor(name);
        if (tensor.type() != StoredType.F32 || tensor.shape().length != 1 || tensor.elements() != group.units()) {
            throw new CheckpointException("%s: scores %s are %s %s, expected F32 [%d]".formatted(
                    file.path(), name, tensor.type(), Arrays.toString(tensor.shape()), group.units()));
        }
        try {
            return new UnitScores(group, tensor.toDoubles());
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(file.path() + ": " + e.getMessage(), e);
        }
    }

    private static void requireSame(Path file, Map<String, String> actual, Map<String, String> expected) {
        Map<String, String> differences = new TreeMap<>();
        Set<String> keys = new TreeSet<>(actual.keySet());
        keys.addAll(expected.keySet());
        for (String key : keys) {
            String there = actual.getOrDefault(key, "nothing");
            String here = expected.getOrDefault(key, "nothing");
            if (!there.equals(here)) {
                differences.put(key, key + " was " + there + ", expected " + here);
            }
        }
        if (!differences.isEmpty()) {
            throw new CheckpointException(file + ": scores were computed with other settings: "
                    + String.join("; ", differences.values()));
        }
    }

    private static String name(Group group) {
        String kind = switch (group.kind()) {
            case HEADS -> "heads";
            case KV_GROUPS -> "kv_groups";
            case FFN -> "ffn";
            case HIDDEN -> "hidden";
        };
        return group.layer() == Space.WHOLE_MODEL ? kind : "layers." + group.layer() + "." + kind;
    }
}
