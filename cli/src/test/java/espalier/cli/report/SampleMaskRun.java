package espalier.cli.report;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/// Invented runs that train masks and look like real ones: noise, skipped steps, teachers that follow and walk back.
final class SampleMaskRun {
    static final int STEPS = 600;
    /// The first step at the target, and the last of Compresso's without masks.
    static final int AT_TARGET = 300;
    static final int ADAPTERS = 60;
    static final int SKIPPED = 222;
    static final double TARGET = 0.3;

    private static final JsonMapper MAPPER = JsonMapper.builder().build();
    private static final int GAP = 10;

    private SampleMaskRun() {}

    /// NutePrune on a model with grouped heads, and its recovery.
    static Report nutePrune(String title) {
        return MaskReport.of(title, nutePrune(), Optional.of(SampleRun.run()), stages());
    }

    static Run nutePrune() {
        return new Run(configuration("nuteprune"), List.of(), nutePruneMetrics(), result("nuteprune", 30, 9, 3, 1536)
                .put("teachers", 29).put("initial_validation_loss", 2.4117).put("validation_loss", 2.7043));
    }

    /// Compresso on a model without groups of heads.
    static Run compresso() {
        ObjectNode change = MAPPER.createObjectNode().put("step", 240);
        change.putArray("differences").addObject().put("path", "gate_rate").put("was", "0.05").put("is", "0.02");
        return new Run(configuration("compresso"), List.of(change), compressoMetrics(),
                result("compresso", 32, 32, 32, 11008));
    }

    static ObjectNode configuration(String method) {
        ObjectNode settings = MAPPER.createObjectNode();
        settings.put("method", method).put("model", "models/SmolLM2-135M").put("data", "data/alpaca_52k.jsonl")
                .put("target_sparsity", TARGET).put("steps", STEPS).put("gate_rate", 0.05);
        settings.putObject("gates").put("hidden", true).put("layers", false);
        return settings;
    }

    static List<ObjectNode> nutePruneMetrics() {
        Random random = new Random(11);
        List<ObjectNode> lines = new ArrayList<>();
        List<Double> snapshots = new ArrayList<>();
        int atTarget = -1;
        for (int step = 1; step <= STEPS; step++) {
            boolean rises = step < AT_TARGET;
            double expected = masks(step, random);
            if (rises && expected >= 0.01 * (snapshots.size() + 1)) {
                snapshots.add(expected);
            }
            int teacher = snapshots.size() < GAP ? -1 : snapshots.size() - GAP;
            if (!rises) {
                atTarget = atTarget < 0 ? teacher : atTarget;
                teacher = Math.max(-1, atTarget - (step - AT_TARGET) * (atTarget + 2) / 150);
            }
            ObjectNode line = step(step, rises ? "pruning" : "target", random);
            double kl = 40 + 260 * Math.min(expected, TARGET) * Math.exp(0.2 * random.nextGaussian());
            double layers = (0.05 + 0.9 * expected) * Math.exp(0.15 * random.nextGaussian());
            if (step == SKIPPED) {
                line.put("loss", "NaN").putNull("gradient_norm").put("skipped", true);
            } else {
                line.put("loss", 0.1 * kl + 0.9 * layers).put("kl", kl).put("layers", layers)
                        .put("penalty", penalty(step));
            }
            putMasks(line, step, expected);
            line.put("teacher", teacher).put("teacher_sparsity", teacher < 0 ? 0 : snapshots.get(teacher))
                    .put("snapshots", snapshots.size());
            if (step % 100 == 0) {
                line.put("validation_loss", 2.42 + 0.9 * expected);
            }
            lines.add(line);
        }
        return lines;
    }

