package espalier.engine.masked;

import espalier.engine.adapt.LoraModule;
import espalier.engine.adapt.LoraSettings;
import espalier.engine.model.ModelShape;
import espalier.engine.weights.ExpectedTensor;
import espalier.engine.weights.LayerShape;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;

/// What all snapshots of a run have in common.
///
/// @param shape of the model
/// @param model its fingerprint
/// @param adapters sizes of the student's; empty if none are trained
record SnapshotOwner(ModelShape shape, String model, Optional<LoraSettings> adapters) {
    /// Tells whether a file has adapters, and of which rank.
    static final String RANK = "lora_rank";

    /// Name of the mask of residual channels.
    static final String HIDDEN = "hidden";

    /// What an entry says where the student has no adapters.
    static final String NONE = "none";

    private static final int NAMES_IN_MESSAGE = 4;

    /// @return what decides whether a snapshot can teach here, as the metadata of a file have it. Dropout does not: a
    ///     teacher has none
    Map<String, String> entries() {
        Map<String, String> entries = new TreeMap<>();
        entries.put("model", model);
        entries.put(RANK, adapter(LoraSettings::rank));
        entries.put("lora_alpha", adapter(LoraSettings::alpha));
        entries.put("lora_rank_stabilized", adapter(LoraSettings::rankStabilized));
        entries.put("lora_ranks", adapter(LoraSettings::ranks));
        entries.put("lora_alphas", adapter(LoraSettings::alphas));
        entries.put("lora_targets", adapter(lora -> lora.targets().stream()
                .map(LoraSettings::shortName)
                .collect(Collectors.joining(","))));
        return entries;
    }

    private String adapter(Function<LoraSettings, Object> property) {
        return adapters.map(property).map(Object::toString).orElse(NONE);
    }

    /// @return name of the mask of a layer's query heads
    static String heads(int layer) {
        return "layers." + layer + ".heads";
    }

    /// @return name of the mask of a layer's FFN channels
    static String ffn(int layer) {
        return "layers." + layer + ".ffn";
    }

    /// Compares the tensors of a snapshot with those that it should have.
    ///
    /// @param tensors by name
    /// @return what is wrong; empty if nothing is
    Optional<String> difference(Map<String, SnapshotFile.Tensor> tensors) {
        Map<String, long[]> expected = expected(tensors);
        Set<String> missing = new TreeSet<>(expected.keySet());
        missing.removeAll(tensors.keySet());
        Set<String> leftOver = new TreeSet<>(tensors.keySet());
        leftOver.removeAll(expected.keySet());
        if (!missing.isEmpty() || !leftOver.isEmpty()) {
            return Optional.of("missing tensors: %s; tensors that the model does not call for: %s".formatted(
                    listed(missing), listed(leftOver)));
        }
        return expected.entrySet().stream()
                .filter(entry -> !Arrays.equals(entry.getValue(), tensors.get(entry.getKey()).shape()))
                .map(entry -> ExpectedTensor.shapeMessage(
                        entry.getKey(), tensors.get(entry.getKey()).shape(), entry.getValue(), ""))
                .findFirst();
    }

    /// Which families have gates is the snapshot's to say; those that have any have them in all layers.
    private Map<String, long[]> expected(Map<String, SnapshotFile.Tensor> tensors) {
        Map<String, long[]> expected = new LinkedHashMap<>();
        boolean hasHeads = tensors.keySet().stream().anyMatch(name -> name.endsWith(".heads"));
        boolean hasFfn = tensors.keySet().stream().anyMatch(name -> name.endsWith(".ffn"));
        for (int layer = 0; layer < shape.layers().size(); layer++) {
            LayerShape sizes = shape.layers().get(layer);
            if (hasHeads) {
                expected.put(heads(layer), new long[] {sizes.heads()});
            }
            if (hasFfn) {
                expected.put(ffn(layer), new long[] {sizes.ffn()});
            }
        }
        if (tensors.containsKey(HIDDEN)) {
            expected.put(HIDDEN, new long[] {shape.hidden()});
        }
        for (LoraModule module : modules()) {
            expected.put(module.nameA(), new long[] {module.rank(), module.in()});
            expected.put(module.nameB(), new long[] {module.out(), module.rank()});
        }
        return expected;
    }

    /// @return the student's adapters
    List<LoraModule> modules() {
        return adapters.map(settings -> settings.modules(shape)).orElse(List.of());
    }

    private static String listed(Set<String> names) {
        String shown = names.stream().limit(NAMES_IN_MESSAGE).collect(Collectors.joining(", "));
        int more = names.size() - NAMES_IN_MESSAGE;
        return names.isEmpty() ? "none" : shown + (more > 0 ? " and " + more + " more" : "");
    }
}
