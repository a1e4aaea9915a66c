package espalier.engine.prune;

import espalier.engine.model.ModelFolder;
import espalier.engine.weights.StoredTensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/// A method's settings in words, for the metadata of the files it leaves.
final class MethodSettings {
    private static final String NAME = "llm-pruner";

    private MethodSettings() {}

    /// @return how a plan came about, without what only the choice shows
    static Map<String, String> ofPlan(PruningMethod method) {
        return switch (method) {
            case PruningMethod.FirstLayers first -> new TreeMap<>(Map.of(
                    "method", NAME, "mode", "layer", "keep_layers", Integer.toString(first.count())));
            case PruningMethod.ByGroups groups -> ofPlan(groups);
        };
    }

    private static Map<String, String> ofPlan(PruningMethod.ByGroups method) {
        Selection selection = method.settings().selection();
        Map<String, String> settings = scoring(method);
        settings.put("mode", selection instanceof Selection.Channels ? "channel" : "block");
        settings.put("ranking", selection instanceof Selection.Global ? "global" : "local");
        settings.put("selection", selection.toString());
        settings.put("iterative_steps", Integer.toString(method.settings().steps()));
        return settings;
    }

    /// Everything that the scores depend on: settings, the samples' tokens, the weights.
    static Map<String, String> ofScores(PruningMethod.ByGroups method, ModelFolder base) throws IOException {
        Map<String, String> settings = scoring(method);
        settings.put("units", method.settings().selection() instanceof Selection.Channels ? "hidden" : "in layers");
        settings.put("model", base.fingerprint());
        if (method.samples().isPresent()) {
            settings.put("calibration_ids", idsHash(method.samples().get().calibration().samples(1)));
        }
        return settings;
    }

    private static Map<String, String> scoring(PruningMethod.ByGroups method) {
        UnitScorer.Settings scoring = method.settings().scoring();
        Map<String, String> settings = new TreeMap<>();
        settings.put("method", NAME);
        settings.put("importance", scoring.importance().label());
        settings.put("reduction", switch (scoring.reduction()) {
            case Reduction.Stacked stacked -> stacked.name().toLowerCase(Locale.ROOT);
            case Reduction.Position position -> position.name().toLowerCase(Locale.ROOT);
            case Reduction.Named named -> String.join(",", named.modules());
        });
        settings.put("gqa_fold", scoring.fold().name().toLowerCase(Locale.ROOT));
        method.samples().ifPresent(samples -> {
            settings.put("samples", Integer.toString(samples.count()));
            settings.put("tokens", Integer.toString(samples.tokens()));
            settings.putAll(samples.drawn());
        });
        if (scoring.importance() == Importance.RANDOM) {
            settings.put("seed", Long.toString(method.settings().seed()));
        }
        return settings;
    }

    private static String idsHash(int[][] samples) {
        MessageDigest digest = StoredTensor.newSha256();
        for (int[] sample : samples) {
            ByteBuffer bytes = ByteBuffer.allocate(sample.length * Integer.BYTES);
            bytes.asIntBuffer().put(sample);
            digest.update(bytes);
        }
        return HexFormat.of().formatHex(digest.digest());
    }
}
