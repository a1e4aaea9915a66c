package espalier.engine.train;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.adapt.LoraFactors;
import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.weights.StoredTensor;
import espalier.kernels.Ops;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Set;

/// The parts of a [RunConfig] and of a result that every run has, whatever it trains.
public final class RunDescription {
    /// Said where a finished run's result is not as it was left.
    public static final String LOST = "the result is missing or was changed since it was written: it is written again";

    /// Section of a configuration that says what ran it.
    static final String MACHINE = "machine";

    /// Settings that change nothing about the result: what is learnt from is told by the examples, the model by its
    /// weights.
    public static final Set<String> FREE = Set.of("training.save_every", "model.name", "data.files", "merge");

    private RunDescription() {}

    /// Adds the sections `examples`, `training`, `learning_rate` and `optimiser`.
    ///
    /// @param json the configuration
    /// @param training what is learnt from
    /// @param validation what is held out
    /// @param settings of the run
    /// @param learningRate over its steps
    /// @param adamW of the optimiser
    public static void putTraining(
            ObjectNode json,
            Examples training,
            Examples validation,
            TrainingSettings settings,
            LearningRate learningRate,
            AdamW.Settings adamW) {
        ObjectNode examples = json.putObject("examples");
        examples.put("training", training.fingerprint());
        examples.put("training_rows", training.size());
        examples.put("validation", validation.fingerprint());
        examples.put("validation_rows", validation.size());
        json.set("training", settings(settings));
        ObjectNode rate = json.putObject("learning_rate");
        rate.put("peak", learningRate.peak());
        rate.put("schedule", learningRate.shape().name().toLowerCase(Locale.ROOT));
        rate.put("warmup", learningRate.warmup());
        ObjectNode optimiser = json.putObject("optimiser");
        optimiser.put("name", "adamw");
        optimiser.put("beta1", adamW.beta1());
        optimiser.put("beta2", adamW.beta2());
        optimiser.put("eps", adamW.eps());
        optimiser.put("weight_decay", adamW.weightDecay());
    }

    private static ObjectNode settings(TrainingSettings settings) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("steps", settings.steps());
        json.put("batch", settings.batch());
        json.put("micro_batch", settings.microBatch());
        json.put("seed", settings.seed());
        json.put("clip", settings.clip());
        json.put("eval_every", settings.evalEvery());
        json.put("save_every", settings.saveEvery());
        return json;
    }

    /// Adds the section `machine`.
    ///
    /// @param json the configuration
    /// @param ops the backend
    /// @param program name and version of the program: another one may have other kernels
    public static void putMachine(ObjectNode json, Ops ops, String program) {
        ObjectNode machine = json.putObject(MACHINE);
        machine.put("backend", ops.name());
        machine.put("lane_bits", ops.laneBits());
        machine.put("threads", ops.threads());
        machine.put("program", program);
    }

    /// @param outcome of the training
    /// @return the keys of a result that come from it
    public static ObjectNode result(Trainer.Outcome outcome) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("steps", outcome.steps());
        json.put("tokens", outcome.tokens());
        FiniteJson.put(json, "loss", outcome.loss());
        FiniteJson.put(json, "validation_loss", outcome.validationLoss());
        FiniteJson.put(json, "initial_validation_loss", outcome.initialValidationLoss());
        json.put("best_step", outcome.bestStep());
        json.put("skipped_steps", outcome.skippedSteps());
        json.put("seconds", outcome.seconds());
        json.put("tokens_per_second", outcome.tokensPerSecond());
        return json;
    }

    /// Adds the section `lora`.
    ///
    /// @param configuration of the run
    /// @param initial adapters at the start
    public static void putAdapters(ObjectNode configuration, LoraState initial) {
        LoraSettings settings = initial.settings();
        ObjectNode json = configuration.putObject("lora");
        json.put("rank", settings.rank());
        json.put("alpha", settings.alpha());
        json.put("dropout", settings.dropout());
        ArrayNode targets = json.putArray("targets");
        settings.targets().forEach(site -> targets.add(LoraSettings.shortName(site)));
        json.put("rank_stabilized", settings.rankStabilized());
        ObjectNode ranks = json.putObject("ranks");
        settings.ranks().forEach(ranks::put);
        ObjectNode alphas = json.putObject("alphas");
        settings.alphas().forEach(alphas::put);
        json.put("parameters", initial.parameters());
        json.put("initial_values", fingerprint(initial));
    }

    private static String fingerprint(LoraState state) {
        MessageDigest digest = StoredTensor.newSha256();
        for (LoraFactors factors : state.factors()) {
            update(digest, factors.a());
            update(digest, factors.b());
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static void update(MessageDigest digest, float[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * Float.BYTES);
        bytes.asFloatBuffer().put(values);
        digest.update(bytes);
    }
}