    static List<ObjectNode> compressoMetrics() {
        Random random = new Random(12);
        List<ObjectNode> lines = new ArrayList<>();
        for (int step = 1; step <= STEPS; step++) {
            boolean masked = step > ADAPTERS;
            ObjectNode line =
                    step(step, !masked ? "adapters" : step < AT_TARGET + ADAPTERS ? "pruning" : "target", random);
            double expected = masked ? masks(step - ADAPTERS, random) : 0;
            double crossEntropy = 1.4 + 1.1 * expected + 0.5 * Math.exp(-step / 30.0) + 0.08 * random.nextGaussian();
            line.put("loss", crossEntropy).put("cross_entropy", crossEntropy);
            if (masked) {
                line.put("penalty", penalty(step - ADAPTERS));
                putMasks(line, step - ADAPTERS, expected);
            }
            lines.add(line);
        }
        return lines;
    }

    private static ObjectNode step(int step, String stage, Random random) {
        double warm = Math.min(1, step / 50.0) * Math.min(1, (STEPS - step) / 500.0);
        return MAPPER.createObjectNode().put("step", step).put("stage", stage).put("learning_rate", 1e-4 * warm)
                .put("gradient_norm", (0.4 + 0.5 * Math.exp(-step / 90.0)) * Math.exp(0.25 * random.nextGaussian()))
                .put("labels", 1800).put("tokens", step * 2900L).put("seconds", step * 3.1)
                .put("tokens_per_second", 930 + 20 * random.nextGaussian() + 60.0 * step / STEPS);
    }

    private static double wanted(int step) {
        return TARGET * Math.min(1, (double) step / AT_TARGET);
    }

    private static double masks(int step, Random random) {
        double rising = wanted(step) - 0.02 * Math.sin(Math.PI * Math.min(1, (double) step / AT_TARGET));
        return Math.max(0, rising + 0.012 * Math.sin(step / 17.0) * Math.exp(-step / 260.0)
                + 0.0006 * random.nextGaussian());
    }

    private static double penalty(int step) {
        return 0.4 * Math.sin(step / 40.0) * Math.exp(-step / 200.0);
    }

    private static void putMasks(ObjectNode line, int step, double expected) {
        line.put("expected_sparsity", expected)
                .put("realised_sparsity", Math.max(0, Math.floor(expected * 300 - 2) / 300))
                .put("wanted_sparsity", wanted(step))
                .put("lambda1", -2.5 * (1 - Math.exp(-step / 90.0)) + 0.3 * Math.sin(step / 30.0))
                .put("lambda2", 4 * (1 - Math.exp(-step / 200.0)));
    }

    static ObjectNode result(String method, int layers, int heads, int kvHeads, int ffn) {
        ObjectNode result = MAPPER.createObjectNode().put("method", method).put("target_sparsity", TARGET);
        result.putObject("sparsity").put("expected", 0.30041).put("realised", 0.29877).put("aligned", 0.29312);
        result.put("total_removed", 0.2376).put("parameters_before", 134_515_008).put("parameters_after", 102_554_304)
                .put("steps", STEPS).put("tokens", 1_740_000).put("seconds", 1860.2).put("tokens_per_second", 935.4)
                .put("skipped_steps", method.equals("nuteprune") ? 1 : 0).put("peak_bytes", 2_964_351_488L)
                .put("sha256", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
        ObjectNode kept = result.putObject("kept").put("hidden", 541).put("of_hidden", 576);
        ArrayNode rows = kept.putArray("layers");
        Random random = new Random(5);
        for (int layer = 0; layer < layers; layer++) {
            double share = layer == layers - 2 ? 0 : Math.min(1, 0.45 + 0.1 * (layer % 5) + 0.3 * random.nextDouble());
            rows.addObject().put("heads", Math.round(share * heads)).put("of_heads", heads)
                    .put("kv_heads", (long) Math.ceil(share * kvHeads)).put("of_kv_heads", kvHeads)
                    .put("ffn", 8 * Math.round(ffn / 8 * (layer == 3 ? 1 : 0.35 + 0.5 * random.nextDouble())))
                    .put("of_ffn", ffn);
        }
        return result;
    }

    static List<ObjectNode> stages() {
        List<ObjectNode> stages = SampleRun.stages();
        for (int i = 0; i < stages.size(); i++) {
            stages.get(i).put("prunable_removed", i == 0 ? 0 : 0.29312);
        }
        return stages;
    }
}
