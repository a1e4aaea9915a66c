package espalier.cli.report;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/// An invented fine-tuning run that looks like a real one: noise, a loss spike, two skipped steps, validation.
final class SampleRun {
    private static final JsonMapper MAPPER = JsonMapper.builder().build();
    static final int STEPS = 300;

    private SampleRun() {}

    static Report report(String title) {
        return TrainingReport.of(title, run(), stages());
    }

    static Run run() {
        return new Run(configuration(), List.of(), metrics(), result());
    }

    static ObjectNode configuration() {
        ObjectNode settings = MAPPER.createObjectNode();
        settings.put("model", "models/SmolLM2-135M-pruned").put("data", "data/alpaca_52k.jsonl").put("out", "recovered")
                .put("steps", STEPS).put("batch", 16).put("micro_batch", 4).put("max_length", 256)
                .put("seed", 42).put("save_every", 50).put("eval_every", 100).put("validation_rows", 2000);
        settings.putObject("lora").put("rank", 8).put("alpha", 16.0).put("dropout", 0.05)
                .putArray("targets").add("q_proj").add("k_proj").add("v_proj").add("o_proj").add("gate_proj")
                .add("up_proj").add("down_proj");
        settings.putObject("optimizer").put("learning_rate", 1e-4).put("weight_decay", 0.0).put("beta1", 0.9)
                .put("beta2", 0.999).put("clip", 1.0).put("schedule", "linear").put("warmup", 100);
        settings.put("kernel", "vector-256").put("threads", 2);
        return settings;
    }

    static List<ObjectNode> metrics() {
        Random random = new Random(7);
        List<ObjectNode> lines = new ArrayList<>();
        for (int step = 1; step <= STEPS; step++) {
            ObjectNode line = MAPPER.createObjectNode().put("step", step);
            double warm = Math.min(1, step / 100.0) * Math.min(1, (STEPS - step) / 200.0);
            line.put("learning_rate", 1e-4 * warm);
            double mean = 1.72 + 1.15 * Math.exp(-step / 45.0);
            if (step == 171 || step == 172) {
                line.put("loss", Double.NaN).putNull("gradient_norm").put("skipped", true);
            } else {
                line.put("loss", mean + 0.11 * random.nextGaussian() + (step == 170 ? 0.9 : 0));
                line.put("gradient_norm", (0.35 + 0.9 * Math.exp(-step / 60.0)) * Math.exp(0.25 * random.nextGaussian())
                        * (step == 170 ? 9 : 1));
            }
            line.put("tokens", step * 2900L).put("seconds", step * 2.9)
                    .put("tokens_per_second", 1005 + 25 * random.nextGaussian() - (step > 210 && step < 240 ? 170 : 0));
            if (step % 100 == 0) {
                line.put("validation_loss", mean + 0.06);
            }
            lines.add(line);
        }
        return lines;
    }

    static ObjectNode result() {
        return MAPPER.createObjectNode().put("steps", STEPS).put("tokens", 870_000).put("loss", 1.7342918)
                .put("validation_loss", 1.7814633).put("best_step", 300).put("initial_validation_loss", 2.9310127)
                .put("skipped_steps", 2).put("skipped_rows", 14).put("seconds", 870.4).put("tokens_per_second", 999.5)
                .put("peak_bytes", 1_964_351_488L)
                .put("sha256", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
    }

    static List<ObjectNode> stages() {
        return List.of(
                stage("dense", 134_515_008, 33.42, 61.3),
                stage("pruned", 101_923_776, 118.07, 48.9),
                stage("recovered", 101_923_776, 52.81, 870.4));
    }

    private static ObjectNode stage(String name, long parameters, double perplexity, double seconds) {
        return MAPPER.createObjectNode().put("stage", name).put("parameters", parameters)
                .put("perplexity", perplexity).put("seconds", seconds);
    }
}
